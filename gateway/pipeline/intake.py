"""What an upload is taking in: the part being filled, its memory, its client's rate, its way to disk."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from gateway.adapt.buffer_size import PROOF, BufferSize
from gateway.adapt.part_size import PartPlan
from gateway.errors import GatewayError
from gateway.pipeline.naps import Naps
from gateway.pipeline.owner import Owner
from gateway.pipeline.parts import Draft, PartBuilder
from gateway.pipeline.passing import Passing
from gateway.pipeline.slabs import Account, Slab
from gateway.pipeline.spool import Spool

#: A client is fast when it sends a part in that many seconds.
_FAST: Final = 1.0
#: Seconds that are too few for much to gather in the kernel.
_AT_ONCE: Final = 0.1


class Intake:
    """The receiving half of a sink; for memory pressure the :class:`~gateway.pipeline.budget.Holder`.

    ``owed`` tells whether parts are with the store, ``failed`` is told what went wrong on one of the ways out;
    ``builder`` cuts otherwise than ``plan`` from its first part.
    """

    def __init__(
        self,
        plan: PartPlan,
        memory: Account,
        spool: Spool | None,
        *,
        owed: Callable[[], bool],
        passing: Passing | None = None,
        failed: Callable[[BaseException], None] = lambda _: None,
        naps: Naps | None = None,
        clock: Callable[[], float] = time.monotonic,
        builder: PartBuilder | None = None,
    ) -> None:
        self._memory = memory
        self._spool = spool
        self._owed = owed
        self._passing = passing
        self._failed = failed
        self._naps = Naps() if naps is None else naps
        self._length = plan.length
        self._clock = clock
        self._builder = builder or PartBuilder(plan)
        self._window: memoryview | None = None
        self._client = BufferSize(proof=PROOF)
        self._expected: int | None = plan.length
        self._reading_since: float | None = None
        self._read_until: float | None = None
        self._drained = self._at_once = True
        self._napped = self._opening = False
        #: Whether bytes gather between reads, so that a read is over when it has what is there.
        self.prompt = False
        self._spills = Owner()
        #: Seconds in which we did not read from the client although it was not at its end.
        self.paused = 0.0

    @property
    def draft(self) -> Draft:
        """The part that is being filled."""
        return self._builder.draft

    @property
    def spilling(self) -> bool:
        """Whether bytes are being written to disk."""
        return len(self._spills) > 0

    def open(self) -> None:
        """Be admitted to the memory.

        Raises:
            Overloaded: there is none for one more body.
        """
        self._memory.open(self)

    async def close(self) -> None:
        """Give everything back that is not in flight."""
        if self._opening:
            self._spills.cancel()
        await self._spills.join()
        self._close_window()
        self.draft.release()
        self._memory.close()

    async def admit(self, expected: int | None) -> memoryview | None:
        """See :meth:`gateway.pipeline.filling.Filling.admit`."""
        self._expected = expected
        builder = self._builder
        draft, room = builder.draft, builder.draft.room
        if expected == 0 or not room:
            return None
        slept = 0.0
        # A slow client's bytes gather, and we wait for it meanwhile. Not while reads are full: there is more than was
        # thought. Whoever gathers is read promptly: a read that waits for more than is there would be as many
        # wake-ups as there are segments; and always full.
        nap = self._client.nap(room if expected is None else expected)
        self.prompt = nap > 0
        if nap and self._drained:
            began = self._clock()
            await self._naps.nap(nap)
            slept = self._clock() - began
        if not builder.is_open:
            if not draft.size:
                await self._begin(draft)
            client = self._client
            wanted = client.gathered if self.prompt and draft.passage is not None else client.size
            size = builder.slab_size(wanted, expected)
            builder.add(self._memory.take_at_once(size) or await self._memory.take(size))
        self._window = builder.window()
        self._read_from(slept)
        return self._window

    def _read_from(self, slept: float) -> None:
        """We read from the client now, and have waited for it for ``slept`` seconds already."""
        now = self._clock()
        pause = 0.0 if self._read_until is None else now - slept - self._read_until
        self.paused += pause
        self._at_once = not slept and pause < _AT_ONCE
        self._napped = slept > 0
        self._reading_since = now - slept

    async def _begin(self, draft: Draft) -> None:
        """A part begins when it could go to disk as a whole, and nothing unfinished is held while it waits for that.
        A client that has shown itself fast need not wait: its part is complete before it comes to that."""
        size = draft.room if self._expected is None else min(draft.room, self._expected)
        measured = self._read_until is not None
        if not (measured and size <= self._client.rate() * _FAST):
            await self._reserve(draft, size)
        self._memory.start_part()

    async def _reserve(self, draft: Draft, size: int) -> None:
        """Make sure of a way out for the part: at the store if that can be, else on disk."""
        passing, spool, principal = self._passing, self._spool, self._memory.principal
        if self._length is None:
            passing = None
        if passing is not None and passing.reserve(draft, size):
            return
        if spool is None:
            return
        give_back = spool.begin_now(principal, size)
        if give_back is None and passing is None:
            give_back = await spool.begin(principal, size)
        if give_back is not None:
            draft.on_release(give_back)
        elif passing is not None:
            await _first(draft, spool.begin(principal, size), passing.wait(draft, size))

    def filled(self, size: int) -> Slab | None:
        """See :meth:`gateway.pipeline.filling.Filling.filled`."""
        assert self._reading_since is not None, "admit() comes first"
        self._read_until = self._clock()
        waited = self._read_until - self._reading_since
        self._drained = self._window is None or size < len(self._window)
        if self._napped and self._drained:
            self._client.on_gathered(size, waited)
        self._client.on_read(size, waited)
        self._close_window()
        slab = self._builder.advance(size)
        if slab is not None:
            more = waited < _AT_ONCE and self._at_once and not self._drained
            self._client.on_filled(more=more)
        elif self.draft.passes:
            slab = self._builder.seal()
        if slab is not None:
            slab.retain()
        return slab

    def ended(self) -> Slab | None:
        """See :meth:`gateway.pipeline.filling.Filling.ended`."""
        self._close_window()
        slab = self._builder.seal()
        if slab is not None:
            slab.retain()
        return slab

    def cut(self) -> Draft:
        """Take the part as it is; the next one begins."""
        assert not self._builder.is_open, "ended() comes first"
        return self._builder.cut()

    async def gather(self, draft: Draft, ahead: int = 0) -> None:
        """Have all of a part that was cut at hand (or at the store but for its last slab), and room for ``ahead``
        bytes that are to be put before it. From here on it depends on the store only."""
        await self._spills.join()
        await self.forward(draft)
        if draft.spooled + ahead:
            await draft.take_room(self._memory, ahead)
        self._memory.end_part()

    def _close_window(self) -> None:
        self._reading_since = None
        if self._window is not None:
            try:  # noqa: SIM105 - suppress() costs more than all the rest
                self._window.release()
            except BufferError:
                pass  # whoever still holds a buffer of it keeps the slab from being reused; see Slab
            self._window = None

    # --- under memory pressure ---

    def spillable(self) -> int:
        """Bytes that could leave memory now, to the store or to disk."""
        draft = self.draft
        if draft.passes or len(self._spills):
            return 0
        size = sum(slab.size for slab in self._builder.sealed())
        if self._may_pass(draft) or (self._spool is not None and self._spool.has_room(size)):
            return size
        return 0

    @staticmethod
    def _may_pass(draft: Draft) -> bool:
        return draft.announced is not None and not draft.spooled and draft.size < draft.announced

    def sending(self) -> bool:
        """Whether the store owes a receipt, so that memory will come back."""
        return self._owed()

    def due(self) -> float:
        """Seconds until the unfinished part is complete at the client's rate; 0 when it is."""
        room = self.draft.room
        missing = room if self._expected is None else min(room, self._expected)
        if not missing:
            return 0.0
        since = self._reading_since
        rate = self._client.rate(0.0 if since is None else self._clock() - since)
        return missing / rate if rate > 0 else float("inf")

    def spill(self) -> None:
        """Get them out, beside whatever the pump does."""
        draft = self.draft
        if draft.passes or len(self._spills):
            return
        if self._may_pass(draft):
            self._opening = True
            self._spills.start(self._pass(draft), name="cut-through")
        elif self._spool is not None:
            work = draft.spill(self._spool, self._builder.sealed())
            self._spills.start(work, name="spill")

    async def _pass(self, draft: Draft) -> None:
        """Begin to pass a part to the store."""
        assert self._passing is not None
        try:
            await self._naps.nap(0)  # hundreds are told to at a time
            await self._passing.open(
                draft, whole=draft.number == 1 and draft.announced == self._length
            )
            while slabs := self._sendable(draft):
                await self._passing.send(draft, slabs)
        except GatewayError as error:
            self._failed(error)
        finally:
            self._opening = False

    async def forward(self, draft: Draft) -> None:
        """Send what came of a part that is passed to the store, all but its last slab.

        Raises:
            GatewayError: the upload is lost.
        """
        if draft.passes and not len(self._spills) and (slabs := self._sendable(draft)):
            assert self._passing is not None
            await self._passing.send(draft, slabs)

    def _sendable(self, draft: Draft) -> list[Slab]:
        """What may go. The slab with which the part is complete stays until all is verified; and when more came
        than was announced, nothing goes."""
        assert draft.announced is not None
        slabs = self._builder.sealed() if draft is self.draft else draft.slabs[:]
        if draft.size < draft.announced:
            return slabs
        return slabs[:-1] if draft.size == draft.announced else []


async def _first(
    draft: Draft, disk: Coroutine[Any, Any, Callable[[], None]], place: Coroutine[Any, Any, None]
) -> None:
    """Wait for one of the ways out, whichever is free first. What was taken is given back with the part."""
    waiting = Owner()
    on_disk = waiting.start(disk, name="wait for disk")
    at_store = waiting.start(place, name="wait for a passage")
    try:
        await asyncio.wait((on_disk, at_store), return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        await waiting.join()
        if not on_disk.cancelled():
            draft.on_release(on_disk.result())
