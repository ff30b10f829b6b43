"""Moves a body: asks the sink for room, the source for bytes, shows them to the chain, sends full parts."""

from typing import Protocol

from gateway.errors import GatewayError
from gateway.model import Source
from gateway.pipeline.slabs import Slab
from gateway.pipeline.source import prompt_reader
from gateway.pipeline.transforms import Chain


class Sink(Protocol):
    """What the pump fills: see :class:`gateway.pipeline.filling.Filling`."""

    @property
    def prompt(self) -> bool:
        """Whether the source is to be asked for what is there, instead of a full window."""
        ...

    async def admit(self, expected: int | None) -> memoryview | None:
        """Where the next bytes go; None when no more may come."""
        ...

    def filled(self, size: int) -> Slab | None:
        """So many bytes were put there. Answers the slab that is full now, with one lease more."""
        ...

    def ended(self) -> Slab | None:
        """No more come. Answers the last slab, with one lease more."""
        ...

    async def put(self) -> None:
        """Send the part if it is complete."""
        ...

    def overrun(self) -> GatewayError:
        """What is wrong when more come than may."""
        ...


async def pump(source: Source, chain: Chain, sink: Sink) -> None:
    """Move everything that ``source`` has. Verifies nothing yet, and completes nothing.

    Never asks the source for bytes that have no place. While one part is in flight the next one is filled.

    Raises:
        GatewayError: whatever the source, the chain or the store has to say.
    """
    some = prompt_reader(source)
    try:
        while (window := await sink.admit(source.length)) is not None:
            size = await (some(window) if sink.prompt else source.read_into(window))
            if not size:
                break
            slab = sink.filled(size)
            if slab is not None:
                await chain.feed(slab.data(), slab.release)
                await sink.put()
        else:
            await _end(source, chain, sink)
        slab = sink.ended()
        if slab is not None:
            await chain.feed(slab.data(), slab.release)
    finally:
        await chain.settle()


async def _end(source: Source, chain: Chain, sink: Sink) -> None:
    """All announced bytes are here: hear the source say so, which is also when it checks its trailer."""
    if await source.read_into(memoryview(bytearray(1))):
        raise sink.overrun()
