"""Taking in one request's body until its end, or until somebody says stop."""

import asyncio
from contextlib import suppress
from typing import Final

from gateway.errors import BadRequest, ClientGone, GatewayError, Overloaded
from gateway.model import Source
from gateway.pipeline.owner import Owner
from gateway.pipeline.pump import Sink, pump
from gateway.pipeline.source import prompt_reader
from gateway.pipeline.transforms import Chain
from gateway.transfer.resumable.slice_sink import SliceSink
from gateway.transfer.resumable.takeover import Writer

#: A body that ends by one of these was broken off: what came of it is good.
_BROKEN_OFF: Final = (ClientGone, BadRequest)


class Heard:
    """A source that tells its writer what comes."""

    def __init__(self, source: Source, writer: Writer) -> None:
        self._source = source
        self._some = prompt_reader(source)
        self._writer = writer

    @property
    def length(self) -> int | None:
        """Bytes still to come."""
        return self._source.length

    async def read_into(self, view: memoryview, /) -> int:
        """Fill the view."""
        return self._heard(await self._source.read_into(view))

    async def read_some(self, view: memoryview, /) -> int:
        """Put there what comes first."""
        return self._heard(await self._some(view))

    def _heard(self, count: int) -> int:
        self._writer.on_bytes(count)
        return count

    async def aclose(self) -> None:
        """Give up what is left."""
        await self._source.aclose()


async def take_in(source: Source, chain: Chain, sink: SliceSink, writer: Writer) -> None:
    """Move the body into ``sink``. What interrupts it is raised when nothing moves any more.

    Raises:
        GatewayError: of the source; of the store; or the reason for which the writer was stopped.
    """
    await first_memory(sink, source.length, sink.max_wait)
    pumping = Owner()
    task = pumping.start(pump(Heard(source, writer), chain, sink), name="body")
    try:
        await asyncio.wait((task, writer.stopped, sink.broken), return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not task.done():
            task.cancel()
        await pumping.join()
        await _show_rest(chain, sink)
    if sink.broken.done():
        sink.broken.result()
    if not task.cancelled():
        task.result()
    elif writer.stopped.done():
        raise writer.stopped.result()


async def _show_rest(chain: Chain, sink: SliceSink) -> None:
    """Show the chain what came last of a body that was broken off: it may be kept, and digests go on from there."""
    slab = sink.ended()
    if slab is not None:
        with suppress(GatewayError):  # there is a first error already
            await chain.feed(slab.data(), slab.release)
            await chain.settle()


async def first_memory(sink: Sink, expected: int | None, max_wait: float) -> None:
    """Wait for the memory that the body's first bytes go to, ``max_wait`` seconds at most: before any of them is asked
    for, so that who is refused has sent none.

    Raises:
        Overloaded: it took too long.
    """
    try:
        async with asyncio.timeout(max_wait):
            await sink.admit(expected)
    except TimeoutError:
        raise Overloaded(
            "There is no memory for this upload just now; try again.", retry_after=5
        ) from None


def may_be_kept(error: GatewayError, writer: Writer) -> bool:
    """Whether what came before ``error`` is to be kept: the body was broken off, or the writer asked to stop."""
    if writer.stopped.done() and error is writer.stopped.result():
        return writer.keeps
    return isinstance(error, _BROKEN_OFF)
