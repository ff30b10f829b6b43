"""The fields of a form, read before anybody is authenticated: bounded in bytes, in time and in number.

This is all that is ever read of a body for somebody unknown. So it has bounds of its own and stays out of the
memory budget: whoever sends fields slowly holds up forms at most, never the uploads of others.
"""

import asyncio
from typing import Final

from gateway.errors import Overloaded, RequestTimeout
from gateway.model import Source
from gateway.pipeline.framed import FramedSource
from gateway.protocol.forms import Form, FormHead
from gateway.protocol.multipart_form import FileFrame, FormParser, read_boundary
from gateway.protocol.object_heads import read_length
from gateway.units import KiB
from gateway.web.channel import Channel, source_of
from gateway.web.exchange import Exchange

#: Forms whose fields are being read at a time; at 64 KiB each they hold 16 MiB at the most.
PLACES: Final = 256
#: Seconds that the fields may take, and that a form may wait for its turn.
FIELDS_TIMEOUT: Final = 30.0
#: How much is read at once: so much of the file's beginning may come along.
_PIECE: Final = 8 * KiB


class FieldReader:
    """Reads forms up to their files. One for all requests of a process. ``timeout`` in seconds."""

    def __init__(self, places: int = PLACES, timeout: float = FIELDS_TIMEOUT) -> None:
        self._places = asyncio.Semaphore(places)
        self._timeout = timeout

    async def read(self, exchange: Exchange, channel: Channel) -> FramedSource:
        """Read the fields into ``exchange.head``, which becomes a FormHead, also where they cannot all be read: the
        answer's form depends on them. Answer the file's bytes as a source.

        Raises:
            MalformedForm, FormTooLarge, BadRequest: this is no form.
            Overloaded: too many forms are being read.
            RequestTimeout: the fields did not come in time.
            ClientGone: the client left.
        """
        head = exchange.head
        parser = FormParser(boundary := read_boundary(head))
        source = source_of(channel, read_length(head))
        try:
            async with asyncio.timeout(self._timeout):
                await self._places.acquire()
        except TimeoutError:
            raise Overloaded("Too many forms are being sent; try again.", retry_after=5) from None
        try:
            async with asyncio.timeout(self._timeout):
                await _pull(source, parser)
        except TimeoutError:
            raise RequestTimeout("The form's fields did not come in time.") from None
        finally:
            self._places.release()
            exchange.head = FormHead(head, Form(parser.fields, parser.file))
        return FramedSource(source, FileFrame(boundary), parser.rest)


async def _pull(source: Source, parser: FormParser) -> None:
    view = memoryview(bytearray(_PIECE))
    while size := await source.read_into(view):
        if parser.feed(view[:size]):
            return
    parser.finish()
