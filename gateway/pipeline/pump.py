"""Moves a body: asks the sink for room, the source for bytes, shows them to the chain, sends full parts."""

from gateway.model import PromptSource, Source
from gateway.pipeline.sink import PartSink
from gateway.pipeline.transforms import Chain


async def pump(source: Source, chain: Chain, sink: PartSink) -> None:
    """Move everything that ``source`` has. Verifies nothing yet, and completes nothing.

    Never asks the source for bytes that have no place. While one part is in flight the next one is filled.

    Raises:
        GatewayError: whatever the source, the chain or the store has to say.
    """
    some = source.read_some if isinstance(source, PromptSource) else source.read_into
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


async def _end(source: Source, chain: Chain, sink: PartSink) -> None:
    """All announced bytes are here: hear the source say so, which is also when it checks its trailer."""
    if await source.read_into(memoryview(bytearray(1))):
        raise sink.overrun()
