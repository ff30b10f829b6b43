"""Sources: where bytes are pulled from. See :class:`gateway.model.Source` for the contract."""

from collections.abc import Awaitable, Callable, Sequence

from gateway.model import PromptSource, Source


def prompt_reader(source: Source) -> Callable[[memoryview], Awaitable[int]]:
    """How to ask ``source`` for what is there at once: :meth:`~gateway.model.PromptSource.read_some`, where it has
    that."""
    return source.read_some if isinstance(source, PromptSource) else source.read_into


class BytesSource:
    """Bytes that are in memory already, handed out at most ``step`` at a time (None: as much as fits)."""

    def __init__(self, data: bytes | bytearray | memoryview, *, step: int | None = None) -> None:
        self._left = memoryview(data)
        self._step = step

    @property
    def length(self) -> int:
        """Bytes still to come."""
        return len(self._left)

    async def read_into(self, view: memoryview, /) -> int:
        """Fill ``view``; 0 at the end."""
        size = min(len(view), len(self._left))
        if self._step is not None:
            size = min(size, self._step)
        view[:size] = self._left[:size]
        self._left = self._left[size:]
        return size

    async def aclose(self) -> None:
        """Give up what is left."""
        self._left = memoryview(b"")


class JoinedSource:
    """Several sources one after the other: a kept tail and the body that continues it."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = list(sources)

    @property
    def length(self) -> int | None:
        """Bytes still to come, if all of them know."""
        total = 0
        for source in self._sources:
            if source.length is None:
                return None
            total += source.length
        return total

    async def read_into(self, view: memoryview, /) -> int:
        """Fill ``view`` from the first source that has bytes; 0 when none has."""
        while self._sources:
            size = await self._sources[0].read_into(view)
            if size:
                return size
            await self._sources.pop(0).aclose()
        return 0

    async def aclose(self) -> None:
        """Close all of them."""
        while self._sources:
            await self._sources.pop(0).aclose()


class LimitedSource:
    """The next ``size`` bytes of another source, which is left open behind them."""

    def __init__(self, source: Source, size: int) -> None:
        self._source = source
        self._some = prompt_reader(source)
        self._left = size

    @property
    def length(self) -> int | None:
        """Bytes still to come; None where the inner source may end earlier without saying so."""
        inner = self._source.length
        return None if inner is None else min(inner, self._left)

    async def read_into(self, view: memoryview, /) -> int:
        """Fill ``view``; 0 at the limit or at the inner source's end."""
        return await self._read(view, self._source.read_into)

    async def read_some(self, view: memoryview, /) -> int:
        """Put there what comes first."""
        return await self._read(view, self._some)

    async def _read(self, view: memoryview, read: Callable[[memoryview], Awaitable[int]]) -> int:
        if not self._left:
            return 0
        size = await read(view[: self._left])
        self._left -= size
        return size

    async def aclose(self) -> None:
        """Read no more; the inner source is its owner's to close."""
        self._left = 0
