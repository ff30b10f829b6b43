"""What an upload is taking in: the part being filled, its memory, its client's rate, its way to disk."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from gateway.adapt.buffer_size import BufferSize
from gateway.adapt.part_size import PartPlan
from gateway.pipeline.owner import Owner
from gateway.pipeline.parts import Draft, PartBuilder
from gateway.pipeline.slabs import Account, Slab
from gateway.pipeline.spool import Spool

#: A client is fast when it sends a part in that many seconds.
_FAST: Final = 1.0


class Intake:
    """The receiving half of a sink; for memory pressure the :class:`~gateway.pipeline.budget.Holder`.

    ``owed`` tells whether parts are with the store; ``builder`` cuts otherwise than ``plan`` from its first part.
    """

    def __init__(
        self,
        plan: PartPlan,
        memory: Account,
        spool: Spool | None,
        *,
        owed: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
        builder: PartBuilder | None = None,
    ) -> None:
        self._memory = memory
        self._spool = spool
        self._owed = owed
        self._clock = clock
        self._builder = builder or PartBuilder(plan)
        self._window: memoryview | None = None
        self._client = BufferSize()
        self._expected: int | None = plan.length
        self._reading_since: float | None = None
        self._read_until: float | None = None
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
        await self._spills.join()
        self._close_window()
        self.draft.release()
        self._memory.close()

    async def admit(self, expected: int | None) -> memoryview | None:
        """See :meth:`gateway.pipeline.sink.PartSink.admit`."""
        self._expected = expected
        builder = self._builder
        if expected == 0 or not builder.draft.room:
            return None
        if not builder.is_open:
            if not builder.draft.size:
                await self._begin(builder.draft)
            builder.add(await self._memory.take(builder.slab_size(self._client.size, expected)))
        self._window = builder.window()
        self._reading_since = now = self._clock()
        if self._read_until is not None:
            self.paused += now - self._read_until
        return self._window

    async def _begin(self, draft: Draft) -> None:
        """A part begins when it could go to disk as a whole, and nothing unfinished is held while it waits for that.
        A client that has shown itself fast need not wait: its part is complete before it comes to that."""
        size = draft.room if self._expected is None else min(draft.room, self._expected)
        measured = self._read_until is not None
        if self._spool is not None and not (measured and size <= self._client.rate() * _FAST):
            draft.on_release(await self._spool.begin(self._memory.principal, size))
        self._memory.start_part()

    def filled(self, size: int) -> Slab | None:
        """See :meth:`gateway.pipeline.sink.PartSink.filled`."""
        assert self._reading_since is not None, "admit() comes first"
        self._read_until = self._clock()
        self._client.on_read(size, self._read_until - self._reading_since)
        self._close_window()
        slab = self._builder.advance(size)
        if slab is not None:
            self._client.on_filled()
            slab.retain()
        return slab

    def ended(self) -> Slab | None:
        """See :meth:`gateway.pipeline.sink.PartSink.ended`."""
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
        """Have all of a part that was cut at hand, and room for ``ahead`` bytes that are to be put before it.
        From here on it depends on the store only."""
        await self._spills.join()
        if draft.spooled + ahead:
            await draft.take_room(self._memory, ahead)
        self._memory.end_part()

    def _close_window(self) -> None:
        self._reading_since = None
        if self._window is not None:
            # Whoever still holds a buffer of it keeps the slab from being reused; see Slab.
            with suppress(BufferError):
                self._window.release()
            self._window = None

    # --- under memory pressure ---

    def spillable(self) -> int:
        """Bytes that could go to disk now."""
        if self._spool is None or len(self._spills):
            return 0
        size = sum(slab.size for slab in self._builder.sealed())
        return size if self._spool.has_room(size) else 0

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
        """Write them, beside whatever the pump does."""
        if self._spool is not None and not len(self._spills):
            work = self.draft.spill(self._spool, self._builder.sealed())
            self._spills.start(work, name="spill")
