"""TLS connections, from accept to the end of their handshake.

An event loop's own server tells the protocol of a TLS connection that it exists when the handshake is over: until
then nobody could count it, and it would have a minute to say nothing. So these are accepted here: counted first, then
given the time of a request's head.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final, cast

import uvicorn

from gateway.server.http_protocol import Front

#: Connections accepted in one turn of the event loop, so that those that are there have theirs.
_AT_ONCE: Final = 8
#: Seconds without accepting when there are no more files: they wait in the kernel.
_PAUSE: Final = 0.1


class TlsListener:
    """Accepts connections of one listening socket, which must not block."""

    def __init__(
        self, listener: socket.socket, context: ssl.SSLContext, make: Callable[[], Front]
    ) -> None:
        self._listener = listener
        self._context = context
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._handshakes: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._listen()

    def close(self) -> None:
        """Accept no more, and end the connections that have not shaken hands."""
        self._loop.remove_reader(self._listener)
        if self._pause is not None:
            self._pause.cancel()
        for handshake in self._handshakes:
            handshake.cancel()

    async def wait_closed(self) -> None:
        """Wait until those have ended."""
        await asyncio.gather(*self._handshakes, return_exceptions=True)

    def _listen(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                peer, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                self._loop.remove_reader(self._listener)
                self._pause = self._loop.call_later(_PAUSE, self._listen)
                return
            self._begin(peer, str(address[0]))

    def _begin(self, peer: socket.socket, address: str) -> None:
        front = self._make()
        if not front.enter(address):
            peer.close()
            return
        peer.setblocking(False)
        handshake = self._loop.create_task(self._shake(front, peer))
        self._handshakes.add(handshake)
        handshake.add_done_callback(self._handshakes.discard)

    async def _shake(self, front: Front, peer: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: front,
                peer,
                ssl=self._context,
                ssl_handshake_timeout=front.patience,
            )
        except BaseException as error:
            front.leave()
            if not isinstance(error, OSError):  # those are the client's: no TLS, or none in time
                raise


class FrontServer(uvicorn.Server):
    """uvicorn's server, of which the TLS connections are accepted here."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on ``sockets``; with TLS on the first, of which the others are copies."""
        context = self.config.ssl
        if context is None or not sockets:
            await super().startup(sockets)
            return
        await super().startup([])
        self.servers.append(cast("Any", TlsListener(sockets[0], context, self._front)))

    def _front(self) -> Front:
        config = self.config
        made = config.http_protocol_class(config, self.server_state, self.lifespan.state)  # type: ignore[call-arg]
        return cast("Front", made)
