"""A source out of a framed one: the frame finds what of the bytes is the object's, where they lie."""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from gateway.model import Source
from gateway.pipeline.source import prompt_reader
from gateway.units import KiB

#: Views smaller than this are served out of a buffer of our own: a frame may hold back a few dozen bytes.
_SMALL: Final = 4 * KiB


class Frame(Protocol):
    """What tells content from framing, incrementally."""

    @property
    def held(self) -> bytes:
        """Bytes of which it cannot be told yet, fewer than 1 KiB: they are shown again, before the next ones."""
        ...

    def split(self, view: memoryview, /) -> int:
        """Look at what was held and what came after it; answer how many bytes from the start are content.

        Raises:
            GatewayError: this is no frame.
        """
        ...

    def finish(self) -> None:
        """The bytes have ended.

        Raises:
            GatewayError: in the middle of the frame.
        """
        ...


class FramedSource:
    """The content of ``source``, of which ``begun`` was read already. It goes from the socket into the caller's
    memory and stays there; the end is told only when the frame has ended rightly. ``count``: bytes of content so
    far."""

    def __init__(self, source: Source, frame: Frame, begun: bytes = b"") -> None:
        self._source = source
        self._some = prompt_reader(source)
        self._frame = frame
        self.count = 0
        self._begun = begun
        self._ready = memoryview(b"")
        self._ended = False

    @property
    def length(self) -> int | None:
        """Not known before the end."""
        return 0 if self._ended else None

    async def read_into(self, view: memoryview, /) -> int:
        """Fill the view; 0 at the end."""
        return await self._read(view, self._source.read_into)

    async def read_some(self, view: memoryview, /) -> int:
        """Put there what comes first; 0 at the end."""
        return await self._read(view, self._some)

    async def _read(self, view: memoryview, read: Callable[[memoryview], Awaitable[int]]) -> int:
        if self._begun:
            begun, self._begun = bytearray(self._begun), b""
            self._ready = memoryview(begun)[: self._frame.split(memoryview(begun))]
        while not self._ready and not self._ended:
            small = len(view) < _SMALL
            target = memoryview(bytearray(_SMALL)) if small else view
            size = await self._fill(target, read)
            if small:
                self._ready = target[:size]
            elif size:
                self.count += size
                return size
        size = min(len(view), len(self._ready))
        view[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        self.count += size
        return size

    async def _fill(self, target: memoryview, read: Callable[[memoryview], Awaitable[int]]) -> int:
        """Read once; answer how many bytes of content there are at the target's start."""
        held = self._frame.held
        target[: len(held)] = held
        size = await read(target[len(held) :])
        if not size:
            self._frame.finish()
            self._ended = True
            return 0
        return self._frame.split(target[: len(held) + size])

    async def aclose(self) -> None:
        """Give up what is left."""
        self._begun, self._ready, self._ended = b"", memoryview(b""), True
        await self._source.aclose()
