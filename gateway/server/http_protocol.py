"""The HTTP front: one connection's transport, from accept to close.

A lifelong :class:`asyncio.BufferedProtocol` (uvloop treats every ``asyncio.Protocol`` as
unbuffered, so a subclass of uvicorn's own protocol could never receive into place). uvicorn runs
it: it gives us its configuration, its state and the lifespan, and shuts the connections down.
"""

import asyncio
import os
from typing import Any, Final, cast

import uvicorn
from uvicorn.server import ServerState

from gateway.server.census import Entry
from gateway.server.conversation import Conversation
from gateway.server.deadlines import Deadline
from gateway.server.exchange import AsgiApp, Exchange
from gateway.server.link import Phase
from gateway.server.liveness import is_gone, keep_watch
from gateway.server.outlet import Outlet
from gateway.server.shared import Shared


class FrontFactory(Shared):
    """uvicorn calls it for each new connection."""

    #: uvicorn offers these in the TLS handshake.
    alpn_protocols: Final = ["http/1.1"]

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
    """One connection: its transport, its timers and its end."""

    outlet: Outlet
    _transport: asyncio.Transport
    _conversation: Conversation

    def __init__(
        self,
        shared: Shared,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
    ) -> None:
        self.client: tuple[str, int] | None = None
        self.server: tuple[str, int] | None = None
        self._loop = asyncio.get_running_loop()
        #: The event loop's clock.
        self.time = self._loop.time
        self._shared = shared
        self._rules = shared.rules
        self._app = cast("AsgiApp", config.loaded_app)
        self._app_state = app_state
        self._server_state = server_state
        self._entry: Entry | None = None
        self._fd = -1
        self._lost = False
        self._ended = False
        self._missing: int | None = None
        self._reading = True
        self._deadline = Deadline(self._loop, self._expired)
        self._watch = Deadline(self._loop, self._look)

    # --- before there is a transport ---------------------------------------------------------

    @property
    def patience(self) -> float:
        """Seconds that a TLS handshake may take: those of a head, which it comes before."""
        return self._rules.header_timeout

    def enter(self, address: str) -> bool:
        """Count it in as one of ``address``; answer whether there is room at least for saying that there is none."""
        self._entry = self._shared.census.enter(address)
        return self._entry is not None

    def leave(self) -> None:
        """Count it out."""
        if self._entry is not None:
            self._shared.census.leave(self._entry)

    # --- transport callbacks -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it in, or refuse it."""
        self._transport = cast("asyncio.Transport", transport)
        self._server_state.connections.add(cast("Any", self))
        self.client = _address(transport.get_extra_info("peername"))
        self.server = _address(transport.get_extra_info("sockname"))
        self.outlet = Outlet(self._transport, self._loop)
        peer = transport.get_extra_info("socket")
        self._fd = peer.fileno()
        keep_watch(peer)
        self._conversation = Conversation(
            self._shared, self, self._app, self._app_state, self._server_state
        )
        if self._entry is None and not self.enter(self.client[0] if self.client else ""):
            self._transport.abort()
        elif self._entry is not None and self._entry.full is not None:
            self._conversation.refuse(self._entry.full, None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it, and tell the exchange, which may take its time to end."""
        self._lost = True
        self._conversation.phase = Phase.OVER
        self._server_state.connections.discard(cast("Any", self))
        self.leave()
        self._deadline.cancel()
        self._watch.cancel()
        self._conversation.leave()

    def eof_received(self) -> bool:
        """The client sends nothing more. One whose whole request is here may only have said so (``shutdown(SHUT_WR)``),
        and is answered: True, the transport stays open for that. TLS knows no half-close."""
        self._ended = not self.outlet.tls and self._conversation.hear_out()
        if not self._ended:
            self._conversation.leave()
        return self._ended

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go. Never empty: an empty view would end a plain connection."""
        del sizehint
        return self._conversation.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes came, into what :meth:`get_buffer` had given."""
        self._conversation.received(nbytes)

    def pause_writing(self) -> None:
        """The transport holds more than its limit."""
        self.outlet.pause()

    def resume_writing(self) -> None:
        """It does no more."""
        self.outlet.resume()

    # --- uvicorn's shutdown ------------------------------------------------------------------

    def shutdown(self) -> None:
        """End an idle connection now, a busy one after its response."""
        self._conversation.shut()

    def abort(self) -> None:
        """End it now, whatever it does."""
        self._transport.abort()

    # --- what the conversation asks for ------------------------------------------------------

    def expect(self, due: float | None) -> None:
        """Something must come before ``due``."""
        if due is None:
            self._deadline.clear()
        else:
            self._deadline.set(due)

    def update_reading(self) -> None:
        """Read exactly when there is a place for what comes."""
        reads = self._conversation.reads
        if reads is not self._reading and not self._lost:
            self._reading = reads
            if reads:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def grab(self, view: memoryview) -> int:
        """Receive what is there now. The end of the connection, and what TLS has, are the transport's to tell."""
        if self.outlet.tls or self._lost or self._transport.is_closing():
            return 0
        try:
            return os.readv(self._fd, [view])
        except OSError:  # mostly: nothing is there
            return 0

    def start(self, exchange: Exchange, app: AsgiApp) -> None:
        """Run an exchange, and from now on look after the peer from time to time."""
        if not self._watch.is_set:  # a look that an earlier request is due serves this one too
            self._watch.set(self.time() + self._rules.probe)
        task = self._loop.create_task(exchange.run(app, self._shared.direct))
        self._server_state.tasks.add(task)
        task.add_done_callback(self._server_state.tasks.discard)

    def linger(self) -> None:
        """Say that we are done, and read on for a while.

        Closing a socket with unread bytes resets the connection, and the reset can overtake the
        answer (RFC 9112, 9.6). TLS cannot be half-closed: there we only read on.
        """
        if self._lost:
            return
        self._last_call()
        if not self.outlet.tls and not self._transport.is_closing():
            self._transport.write_eof()
        self.update_reading()

    def close(self) -> None:
        """Close when what was written has left; :meth:`_look` sees to it that it does."""
        if self._lost:
            return
        self._last_call()
        self._transport.close()

    def _last_call(self) -> None:
        now = self.time()
        self._deadline.set(now + self._rules.linger)
        self._watch.set(now + self._rules.probe)

    # --- time --------------------------------------------------------------------------------

    def _expired(self) -> None:
        """What was expected did not come, or lingering is over."""
        if self._conversation.phase is not Phase.OVER:
            self._conversation.expire()
        elif not self._transport.is_closing():
            self.close()
        elif not self._transport.get_write_buffer_size():
            self._transport.abort()

    def _look(self) -> None:
        """Every few seconds: is the client alive, does it take what we send?"""
        if self._conversation.phase is Phase.HEAD:
            return
        now = self.time()
        self._watch.set(now + self._rules.probe)
        missing = self._conversation.missing
        moved = missing != self._missing  # who sends is there, and need not be looked for
        self._missing = missing
        reads = self._reading and not self._ended
        if self.outlet.is_stalled(now, self._rules.body_idle_timeout) or (
            not (reads or moved) and is_gone(self._fd, missing, tls=self.outlet.tls)
        ):
            self._transport.abort()


def _address(info: Any) -> tuple[str, int] | None:
    return (str(info[0]), int(info[1])) if isinstance(info, tuple) and len(info) >= 2 else None
