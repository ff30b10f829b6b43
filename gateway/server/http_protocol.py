"""The HTTP front: one connection, from accept to close.

A lifelong :class:`asyncio.BufferedProtocol` (uvloop treats every ``asyncio.Protocol`` as
unbuffered, so a subclass of uvicorn's own protocol could never receive into place). uvicorn runs
it: it gives us its configuration, its state and the lifespan, and shuts the connections down.

The connection reads one request at a time. What follows a request waits, in the socket or in
``pending``, until the response is complete: so nothing that comes in the middle of a response can
be answered into it. The phases:

    HEAD -> EXCHANGE -> HEAD          keep-alive
                     -> DISCARD       a small unread body is thrown away, then HEAD
                     -> LINGER        we end it: half-closed, read and dropped for a while
"""

import asyncio
import enum
from typing import Any, Final, cast

import uvicorn
from uvicorn.server import ServerState

from gateway.drain import Drain
from gateway.errors import GatewayError, RequestTimeout
from gateway.protocol.commands import RequestHead, ResponseHead
from gateway.server.body import ChunkedBody, RequestBody
from gateway.server.census import Census
from gateway.server.deadlines import Deadline, Pace
from gateway.server.exchange import AsgiApp, Exchange
from gateway.server.head import Head, find_end, guard_head, parse_head
from gateway.server.liveness import is_gone, keep_watch
from gateway.server.outlet import Outlet
from gateway.server.refusals import Render, final_response
from gateway.server.response import Header
from gateway.server.rules import Rules
from gateway.units import KiB

#: Read at once while a head is due: a head and a small body, and no more memory for idle clients.
HEAD_READ: Final = 20 * KiB
SCRATCH: Final = 256 * KiB


class Phase(enum.Enum):
    """Where a connection stands."""

    HEAD = enum.auto()
    EXCHANGE = enum.auto()
    DISCARD = enum.auto()
    LINGER = enum.auto()
    CLOSED = enum.auto()


class FrontFactory:
    """What all connections of a process share; uvicorn calls it for each new one."""

    #: uvicorn offers these in the TLS handshake.
    alpn_protocols: Final = ["http/1.1"]

    def __init__(self, rules: Rules, drain: Drain, render: Render) -> None:
        self.rules = rules
        self.drain = drain
        self.render = render
        self.census = Census(rules)
        self.scratch = memoryview(bytearray(SCRATCH))

    def __call__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> "Front":
        """A protocol for one connection."""
        return Front(self, config, server_state, app_state)


