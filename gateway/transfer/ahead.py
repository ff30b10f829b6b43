"""A download over several connections, in order, when and only when one stream is what it waits for.

It begins as every download: one GET. While that is large enough still, its time is measured. When most of it
goes into waiting for the store, although the client takes at once what comes and the gateway is idle
(:mod:`gateway.adapt.read_ahead`), the stream is cut a window ahead and the rest is asked for in windows, ranged GETs
with ``If-Match``, several at a time:

1. *As many as help.* The number is a :class:`~gateway.adapt.concurrency.Limit`: it grows while goodput does, is cut
   when the store asks for less, and falls back to one stream where more bring nothing. For a
   client that is the slower one a few windows are enough.
2. *Only with memory that nobody misses.* A window begins with memory for all of it, taken at once or not at all, from
   half of general memory at most, and with a place in flight that nobody misses. Under pressure windows are thrown
   away.
3. *It cannot deadlock.* The window whose turn it is is read straight into the reader's own memory. Nothing here waits
   for memory or for a place; where there is none the rest is one stream again.
4. *Nothing new can go wrong.* A window that fails ahead of its turn is asked for again when that comes, and only then
   its failure is the download's. All windows are of the version that was begun (:mod:`gateway.transfer.resuming`).
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.adapt.concurrency import FIRST, Limit
from gateway.adapt.read_ahead import PERIOD, SMALLEST_WINDOW, Bottleneck, Period, window_size
from gateway.adapt.samples import Outcome, PartSample
from gateway.errors import GatewayError, Overloaded
from gateway.model import ByteRange, Source
from gateway.pipeline.limiter import Limiter
from gateway.pipeline.owner import Owner, unbroken
from gateway.pipeline.pool import SlabPool
from gateway.telemetry import Instrument
from gateway.transfer.placement import Placement
from gateway.transfer.resuming import Call, ResumingSource, Watched
from gateway.transfer.window import Window

#: A download with fewer bytes to come stays one stream.
WORTH: Final = 4 * SMALLEST_WINDOW
#: Windows ahead of a client that takes its time.
_LEAD: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAhead:
    """What windows run on; one per process. ``places`` by store; ``streams`` of one download at a time, at most."""

    pool: SlabPool
    places: Mapping[str, Limiter]
    streams: int
    clock: Callable[[], float] = time.perf_counter
    #: CPU seconds of the event loop's thread.
    cpu: Callable[[], float] = time.thread_time


class AheadSource:
    """The bytes of ``span`` of the version ``etag`` of an object; ``opened`` is one stream of them all."""

    def __init__(
        self,
        means: ReadAhead,
        principal: str,
        placement: Placement,
        etag: str,
        span: ByteRange,
        opened: Source,
        retrier: Call,
        instrument: Instrument,
    ) -> None:
        self._means = means
        self._placement = placement
        self._etag = etag
        self._retrier = Watched(retrier, self._congested, means.clock)
        self._instrument = instrument
        self._places = means.places[placement.store.name]
        self._account = means.pool.account(principal)
        self._open = False
        self._tasks = Owner()
        self._offset = span.start
        self._stop = span.stop
        self._head = Window(span.start, self._stream(span, opened))
        self._tail: deque[Window] = deque()
        self._alone = True
        self._starved = True
        self._next = span.stop
        self._size = 0
        self._limit = Limit(1, maximum=means.streams)
        self._bottleneck = Bottleneck()
        self._begin_period()

    @property
    def length(self) -> int | None:
        """Bytes still to come."""
        return self._stop - self._offset

    async def read_into(self, view: memoryview, /) -> int:
        """Fill the view, out of whichever stream has the bytes.

        Raises:
            StorageError: the store breaks again and again, or the object was replaced meanwhile.
        """
        while self._offset < self._stop:
            self._widen()
            began = self._means.clock()
            count = await self._head.read_into(view)
            if count:
                self._offset += count
                self._measure(count, began)
                return count
            await self._advance()
        return 0

    async def aclose(self) -> None:
        """Close all connections, give all memory back."""
        self._tasks.cancel()
        await unbroken(self._close())

    async def _close(self) -> None:
        await self._tasks.join()
        for window in (self._head, *self._tail):
            window.release()
            await window.source.aclose()
        self._tail.clear()
        if self._open:
            self._open = False
            self._account.close()

    def _stream(self, span: ByteRange, opened: Source | None = None) -> ResumingSource:
        return ResumingSource(
            self._placement, self._etag, span, opened, self._retrier, self._instrument
        )

    async def _advance(self) -> None:
        """The head is at its end: the next window's turn, or one stream again for all that is left."""
        await self._head.source.aclose()
        if self._tail:
            self._head = self._tail.popleft()
            return
        self._head = Window(self._offset, self._stream(ByteRange(self._offset, self._stop)))
        self._alone, self._next = True, self._stop
        self._bottleneck.on_narrowed()
        self._begin_period()

    # --- who waits for whom?

    def _begin_period(self) -> None:
        self._since, self._busy = self._means.clock(), self._means.cpu()
        self._came, self._waited = 0, 0.0

    def _measure(self, count: int, began: float) -> None:
        now = self._means.clock()
        self._came += count
        self._waited += now - began
        if self._head.received:
            self._arrived(self._head)
        if now - self._since < PERIOD:
            return
        busy = self._means.cpu() - self._busy
        period = Period(self._came, now - self._since, self._waited, busy)
        if not self._alone:
            self._starved = period.starved
        elif self._stop - self._offset >= WORTH and self._bottleneck.on_period(period):
            self._cut(period.rate)
        self._begin_period()

    def _cut(self, rate: float) -> None:
        """Let the one stream end soon, as the first window, and begin the next one: if there is memory and place."""
        if not self._is_open():
            return
        size = window_size(rate, self._means.pool.budget.general // 2)
        cut = self._offset + size
        if self._stop - cut < size:
            return
        first = min(FIRST, self._means.streams)
        limit = Limit(first, maximum=self._means.streams, before=(1, rate))
        self._size, self._next = size, cut
        if not self._begin():
            self._next = self._stop
            return
        self._alone, self._starved, self._limit = False, True, limit
        self._head.end_at(cut, self._means.clock())
        self._instrument.download_widened(self._placement.store.name)

    def _is_open(self) -> bool:
        if not self._open:
            try:
                self._account.open(self)
            except Overloaded:
                return False
            self._open = True
        return True

    # --- several streams

    def _widen(self) -> None:
        """Open windows while that helps and there is memory and place for them."""
        while self._next < self._stop and self._is_wanted():
            if not self._begin():
                return

    def _is_wanted(self) -> bool:
        most = 2 * self._limit.value if self._starved else _LEAD
        return len(self._tail) < most and self._running() < self._limit.value

    def _running(self) -> int:
        return sum(window.running for window in (self._head, *self._tail))

    def _begin(self) -> bool:
        """Open the next window, if there is memory and place for it."""
        size = min(self._size, self._stop - self._next)
        memory = self._account.spare(size)
        if not memory:
            return False
        if not self._places.spare():
            for slab in memory:
                slab.release()
            return False
        span = ByteRange(self._next, self._next + size)
        window = Window(
            span.start,
            self._stream(span),
            memory,
            began=self._means.clock(),
            width=self._running() + 1,
        )
        name = f"read ahead {span.start} of {self._placement.key}"
        window.filling = self._tasks.start(self._fill(window), name=name)
        # Not in the task: one that is cancelled before it ran runs nothing at all.
        window.filling.add_done_callback(self._landed)
        self._tail.append(window)
        self._next = span.stop
        return True

    async def _fill(self, window: Window) -> None:
        try:
            await window.fill()
        except GatewayError:
            await window.source.aclose()
        except asyncio.CancelledError:
            await window.source.aclose()
            raise
        if window.received:
            self._arrived(window)

    def _landed(self, filling: "asyncio.Task[None]") -> None:
        self._places.release()
        if not filling.cancelled():
            filling.exception()  # whoever reads the window hears of it

    def _arrived(self, window: Window) -> None:
        """All of a window came from the store: how long did it take?"""
        if window.began is None:
            return
        sample = PartSample(
            size=window.size,
            started=window.began,
            finished=self._means.clock(),
            in_flight=window.width,
        )
        window.began = None
        self._limit.on_sample(sample)

    def _congested(self, started: float) -> None:
        sample = PartSample(
            size=0,
            started=started,
            finished=self._means.clock(),
            in_flight=self._running(),
            outcome=Outcome.CONGESTED,
        )
        self._limit.on_sample(sample)

    # --- under memory pressure, as a Holder

    def spillable(self) -> int:
        """Bytes that can be given back now."""
        return sum(window.held for window in self._tail)

    def sending(self) -> bool:
        """Nothing comes back by itself: it waits for the client."""
        return False

    def due(self) -> float:
        """Never: it makes way for every upload."""
        return float("inf")

    def spill(self) -> None:
        """Throw away what was read ahead; it is asked for again in its turn."""
        if not self._tail:
            return
        self._next = self._tail[0].start
        for window in self._tail:
            window.drop()
        self._tail.clear()
