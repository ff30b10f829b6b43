"""Request bodies: pulled by the application, straight into its own buffers.

``scope["extensions"]["sluice.body"]`` is one of these. Nothing is read from the socket that nobody
has asked for, so a slow application closes the client's TCP window and no queue exists here.
"""

import asyncio

from gateway.errors import BadRequest, ClientGone, GatewayError, RequestTimeout
from gateway.server.chunked import ChunkedDecoder
from gateway.server.deadlines import Pace
from gateway.server.wire import Wire
from gateway.units import KiB

#: How much ``receive()`` takes at once.
PIECE = 256 * KiB
#: Smallest read of a chunked body, so that a small view does not mean a system call for each byte.
CHUNKED_READ = 4 * KiB


class RequestBody:
    """A body of which the length is known, and the base of the other kind.

    ``length`` is the declared length in bytes (None: unknown), ``trailers`` what came after a
    chunked body: (lower-case name, value) pairs that are never merged into the headers. ``size``
    counts the bytes that were read, ``paused_seconds`` the time in which nobody asked for any.
    """

    def __init__(self, wire: Wire, length: int | None, pace: Pace) -> None:
        self.length = length
        self.trailers: tuple[tuple[bytes, bytes], ...] = ()
        self.paused_seconds = 0.0
        self.size = 0
        self._wire = wire
        self._pace = pace
        self._left = length or 0
        self._rested_at = wire.time()
        self._failure: tuple[type[GatewayError], str] | None = None
        self._waiter: asyncio.Future[int] | None = None
        self._target: memoryview | None = None
        self._filled = 0
        self._whole = True
        self._piece: bytearray | None = None

    @property
    def complete(self) -> bool:
        """Whether every byte was read."""
        return self._left == 0

    @property
    def left(self) -> int | None:
        """How many bytes were not read yet; None when that cannot be known."""
        return self._left

    @property
    def broken(self) -> bool:
        """Whether the connection is of no more use after this body."""
        return self._failure is not None

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for bytes now."""
        return self._target is not None

    async def read_into(self, view: memoryview) -> int:
        """Fill ``view`` from its start with at least one byte; answer how many, 0 at the end.

        What the socket brings it lets gather until the view is full, or all that is left of the body is there: a
        slab is looked at when it is full, so waking its reader before only costs. What came before a failure is
        answered; the next call raises.

        Raises:
            ClientGone: the client left, or the response is already complete.
            RequestTimeout: it paused too long or came too slowly.
            BadRequest: malformed framing.
        """
        if not view:
            raise ValueError("read_into needs room for at least one byte")
        if self.complete:
            return 0
        self._wire.invite()
        self.paused_seconds += self._wire.time() - self._rested_at
        try:
            size = await self._read(view)
        finally:
            self._rested_at = self._wire.time()
            if self.complete:
                self._wire.rest()
        self.size += size
        return size

    def take_at_once(self, size: int) -> memoryview | None:
        """All that is left of the body, if that is ``size`` bytes, all of it is here and nobody reads. It is the
        caller's from then on."""
        pending = self._wire.pending
        if size != self._left or size != len(pending) or not size or self._waiter is not None:
            return None
        self._wire.pending = bytearray()
        self._left = 0
        self.size += size
        return memoryview(pending)

    async def read(self) -> bytes:
        """The next piece of the body as it comes, at most 256 KiB; empty at the end."""
        if self._piece is None:
            self._piece = bytearray(min(PIECE, self._left) if self.length is not None else PIECE)
        size = await self._read_as_it_comes(memoryview(self._piece)) if self._piece else 0
        return bytes(memoryview(self._piece)[:size])

    async def read_some(self, view: memoryview) -> int:
        """As :meth:`read_into`, but what one receive brings is answered at once: for who lets bytes gather.

        What has gathered is taken without a word to the event loop: to start reading, to be told, and to stop again
        costs more than the read. So whoever asks again and again has to let others run in between.
        """
        return self._grab(view) or await self._read_as_it_comes(view)

    async def _read_as_it_comes(self, view: memoryview) -> int:
        self._whole = False
        try:
            return await self.read_into(view)
        finally:
            self._whole = True

    def _grab(self, view: memoryview) -> int:
        """What is in the socket now, where that is what comes next."""
        if not self._left or self._wire.pending or self._waiter or self._failure:
            return 0
        size = self._wire.grab(view[: self._left])
        if size:
            now = self._wire.time()
            self.paused_seconds += now - self._rested_at
            self._rested_at = now
            self._pace.wait(now)
            self._pace.progress(size, now)
            self._left -= size
            self.size += size
            if not self._left:
                self._wire.rest()
        return size

    async def _read(self, view: memoryview) -> int:
        size = min(len(view), self._left)
        pending = self._wire.pending
        if not pending:
            return await self._receive(view[:size])
        size = min(size, len(pending))
        with memoryview(pending) as ready:
            view[:size] = ready[:size]
        del pending[:size]
        self._left -= size
        return size

    async def _receive(self, view: memoryview) -> int:
        self._raise_failure()
        if self._waiter is not None:
            raise RuntimeError("the body is already being read")
        self._waiter = asyncio.get_running_loop().create_future()
        self._target, self._filled = view, 0
        self._wire.want(self._pace.wait(self._wire.time()))
        try:
            return await self._waiter
        finally:
            self._waiter = self._target = None
            self._wire.rest()

    # --- the connection's side ---------------------------------------------------------------

    def buffer(self) -> memoryview:
        """Where the next bytes of the socket go. Only while ``wanted``."""
        assert self._target is not None
        return self._target[self._filled :] if self._filled else self._target

    def received(self, size: int) -> None:
        """``size`` bytes were put there."""
        assert self._target is not None
        self._left -= size
        self._filled += size
        now = self._wire.time()
        self._pace.progress(size, now)
        if not self._whole or self._filled == len(self._target):
            self._deliver(self._filled)
        else:
            self._wire.want(self._pace.wait(now))

    def skip(self, size: int) -> None:
        """``size`` bytes were thrown away unread."""
        self._left -= size

    def fail(self, kind: type[GatewayError], detail: str) -> None:
        """Nothing more will come. The first reason stays."""
        if self._failure is None:
            self._failure = (kind, detail)
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            self._target = None
            if self._filled:
                waiter.set_result(self._filled)
            else:
                waiter.set_exception(self._failure[0](self._failure[1]))

    def expire(self) -> None:
        """The client was too slow."""
        self.fail(RequestTimeout, "The body paused for too long or came too slowly.")

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure[0](self._failure[1])

    def _deliver(self, size: int) -> None:
        self._target = None
        self._wire.rest()
        assert self._waiter is not None
        if not self._waiter.done():
            self._waiter.set_result(size)


