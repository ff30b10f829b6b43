"""Bodies between ASGI and the pipeline.

Where our own HTTP front serves (:mod:`gateway.server`), the scope carries ``sluice.body`` and
``sluice.writer``: bytes go from the socket into the caller's slab and from the slab to the socket.
Under any other ASGI server the same sources fall back to ``receive()`` and ``send()``.
"""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Protocol, TypeAlias

from gateway.errors import ClientGone, IncompleteBody

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


class BodyReader(Protocol):
    """The front's ``sluice.body``."""

    @property
    def length(self) -> int | None:
        """The declared length; None for chunked."""
        ...

    async def read_into(self, view: memoryview, /) -> int:
        """Fill the caller's memory; 0 at the end."""
        ...

    async def read_some(self, view: memoryview, /) -> int:
        """One receive into the caller's memory; 0 at the end."""
        ...

    def take_at_once(self, size: int, /) -> memoryview | None:
        """All that is left, if that is ``size`` bytes and all here: the caller's from then on."""
        ...


class BodyWriter(Protocol):
    """The front's ``sluice.writer``."""

    async def write(self, view: memoryview, /) -> None:
        """Send, and return when the view may be reused."""
        ...


class ExtensionSource:
    """A request's body through the front's extension: no copy between the socket and the slab. ``count``: bytes that
    went through."""

    __slots__ = ("_reader", "_remaining", "count")

    def __init__(self, reader: BodyReader) -> None:
        self._reader = reader
        self._remaining = reader.length
        self.count = 0

    @property
    def length(self) -> int | None:
        """Bytes still to come."""
        return self._remaining

    async def read_into(self, view: memoryview, /) -> int:
        """Fill the view from the socket."""
        return self._counted(await self._reader.read_into(view))

    async def read_some(self, view: memoryview, /) -> int:
        """Put there what the socket has."""
        return self._counted(await self._reader.read_some(view))

    def take_at_once(self, size: int, /) -> memoryview | None:
        """All that is left, if that is ``size`` bytes and all here: the caller's from then on."""
        taken = self._reader.take_at_once(size)
        if taken is not None:
            self.count += size
            self._remaining = 0
        return taken

    def _counted(self, count: int) -> int:
        self.count += count
        if self._remaining is not None:
            self._remaining -= count
        return count

    async def aclose(self) -> None:
        """Nothing to give up: the front deals with what was not read."""


class ReceiveSource:
    """A request's body through ASGI's ``receive()``, copied once. ``count``: bytes that went through."""

    __slots__ = ("_left", "_more", "_receive", "_remaining", "count")

    def __init__(self, receive: Receive, length: int | None) -> None:
        self._receive = receive
        self._remaining = length
        self._left = memoryview(b"")
        self._more = True
        self.count = 0

    @property
    def length(self) -> int | None:
        """Bytes still to come."""
        return self._remaining

    async def read_into(self, view: memoryview, /) -> int:
        """Fill the view from the messages; a message longer than the view is kept for the next call."""
        while not self._left:
            if not self._more:
                return self._end()
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone("The client closed the connection before the body was complete.")
            self._left = memoryview(message.get("body", b""))
            self._more = message.get("more_body", False)
        count = min(len(view), len(self._left))
        view[:count] = self._left[:count]
        self._left = self._left[count:]
        self.count += count
        if self._remaining is not None:
            self._remaining -= count
        return count

    def _end(self) -> int:
        if self._remaining:
            raise IncompleteBody(
                f"The body ended {self._remaining} bytes before its declared length."
            )
        return 0

    async def aclose(self) -> None:
        """Nothing to give up: the server drains or closes."""


def body_trailers(scope: Scope) -> Sequence[tuple[bytes, bytes]]:
    """What came behind a chunked body that was read to its end: lower-case names and values. Only our own front
    delivers it."""
    reader = (scope.get("extensions") or {}).get("sluice.body")
    return () if reader is None else tuple(reader.trailers)


def send_interim(scope: Scope, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Send an interim response, where the server can."""
    interim = (scope.get("extensions") or {}).get("sluice.interim")
    if interim is not None:
        interim(status, headers)


class SendWriter:
    """A response's body through ASGI's ``send()``, copied once."""

    __slots__ = ("_send",)

    def __init__(self, send: Send) -> None:
        self._send = send

    async def write(self, view: memoryview, /) -> None:
        """Send a piece."""
        await self._send({"type": "http.response.body", "body": bytes(view), "more_body": True})


def response_writer(scope: Scope, send: Send) -> BodyWriter:
    """Where the response's body goes, by the fastest way that the server offers.

    The response's head must have been sent, with a Content-Length; the end of the response is left to
    the caller.
    """
    writer: BodyWriter | None = (scope.get("extensions") or {}).get("sluice.writer")
    return SendWriter(send) if writer is None else writer
