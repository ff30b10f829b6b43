"""What is said on a connection: requests and responses, one at a time.

What follows a request waits, in the socket or in ``pending``, until the response is complete: so
nothing that comes in the middle of a response can be answered into it. The phases:

    HEAD -> EXCHANGE -> HEAD          keep-alive
                     -> DISCARD       a small unread body is thrown away, then HEAD
         -> OVER     -> OVER          nothing more is said; the connection ends
"""

from typing import Any, Final

from uvicorn.server import ServerState

from gateway.errors import GatewayError, InternalError, RequestTimeout
from gateway.protocol.commands import RequestHead, ResponseHead
from gateway.server.body import ChunkedBody, RequestBody
from gateway.server.deadlines import Pace
from gateway.server.exchange import AsgiApp, Exchange
from gateway.server.head import Head, find_end, guard_head, parse_head, skip_empty_lines
from gateway.server.link import Link, Phase
from gateway.server.refusals import final_response
from gateway.server.shared import Shared
from gateway.units import KiB

#: Read at once while a head is due: a head and a small body, and no more memory for idle clients.
HEAD_READ: Final = 20 * KiB


class Conversation:
    """The HTTP of one connection."""

    def __init__(
        self,
        shared: Shared,
        link: Link,
        app: AsgiApp,
        state: dict[str, Any],
        server_state: ServerState,
    ) -> None:
        self.phase = Phase.HEAD
        self.pending = bytearray()
        self.scratch = shared.scratch
        self.outlet = link.outlet
        self.client = link.client
        self.server = link.server
        self.scheme = "https" if link.outlet.tls else "http"
        self.state = state
        self._shared = shared
        self._rules = shared.rules
        self._link = link
        #: The event loop's clock.
        self.time = link.time
        self._app = app
        self._server_state = server_state
        self._exchange: Exchange | None = None
        self._fresh = True
        self._scanned = 0
        self._invited = False
        link.expect(self.time() + self._rules.header_timeout)

    # --- bytes from the link -----------------------------------------------------------------

    @property
    def reads(self) -> bool:
        """Whether there is a place for what comes.

        With all of a body here we go on reading, to learn that the client left; up to its next
        request.
        """
        exchange = self._exchange
        if self.phase is not Phase.EXCHANGE or exchange is None:
            return True
        body = exchange.body
        return body.wanted or body.left == len(self.pending)

    def buffer(self) -> memoryview:
        """Where the next bytes go: the application's own view while it reads a body."""
        if self.phase is Phase.EXCHANGE:
            body = self._body()
            return body.buffer() if body.wanted else self.scratch[:HEAD_READ]
        if self.phase is Phase.DISCARD:
            return self.scratch[: self._body().left]
        return self.scratch if self.phase is Phase.OVER else self.scratch[:HEAD_READ]

    def received(self, size: int) -> None:
        """``size`` bytes came, into what :meth:`buffer` had given."""
        if self.phase is Phase.HEAD:
            self.pending += self.scratch[:size]
            self._advance()
        elif self.phase is Phase.EXCHANGE:
            body = self._body()
            if body.wanted:
                body.received(size)
            else:
                self.pending += self.scratch[:size]
                self._link.update_reading()
        elif self.phase is Phase.DISCARD:
            self._body().skip(size)
            self._discard()

    def expire(self) -> None:
        """What was expected did not come in time."""
        if self.phase is Phase.EXCHANGE:
            self._body().expire()
        elif self.phase is Phase.HEAD and self.pending:
            self.refuse(RequestTimeout("The request's head took too long."), None)
        else:
            self._end()

    def shut(self) -> None:
        """The process ends: close an idle connection now, a busy one after its response."""
        if self.phase is Phase.HEAD:
            self._end()
        elif self._exchange is not None:
            self._exchange.response.keep_alive = False

    def hear_out(self) -> bool:
        """The client sends nothing more. Answers whether all of its request is here, so that it is to be answered all
        the same; nothing follows on the connection then."""
        if self.phase is not Phase.EXCHANGE or self.missing != 0:
            return False
        assert self._exchange is not None
        self._exchange.hear_out()
        return True

    def leave(self) -> None:
        """The client is gone."""
        self.outlet.leave()
        if self._exchange is not None:
            self._exchange.end()

    @property
    def missing(self) -> int | None:
        """How much of the body is still in the network; None when unknown."""
        left = self._body().left if self._exchange is not None else 0
        return None if left is None else max(0, left - len(self.pending))

    # --- heads -------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Take the next head off ``pending``, if it is all there."""
        if self.pending.startswith(b"\r\n"):
            skip_empty_lines(self.pending)
        if not self.pending:
            return
        head: Head | None = None
        try:
            end = find_end(self.pending, self._scanned, self._rules)
            if not end:
                if not self._scanned and not self._fresh:
                    self._link.expect(self.time() + self._rules.header_timeout)
                self._scanned = len(self.pending)
                return
            data = bytes(memoryview(self.pending)[:end])
            del self.pending[:end]
            head = self._shared.known.recall(data)
            if head is None:
                head = parse_head(data)
                guard_head(head, self._rules)
                self._shared.known.learn(data, head)
        except GatewayError as error:
            self.refuse(error, head)
            return
        except Exception as error:  # noqa: BLE001 - a bug of ours ends its connection only
            self._shared.blunder(error)
            self.refuse(InternalError("Something went wrong here."), head)
            return
        self._begin(head)

    def _begin(self, head: Head) -> None:
        pace = Pace(self._rules.body_idle_timeout, self._rules.body_min_rate)
        body = ChunkedBody(self, pace) if head.chunked else RequestBody(self, head.length, pace)
        self.phase = Phase.EXCHANGE
        self._scanned = 0
        self._fresh = False
        self._invited = not head.expects_continue
        self._exchange = Exchange(self, head, body)
        self._link.expect(None)
        self._link.update_reading()
        self._link.start(self._exchange, self._app)

    def refuse(self, error: GatewayError, head: Head | None) -> None:
        """Answer without the application, and end the connection."""
        peer = self.client[0] if self.client else None
        request = None if head is None else head.as_request(self.scheme, peer)
        rendered = self._shared.render(request, error)
        self.outlet.write(final_response(rendered, head, self.default_lines()))
        self._linger()

    # --- what exchanges and their bodies ask for ---------------------------------------------

    def want(self, due: float) -> None:
        """Read for the body."""
        self._link.expect(due)
        self._link.update_reading()

    def rest(self) -> None:
        """Nobody reads the body now."""
        if self.phase is Phase.EXCHANGE:
            self._link.expect(None)
            self._link.update_reading()

    def grab(self, view: memoryview) -> int:
        """Receive what the socket has, past the event loop."""
        return self._link.grab(view)

    def invite(self) -> None:
        """Send 100 Continue, once, when it is waited for and still makes sense."""
        if self._invited:
            return
        self._invited = True
        if not self.pending and self._exchange is not None and not self._exchange.response.started:
            self.outlet.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def keeps_alive(self) -> bool:
        """Whether another request may follow on this connection."""
        assert self._exchange is not None
        body = self._exchange.body
        left = body.left
        return (
            self._exchange.head.keep_alive
            and not self._shared.drain.begun
            and not body.broken
            and left is not None
            and left <= self._rules.discard
            and (self._invited or not left)
        )

    def default_lines(self) -> bytes:
        """Date, as uvicorn keeps it."""
        return self._shared.default_lines(self._server_state.default_headers)

    def render(self, head: RequestHead, error: GatewayError) -> ResponseHead:
        """An error in the request's own dialect."""
        return self._shared.render(head, error)

    def responded(self) -> None:
        """The response is complete: go on to the next request, or end."""
        exchange = self._exchange
        assert exchange is not None
        self._server_state.total_requests += 1
        if self.outlet.gone or self.phase is not Phase.EXCHANGE:
            return
        exchange.end()
        if exchange.response.keep_alive and not self._shared.drain.begun:
            self.phase = Phase.DISCARD
            left = exchange.body.left
            if left != 0:
                self._link.expect(self.time() + self._rules.header_timeout)
                waiting = min(len(self.pending), left or 0)
                del self.pending[:waiting]
                exchange.body.skip(waiting)
            self._discard()
        elif exchange.body.complete and not self.pending:
            self._end()
        else:
            self._linger()

    def cut(self) -> None:
        """End in the middle of a response."""
        self._end()

    # --- ends --------------------------------------------------------------------------------

    def _discard(self) -> None:
        """Go on when the unread body is gone."""
        if not self._body().complete:
            self._link.update_reading()
            return
        self.phase = Phase.HEAD
        self._exchange = None
        self._link.expect(self.time() + self._rules.keep_alive)
        self._link.update_reading()
        if self.pending:
            self._advance()

    def _end(self) -> None:
        self.phase = Phase.OVER
        self._link.close()

    def _linger(self) -> None:
        self.phase = Phase.OVER
        self.pending.clear()
        self._link.linger()

    def _body(self) -> RequestBody:
        assert self._exchange is not None
        return self._exchange.body
