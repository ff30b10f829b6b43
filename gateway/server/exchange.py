"""One request and its response, as an application sees them: by ASGI, or directly."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping, Sequence
from typing import Any, Protocol, TypeAlias
from urllib.parse import unquote

from gateway.errors import ClientGone, GatewayError, InternalError
from gateway.protocol.commands import RequestHead, ResponseHead
from gateway.server.body import RequestBody
from gateway.server.head import Head
from gateway.server.refusals import with_length
from gateway.server.response import BodyWriter, Header, Response, Turn

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class Direct(Protocol):
    """An application's own entry, beside ASGI."""

    def __call__(
        self, head: RequestHead, channel: "Exchange", /
    ) -> Coroutine[None, None, None] | None:
        """Answer a request that the front has read; None: call the ASGI application instead."""
        ...


_log = logging.getLogger("gateway.server")


class Connection(Turn, Protocol):
    """What an exchange needs of its connection."""

    scheme: str
    client: tuple[str, int] | None
    server: tuple[str, int] | None
    state: dict[str, Any]

    def default_lines(self) -> bytes:
        """Header lines of every response: Date."""
        ...

    def render(self, head: RequestHead, error: GatewayError) -> ResponseHead:
        """An error in the request's own dialect."""
        ...

    def cut(self) -> None:
        """End the connection in the middle of a response, so that the client sees it is incomplete."""
        ...


class Exchange:
    """Runs the application for one request."""

    #: Whether the client has said that it sends nothing more.
    _silent = False

    def __init__(self, connection: Connection, head: Head, body: RequestBody) -> None:
        self.head = head
        self.body = body
        self.response = Response(connection, is_head=head.method == "HEAD", version=head.version)
        self._connection = connection
        self._over = False
        self._ended: asyncio.Event | None = None
        self._end_told = False

    def scope(self) -> Scope:
        """The ASGI scope (HTTP, spec version 2.3) with our extensions."""
        head, connection = self.head, self._connection
        path = head.path.decode("ascii")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": head.version,
            "server": connection.server,
            "client": connection.client,
            "scheme": connection.scheme,
            "method": head.method,
            "root_path": "",
            "path": unquote(path) if "%" in path else path,
            "raw_path": head.path,
            "query_string": head.query,
            "headers": head.headers,
            "state": connection.state.copy(),
            "extensions": {
                "sluice.body": self.body,
                "sluice.writer": BodyWriter(self.response),
                "sluice.interim": self.response.interim,
            },
        }

    async def run(self, app: AsgiApp, direct: Direct | None = None) -> None:
        """Call the application, by its direct entry where it has one, and answer for it when it fails."""
        try:
            work = None if direct is None else direct(self._request(), self)
            await (app(self.scope(), self.receive, self.send) if work is None else work)
            if not self.response.complete and not self._connection.outlet.gone:
                raise RuntimeError("The application returned without completing its response.")
        except ClientGone:
            self._connection.cut()
        except GatewayError as error:
            await self._fail(error)
        except Exception as error:  # noqa: BLE001 - a bug of the application ends its request only
            _log.error("Exception in the application", exc_info=error)
            await self._fail(InternalError("Something went wrong here."))
        except BaseException:
            self._connection.cut()
            raise

    async def _fail(self, error: GatewayError) -> None:
        if self.response.complete:
            return
        if not self.response.recall():
            self._connection.cut()
            return
        await self.answer(self._connection.render(self._request(), error))

    def _request(self) -> RequestHead:
        client = self._connection.client
        return self.head.as_request(self._connection.scheme, client[0] if client else None)

    async def answer(self, rendered: ResponseHead) -> None:
        """Send a rendered response."""
        self.response.start(
            rendered.status, with_length(rendered), self._connection.default_lines()
        )
        await self.response.body(rendered.body, more=False)

    # --- the direct channel ---

    @property
    def reader(self) -> RequestBody:
        """The request's body."""
        return self.body

    async def respond(
        self, status: int, headers: Sequence[Header], body: bytes | memoryview, more: bool
    ) -> None:
        """Begin the answer; unless ``more`` of its body follows, that is all of it. A body in memory that is to be
        used again has at most 16 KiB (it is sent, or copied, then). Silent after a disconnect.

        Raises:
            RuntimeError: there was an answer, or a header would split it.
        """
        if self._connection.outlet.gone:
            return
        self.response.start(status, headers, self._connection.default_lines())
        if not more:
            await self.response.whole(body)

    def writer(self) -> BodyWriter:
        """Where more of the body goes."""
        return BodyWriter(self.response)

    async def finish(self) -> None:
        """The answer is complete. Silent after a disconnect."""
        if not self._connection.outlet.gone:
            await self.response.body(b"", more=False)

    def hear_out(self) -> None:
        """The client sends nothing more, and its request is all here. Whether it left or waits for the answer shows
        when that is written: who waits for the client to leave is told that it did."""
        self._silent = True
        if self._ended is not None:
            self._ended.set()
        self.response.keep_alive = False
        self.body.fail(ClientGone, "The client closed the connection.")

    def end(self) -> None:
        """The client left, or the response is complete: wake who waits for that."""
        self._over = True
        if self._ended is not None:
            self._ended.set()
        self.body.fail(ClientGone, "The client closed the connection.")

    async def receive(self) -> Message:
        """ASGI's ``receive``: pieces of the body, then the disconnect."""
        if not self._over and not self._end_told and not self._was_read():
            try:
                data = await self.body.read()
            except ClientGone:
                return {"type": "http.disconnect"}
            self._end_told = self.body.complete
            return {"type": "http.request", "body": data, "more_body": not self._end_told}
        if not self._over and not self._silent:
            self._ended = self._ended or asyncio.Event()
            await self._ended.wait()
        return {"type": "http.disconnect"}

    def _was_read(self) -> bool:
        """Whether the extension has already taken a body to its end."""
        return self.body.complete and self.body.size > 0

    async def send(self, message: Message) -> None:
        """ASGI's ``send``. Silent after a disconnect, as spec version 2.3 says."""
        if self._connection.outlet.gone:
            return
        if message["type"] == "http.response.start":
            lines = self._connection.default_lines()
            self.response.start(message["status"], message.get("headers", ()), lines)
        elif message["type"] == "http.response.body":
            more = bool(message.get("more_body", False))
            try:
                await self.response.body(message.get("body", b""), more=more)
            except ClientGone:
                return
        else:
            raise RuntimeError(f"Unexpected ASGI message {message['type']!r}.")