class Front(asyncio.BufferedProtocol):
    """One connection."""

    def __init__(
        self,
        shared: FrontFactory,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.shared = shared
        self.rules = shared.rules
        self.state = app_state
        self.scratch = shared.scratch
        self.pending = bytearray()
        self.scheme = "http"
        self.client: tuple[str, int] | None = None
        self.server: tuple[str, int] | None = None
        self._app = cast("AsgiApp", config.loaded_app)
        self._uvicorn = server_state
        self.outlet: Outlet
        self._transport: asyncio.Transport
        self._phase = Phase.HEAD
        self._fresh = True
        self._scanned = 0
        self._exchange: Exchange | None = None
        self._reading = True
        self._invited = False
        self._deadline = Deadline(self.loop, self._expired)
        self._watch = Deadline(self.loop, self._look)

    # --- transport callbacks -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it in, or refuse it."""
        self._transport = cast("asyncio.Transport", transport)
        self._uvicorn.connections.add(cast("Any", self))
        self.client = _address(transport.get_extra_info("peername"))
        self.server = _address(transport.get_extra_info("sockname"))
        self.outlet = Outlet(self._transport, self.loop)
        self.scheme = "https" if self.outlet.tls else "http"
        keep_watch(transport.get_extra_info("socket"))
        self._deadline.set(self.time() + self.rules.header_timeout)
        full = self.shared.census.enter(self.client[0] if self.client else "")
        if full is not None:
            self._refuse(full, None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it, and tell the exchange."""
        self._phase = Phase.CLOSED
        self._uvicorn.connections.discard(cast("Any", self))
        self.shared.census.leave(self.client[0] if self.client else "")
        self._deadline.cancel()
        self._watch.cancel()
        self._leave()

    def eof_received(self) -> bool:
        """The client will send nothing more; the transport closes."""
        self._leave()
        return False

    def get_buffer(self, sizehint: int) -> memoryview:
        """The caller's own view while a body is read; else the shared one."""
        del sizehint
        if self._phase is Phase.EXCHANGE:
            body = self._body()
            return body.buffer() if body.wanted else self.scratch[:HEAD_READ]
        if self._phase is Phase.DISCARD:
            return self.scratch[: self._body().left]
        return self.scratch if self._phase is Phase.LINGER else self.scratch[:HEAD_READ]

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes came, into what :meth:`get_buffer` had given."""
        if self._phase is Phase.HEAD:
            self.pending += self.scratch[:nbytes]
            self._advance()
        elif self._phase is Phase.EXCHANGE:
            body = self._body()
            if body.wanted:
                body.received(nbytes)
            else:
                self.pending += self.scratch[:nbytes]
                self._update_reading()
        elif self._phase is Phase.DISCARD:
            self._body().skip(nbytes)
            self._discard()

    def pause_writing(self) -> None:
        """The transport holds more than its limit."""
        self.outlet.pause()

    def resume_writing(self) -> None:
        """It does no more."""
        self.outlet.resume()

    def shutdown(self) -> None:
        """uvicorn closes: end an idle connection now, a busy one after its response."""
        if self._phase is Phase.HEAD:
            self._transport.close()
        elif self._exchange is not None:
            self._exchange.response.keep_alive = False

    def abort(self) -> None:
        """End it now, whatever it does."""
        self._transport.abort()

    # --- heads -------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Take the next head off ``pending``, if it is all there."""
        while self.pending.startswith(b"\r\n"):
            del self.pending[:2]  # RFC 9112, 2.2
        if not self.pending:
            return
        head: Head | None = None
        try:
            end = find_end(self.pending, self._scanned, self.rules)
            if not end:
                if not self._scanned and not self._fresh:
                    self._deadline.set(self.time() + self.rules.header_timeout)
                self._scanned = len(self.pending)
                return
            data = bytes(memoryview(self.pending)[:end])
            del self.pending[:end]
            head = parse_head(data)
            guard_head(head, self.rules)
        except GatewayError as error:
            self._refuse(error, head)
            return
        self._begin(head)

    def _begin(self, head: Head) -> None:
        pace = Pace(self.rules.body_idle_timeout, self.rules.body_min_rate)
        body = ChunkedBody(self, pace) if head.chunked else RequestBody(self, head.length, pace)
        self._phase = Phase.EXCHANGE
        self._scanned = 0
        self._fresh = False
        self._invited = not head.expects_continue
        self._deadline.clear()
        self._watch.set(self.time() + self.rules.probe)
        self._exchange = Exchange(self, head, body)
        self._update_reading()
        task = self.loop.create_task(self._exchange.run(self._app))
        self._uvicorn.tasks.add(task)
        task.add_done_callback(self._uvicorn.tasks.discard)

    def _refuse(self, error: GatewayError, head: Head | None) -> None:
        """Answer without the application, and end the connection."""
        request = None if head is None else head.as_request(self.scheme, self._peer())
        rendered = self.shared.render(request, error)
        self.outlet.write(final_response(rendered, head, self.default_headers()))
        self._linger()

    # --- what exchanges and their bodies ask for ---------------------------------------------

    def time(self) -> float:
        """The event loop's clock."""
        return self.loop.time()

    def want(self, due: float) -> None:
        """Read for the body."""
        self._deadline.set(due)
        self._update_reading()

    def rest(self) -> None:
        """Nobody reads the body now."""
        if self._phase is Phase.EXCHANGE:
            self._deadline.clear()
            self._update_reading()

    def invite(self) -> None:
        """Send 100 Continue, once, when it is waited for and still makes sense."""
        if self._invited:
            return
        self._invited = True
        if not self.pending and self._exchange is not None and not self._exchange.response.started:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def keeps_alive(self) -> bool:
        """Whether another request may follow on this connection."""
        assert self._exchange is not None
        body = self._exchange.body
        left = body.left
        return (
            self._exchange.head.keep_alive
            and not self.shared.drain.begun
            and not body.broken
            and left is not None
            and left <= self.rules.discard
            and (self._invited or not left)
        )

    def default_headers(self) -> list[Header]:
        """Date, as uvicorn keeps it."""
        return self._uvicorn.default_headers

    def render(self, head: RequestHead, error: GatewayError) -> ResponseHead:
        """An error in the request's own dialect."""
        return self.shared.render(head, error)

    def responded(self) -> None:
        """The response is complete: go on to the next request, or end."""
        exchange = self._exchange
        assert exchange is not None
        self._uvicorn.total_requests += 1
        if self.outlet.gone or self._phase is not Phase.EXCHANGE:
            return
        exchange.end()
        if exchange.response.keep_alive and not self.shared.drain.begun:
            self._phase = Phase.DISCARD
            self._deadline.set(self.time() + self.rules.header_timeout)
            self._drop_pending()
            self._discard()
        elif exchange.body.complete and not self.pending:
            self._close()
        else:
            self._linger()

    def cut(self) -> None:
        """End in the middle of a response."""
        self._close()

    # --- ends --------------------------------------------------------------------------------

    def _drop_pending(self) -> None:
        """Throw away what ``pending`` holds of a body that nobody wants."""
        size = min(len(self.pending), self._body().left or 0)
        del self.pending[:size]
        self._body().skip(size)

    def _discard(self) -> None:
        """Go on when the unread body is gone."""
        if not self._body().complete:
            self._update_reading()
            return
        self._phase = Phase.HEAD
        self._exchange = None
        self._watch.clear()
        self._deadline.set(self.time() + self.rules.keep_alive)
        self._update_reading()
        if self.pending:
            self._advance()

    def _linger(self) -> None:
        """Say that we are done, and read on for a while.

        Closing a socket with unread bytes resets the connection, and the reset can overtake the
        answer (RFC 9112, 9.6). TLS cannot be half-closed: there we only read on.
        """
        self._phase = Phase.LINGER
        self.pending.clear()
        self._deadline.set(self.time() + self.rules.linger)
        self._watch.set(self.time() + self.rules.probe)
        if not self.outlet.tls and not self._transport.is_closing():
            self._transport.write_eof()
        self._update_reading()

    def _close(self) -> None:
        """Close when what was written has left; :meth:`_look` sees to it that it does."""
        if self._phase is not Phase.CLOSED:
            self._phase = Phase.LINGER
            self._deadline.set(self.time() + self.rules.linger)
            self._watch.set(self.time() + self.rules.probe)
            self._transport.close()

    def _leave(self) -> None:
        """The client is gone."""
        self.outlet.leave()
        if self._exchange is not None:
            self._exchange.end()

    def _update_reading(self) -> None:
        """Read exactly when there is a place for what comes."""
        reads = True
        if self._phase is Phase.EXCHANGE:
            body = self._body()
            # With all of the body here we listen for the client's leaving, up to its next request.
            reads = body.wanted or body.left == len(self.pending)
        if reads is not self._reading:
            self._reading = reads
            if reads:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    # --- time --------------------------------------------------------------------------------

    def _expired(self) -> None:
        """The phase lasted too long."""
        if self._phase is Phase.EXCHANGE:
            self._body().expire()
        elif self._phase is Phase.HEAD and self.pending:
            self._refuse(RequestTimeout("The request's head took too long."), None)
        elif self._phase is Phase.LINGER and not self._transport.is_closing():
            self._close()
        elif not self._transport.get_write_buffer_size():
            self._transport.abort()

    def _look(self) -> None:
        """Every few seconds of an exchange: is the client alive, does it take what we send?"""
        self._watch.set(self.time() + self.rules.probe)
        if self.outlet.is_stalled(self.time(), self.rules.body_idle_timeout) or (
            not self._reading
            and is_gone(
                self._transport.get_extra_info("socket").fileno(),
                self._missing(),
                tls=self.outlet.tls,
            )
        ):
            self._transport.abort()

    def _missing(self) -> int | None:
        """How much of the body is not in ``pending`` yet; None when unknown."""
        left = self._body().left if self._exchange is not None else 0
        return None if left is None else max(0, left - len(self.pending))

    def _body(self) -> RequestBody:
        assert self._exchange is not None
        return self._exchange.body

    def _peer(self) -> str | None:
        return self.client[0] if self.client else None


def _address(info: Any) -> tuple[str, int] | None:
    return (str(info[0]), int(info[1])) if isinstance(info, tuple) and len(info) >= 2 else None