class ChunkedBody(RequestBody):
    """A body in the chunked transfer coding."""

    def __init__(self, wire: Wire, pace: Pace) -> None:
        super().__init__(wire, None, pace)
        self._decoder = ChunkedDecoder()
        self._in_place = False

    @property
    def complete(self) -> bool:
        """Whether the last chunk and the trailers were read."""
        return self._decoder.ended

    @property
    def left(self) -> int | None:
        """Zero at the end, else unknown."""
        return 0 if self._decoder.ended else None

    async def _read(self, view: memoryview) -> int:
        pending = self._wire.pending
        while not self._decoder.ended:
            if pending:
                with memoryview(pending) as ready:
                    used, made = self._decode(ready, view)
                del pending[:used]
            else:
                made = await self._receive(view)
            self._raise_malformed()
            if made:
                return made
        return 0

    def buffer(self) -> memoryview:
        """The caller's view, framing and all: what is decoded there only moves down. The scratch buffer where the view
        is too small for a receive."""
        assert self._target is not None
        self._in_place = len(self._target) - self._filled >= CHUNKED_READ
        return self._target[self._filled :] if self._in_place else self._wire.scratch[:CHUNKED_READ]

    def received(self, size: int) -> None:
        """Decode; bytes after the end of the body, or that have no room, wait in ``pending``."""
        assert self._target is not None
        now = self._wire.time()
        room = self._target[self._filled :]
        if self._in_place and size <= self._decoder.data_left:
            self._decoder.took(size)
            made = size
        else:
            wire = room[:size] if self._in_place else self._wire.scratch[:size]
            used, made = self._decode(wire, room)
            if self.broken:
                return
            self._wire.pending += wire[used:]
        self._filled += made
        self._pace.progress(made, now)
        full = self._filled == len(self._target) or (self._filled and not self._whole)
        if full or self._decoder.ended:
            self._deliver(self._filled)
        else:
            self._wire.want(self._pace.wait(now))

    def _decode(self, wire: memoryview, view: memoryview) -> tuple[int, int]:
        try:
            used, made = self._decoder.feed(wire, view)
        except BadRequest as error:
            self.fail(BadRequest, error.detail)
            return len(wire), 0
        if self._decoder.ended:
            self.trailers = tuple(self._decoder.trailers)
        return used, made

    def _raise_malformed(self) -> None:
        if self._failure is not None and self._failure[0] is not ClientGone:
            self._raise_failure()
