"""A body that fits the smallest slab, on its way into one object: one slab, one PutObject.

The rules are those of :mod:`gateway.pipeline.sink`; most of them are kept here by there being one slab only. It is
taken before a byte is asked for and nothing more is ever waited for, so it cannot be part of a deadlock; it is never
complete enough to be spilled, so it needs no place on disk; and no multipart is begun, so there is nothing to abort.

A body that came with its head lies in memory already. It is counted as if it lay in a slab, and sent from where it is.
"""

import asyncio
from types import TracebackType
from typing import Final, Self

from gateway.adapt.buffer_size import SMALLEST
from gateway.errors import IncompleteBody
from gateway.model import Source, Stored
from gateway.pipeline.limiter import Limiter
from gateway.pipeline.publish_small import SmallPublication
from gateway.pipeline.slabs import Account, Slab
from gateway.pipeline.transforms import Chain
from gateway.telemetry import Instrument

#: Where a source says that it is at its end. Nothing is ever put there that anybody looks at.
_BEYOND: Final = memoryview(bytearray(1))


def is_small(length: int | None) -> bool:
    """Whether a body of ``length`` bytes (None: unknown) can take this way. An empty one has no use for a slab."""
    return length is not None and 0 < length <= SMALLEST


class SmallBody:
    """One body of ``length`` bytes (see :func:`is_small`). A context manager: leaving it gives everything back.

    For memory pressure it is a :class:`~gateway.pipeline.budget.Holder` that has nothing to spill.
    """

    def __init__(
        self,
        length: int,
        publication: SmallPublication,
        *,
        memory: Account,
        places: Limiter,
        instrument: Instrument,
    ) -> None:
        self._length = length
        self._publication = publication
        self._memory = memory
        self._places = places
        self._instrument = instrument
        self._slab: Slab | None = None
        self._data: memoryview | None = None
        self._sending = False

    def __enter__(self) -> Self:
        """Be admitted to the memory.

        Raises:
            Overloaded: no memory for one more body.
        """
        self._memory.open(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._data is not None:
            self._data.release()
        if self._slab is not None:
            self._slab.release()
        elif self._data is not None:
            self._memory.leave_room(SMALLEST)
        self._memory.close()
        self._instrument.client_paused(0.0)

    def take_over(self, source: Source, chain: Chain) -> bool:
        """Take the body where it lies, without a slab, if all of it is here; and show it to the chain. Answer whether
        that was so: else memory is to be taken, and filled. Verifies nothing yet.

        Raises:
            GatewayError: whatever the chain has to say.
        """
        self._data = self._memory.take_over(source, self._length)
        if self._data is None:
            return False
        chain.look(self._data)
        return True

    def admit_at_once(self) -> bool:
        """Take memory for all of the body, if that needs no waiting; answer whether it is there."""
        self._slab = self._memory.take_at_once(self._length)
        return self._slab is not None

    async def admit(self) -> None:
        """Wait for it."""
        self._memory.start_part()
        self._slab = await self._memory.take(self._length)
        self._memory.end_part()

    async def fill(self, source: Source, chain: Chain) -> None:
        """Take everything that ``source`` has, and show it to the chain. Verifies nothing yet.

        Raises:
            GatewayError: whatever the source or the chain has to say.
        """
        slab = self._slab
        assert slab is not None, "admit() comes first"
        while slab.filled < self._length:
            with slab.window(self._length - slab.filled) as window:
                size = await source.read_into(window)
            if not size:
                break
            slab.filled += size
        # All announced bytes are here: hear the source say so, which is also when it checks its trailer.
        if slab.filled == self._length and await source.read_into(_BEYOND):
            raise IncompleteBody(f"The body runs past its declared length of {self._length} bytes.")
        self._data = slab.data()
        chain.look(self._data)

    async def complete(self) -> Stored:
        """Publish the object. Only after everything about the body was verified.

        Runs to its end once it has begun, cancelled or not, so that the outcome is known.

        Raises:
            PreconditionFailed: the write condition does not hold.
            GatewayError: it failed for good; nothing is published.
        """
        assert self._data is not None, "fill() comes first"
        if not self._places.acquire_now():
            await self._places.acquire(self._memory.principal)
        self._sending = True
        try:
            if self._places.shared:
                # A turn of the event loop: so what many have to send leaves back to back, after all that came was
                # taken in. It saves more than it costs, see decision 14.
                await asyncio.sleep(0)
            return await self._publication.carry_out((self._data,))
        finally:
            self._sending = False
            self._places.release()

    # --- for memory pressure ---

    def spillable(self) -> int:
        """Nothing."""
        return 0

    def sending(self) -> bool:
        """Whether the store owes an answer."""
        return self._sending

    def due(self) -> float:
        """It asks for no more memory."""
        return 0.0

    def spill(self) -> None:
        """Nothing to write."""
