"""The body of an answer, read straight from the socket into the reader's memory."""

import asyncio
from typing import Final, Protocol

from gateway.storage.s3.wire_answer import MAX_ERROR, Answer


class Reader(Protocol):
    """What a body needs of its connection."""

    def read_more(self, *, wanted: bool) -> None:
        """Read the socket, or leave what comes where it is: in the kernel, closing the sender's window."""
        ...

    def body_ended(self) -> None:
        """All of the body was received: the connection is free."""
        ...

    def sever(self) -> None:
        """End the connection now."""
        ...


class Cut(ConnectionError):
    """The connection ended before the answer did. ``silent``: nothing of the answer had come."""

    def __init__(self, text: str, *, silent: bool = False) -> None:
        super().__init__(text)
        self.silent = silent


class Body:
    """Pulled with :meth:`read_into`; while nobody reads, nothing is taken off the socket.

    ``left``: bytes still to receive, None where the answer does not say. ``ended``: all were received (they may
    still wait in ``_ready`` to be read). ``here``: what came with the head. Where that is the whole body the
    connection is free, which its reader is not told; all else is still to be fed.
    """

    __slots__ = (
        "_chunks",
        "_failure",
        "_filled",
        "_reader",
        "_ready",
        "_target",
        "_waiter",
        "ended",
        "left",
    )

    def __init__(self, reader: Reader, answer: Answer, here: bytes | bytearray = b"") -> None:
        whole = answer.length == len(here)
        self.left: int | None = 0 if whole else answer.length
        self.ended = whole
        self._chunks: Final = answer.chunks
        self._reader = reader
        self._ready = memoryview(here if whole else b"")
        self._target: memoryview | None = None
        self._filled = 0
        self._waiter: asyncio.Future[None] | None = None
        self._failure: Exception | None = None

    # --- the reader's side

    async def read_into(self, view: memoryview) -> int:
        """Fill ``view`` (not empty) from its start with what is there; answer how many bytes, 0 at the end.

        Raises:
            Cut: the body broke off.
            TimeoutError: it came no further for the idle time.
        """
        if not self._ready:
            return 0 if self.ended else await self._receive(view)
        size = min(len(view), len(self._ready))
        view[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        self._refill()
        return size

    async def read(self, limit: int) -> bytes:
        """At most ``limit`` bytes, joined.

        Raises:
            Cut, TimeoutError: as :meth:`read_into`.
        """
        coming = limit if self.left is None else self.left + len(self._ready)
        buffer = memoryview(bytearray(min(limit, coming)))
        size = 0
        while size < len(buffer) and (count := await self.read_into(buffer[size:])):
            size += count
        return bytes(buffer[:size])

    def received_bytes(self) -> memoryview:
        """What is left to read of a body that was received to its end, for whoever takes it all."""
        assert self.ended
        ready, self._ready = self._ready, memoryview(b"")
        return ready

    def close(self) -> None:
        """Give up what is left: the connection is closed then, as draining could cost gigabytes."""
        if not self.ended and self._failure is None:
            self._reader.sever()

    @property
    def reading(self) -> bool:
        """Whether somebody waits for bytes."""
        return self._waiter is not None

    async def _receive(self, view: memoryview) -> int:
        if self._failure is not None:
            raise self._failure
        if self._waiter is not None:
            raise RuntimeError("the body is already being read")
        self._waiter = asyncio.get_running_loop().create_future()
        self._target, self._filled = view, 0
        self._reader.read_more(wanted=True)
        try:
            await self._waiter
        except asyncio.CancelledError:
            if not self.ended:
                self._reader.sever()
            raise
        finally:
            self._waiter = self._target = None
            if not self.ended:
                self._reader.read_more(wanted=False)
        return self._filled

    # --- the connection's side

    def buffer(self) -> memoryview | None:
        """Where the next bytes go, without a copy; None: hand them to :meth:`feed`."""
        if self._target is None or self._chunks is not None:
            return None
        rest = self._target[self._filled :]
        if not rest:
            return None
        return rest if self.left is None or self.left >= len(rest) else rest[: self.left]

    def received(self, size: int) -> None:
        """``size`` bytes were put into :meth:`buffer`."""
        self._filled += size
        if self.left is not None:
            self.left -= size
        assert self._target is not None
        if self._filled == len(self._target):
            self._reader.read_more(wanted=False)
        if self.left == 0:
            self._end()
        self._wake()

    def feed(self, data: bytearray | memoryview) -> None:
        """Take raw bytes that came otherwise (behind the head; in chunks; while nobody read): copied. What is more
        than this body is dropped.

        Raises:
            Garbled: the chunks are broken.
        """
        if self._chunks is not None:
            self._chunks.feed(data)
            ended = self._chunks.ended
        else:
            if self.left is not None:
                if len(data) > self.left:
                    data = data[: self.left]
                self.left -= len(data)
            # What came behind a head is ours; a view is of memory that others use next.
            own = isinstance(data, bytearray) and not self._ready
            self._ready = memoryview(data if own else bytes(self._ready) + bytes(data))
            ended = self.left == 0
        if self._target is not None:
            self._hand_over()
        else:
            self._refill()
            if not ended:  # else the connection is free, and read to see it close
                self._reader.read_more(wanted=False)
        if ended:
            self._end()
        if ended or self._filled:
            self._wake()

    def eof(self) -> bool:
        """The peer sends nothing more; answer whether that is this body's proper end."""
        if self.left is None and self._chunks is None and not self.ended:
            self.ended = True
            self._wake()
        return self.ended

    def fail(self, error: Exception) -> None:
        """Nothing more will come."""
        self._failure = self._failure or error
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(self._failure)

    def _hand_over(self) -> None:
        """Move ready bytes into the target."""
        assert self._target is not None
        while self._filled < len(self._target):
            self._refill()
            size = min(len(self._target) - self._filled, len(self._ready))
            if not size:
                return
            self._target[self._filled : self._filled + size] = self._ready[:size]
            self._ready = self._ready[size:]
            self._filled += size
        self._refill()
        self._reader.read_more(wanted=False)

    def _refill(self) -> None:
        if not self._ready and self._chunks is not None and self._chunks.decoded:
            self._ready = memoryview(self._chunks.decoded.popleft())

    def _end(self) -> None:
        self.ended = True
        self._reader.body_ended()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


async def drop(body: Body) -> None:
    """Take a success' body off the connection, so that it can be used again; a failure here undoes nothing."""
    if body.ended:
        return
    try:
        await body.read(MAX_ERROR)
    except OSError:
        return
    finally:
        body.close()
