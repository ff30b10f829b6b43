"""One request's way in and out, whatever server it came through.

Our own front hands over a channel of its own, beside ASGI (decision 14): no scope, no messages, no copies. Any other
ASGI server's three are made into one by :class:`AsgiChannel`.
"""

from collections.abc import Awaitable, Sequence
from typing import Protocol, TypeAlias

from gateway.web.streams import (
    BodyReader,
    BodyWriter,
    ExtensionSource,
    Message,
    Receive,
    ReceiveSource,
    Scope,
    Send,
    response_writer,
)

#: A request's body, with its ``count`` of bytes that went through.
CountedSource: TypeAlias = ExtensionSource | ReceiveSource


class Channel(Protocol):
    """See the module's text."""

    @property
    def reader(self) -> BodyReader | None:
        """The request's body, read into place; None where the server can only :meth:`receive` it."""
        ...

    def scope(self) -> Scope:
        """ASGI's, for what is not offered otherwise."""
        ...

    def receive(self) -> Awaitable[Message]:
        """ASGI's."""
        ...

    def send(self, message: Message, /) -> Awaitable[None]:
        """ASGI's."""
        ...

    async def respond(
        self,
        status: int,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes | memoryview,
        more: bool,
    ) -> None:
        """Begin the answer; unless ``more`` of its body follows through :meth:`writer`, that is all of it. A view has
        at most 16 KiB; its memory may be used again afterwards."""
        ...

    def writer(self) -> BodyWriter:
        """Where more of the body goes, after the head, which had a Content-Length."""
        ...

    async def finish(self) -> None:
        """The answer is complete."""
        ...


class AsgiChannel:
    """The channel that an ASGI server offers."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self.receive = receive
        self.send = send

    @property
    def reader(self) -> BodyReader | None:
        """The front's extension, where the server is our own and was not asked for a channel."""
        reader: BodyReader | None = (self._scope.get("extensions") or {}).get("sluice.body")
        return reader

    def scope(self) -> Scope:
        """As it came."""
        return self._scope

    async def respond(
        self,
        status: int,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes | memoryview,
        more: bool,
    ) -> None:
        """As messages."""
        await self.send({"type": "http.response.start", "status": status, "headers": list(headers)})
        if not more:
            await self.send({"type": "http.response.body", "body": bytes(body), "more_body": False})

    def writer(self) -> BodyWriter:
        """The front's extension, or messages."""
        return response_writer(self._scope, self.send)

    async def finish(self) -> None:
        """The last message."""
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})


def source_of(channel: Channel, length: int | None) -> CountedSource:
    """The request's body as a source, by the fastest way that the server offers."""
    reader = channel.reader
    return ReceiveSource(channel.receive, length) if reader is None else ExtensionSource(reader)
