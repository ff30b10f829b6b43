"""The writing half of a connection: backpressure, and slabs that may be used again."""

import asyncio
from typing import Final

from gateway.errors import ClientGone
from gateway.server.liveness import unsent
from gateway.units import KiB, MiB

#: On TLS connections the transport copies; this much may wait in it.
TLS_BACKLOG: Final = 128 * KiB
#: A writer whose client takes everything at once still lets others have their turn after this much.
BURST: Final = MiB


class Outlet:
    """Writes to one transport.

    A plain transport keeps pointing into what it was given until the kernel has taken it, so its
    high-water mark is zero: "resume" then means that nothing of a slab is left in it. TLS encrypts
    at once into memory of its own, and with a mark of zero would pause and resume at every write.
    """

    __slots__ = (
        "_burst",
        "_fd",
        "_loop",
        "_stalled",
        "_transport",
        "_waiter",
        "gone",
        "paused",
        "piece",
        "tls",
    )

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.gone = False
        self.tls = transport.get_extra_info("sslcontext") is not None
        #: Write no more than this at once; 0: any amount. A TLS transport encrypts all it is given
        #: and asks for a pause only at the next write.
        self.piece = TLS_BACKLOG if self.tls else 0
        self._transport = transport
        self._loop = loop
        self._fd = transport.get_extra_info("socket").fileno()
        self._burst = 0
        self.paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._stalled: tuple[int, float] | None = None
        transport.set_write_buffer_limits(high=TLS_BACKLOG if self.tls else 0)

    def write(self, *pieces: bytes | memoryview) -> None:
        """Hand bytes to the transport; dropped when the client left."""
        if self.gone or self._transport.is_closing():
            return
        self._burst += sum(map(len, pieces))
        if len(pieces) == 1:
            self._transport.write(pieces[0])
        else:
            self._transport.writelines(pieces)

    @property
    def held(self) -> int:
        """Bytes that the transport could not hand to the kernel yet."""
        return self._transport.get_write_buffer_size()

    async def flushed(self, backlog: int) -> None:
        """Wait until the transport holds at most ``backlog`` bytes that it has not copied.

        Raises:
            ClientGone: the client left before, or stopped reading.
        """
        if self.gone or self._transport.is_closing():
            self.gone = True  # a write may learn of a reset before the protocol is told
            raise ClientGone("The client closed the connection.")
        if not self.paused or (backlog and self._transport.get_write_buffer_size() <= backlog):
            if self._burst >= BURST:
                self._burst = 0
                await asyncio.sleep(0)
            return
        if self._waiter is not None:
            raise RuntimeError("The response is already being written.")
        self._burst = 0
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        except asyncio.CancelledError:
            # The transport still points into the caller's slab, which will be used again.
            self._transport.abort()
            raise
        finally:
            self._waiter = None
        if self.gone:
            raise ClientGone("The client closed the connection.")

    def is_stalled(self, now: float, patience: float) -> bool:
        """Whether neither we nor the kernel got rid of a single byte for ``patience`` seconds."""
        held = self._transport.get_write_buffer_size()
        if not held:
            self._stalled = None
            return False
        held += unsent(self._fd)
        if self._stalled is None or held != self._stalled[0]:
            self._stalled = (held, now)
        return now - self._stalled[1] >= patience

    def pause(self) -> None:
        """The transport holds more than its limit."""
        self.paused = True

    def resume(self) -> None:
        """It does no more."""
        self.paused = False
        self._wake()

    def leave(self) -> None:
        """The client is gone: what is written from now on is dropped."""
        self.gone = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
