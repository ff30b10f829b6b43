"""A body that is still coming, in memory."""

from collections.abc import Callable
from typing import Generic, TypeVar

from gateway.errors import StorageUnavailable
from gateway.model import Views

T = TypeVar("T")


class MemoryPassage(Generic[T]):
    """A body of ``size`` bytes that is coming; ``commit`` makes of it what it is to be."""

    def __init__(self, size: int, commit: Callable[[bytes], T]) -> None:
        self._size = size
        self._commit = commit
        self._data = bytearray()
        self._open = True

    async def send(self, views: Views) -> None:
        """See Passage."""
        if not self._open:
            raise StorageUnavailable("The call is over.")
        for view in views:
            self._data += view

    async def finish(self, views: Views) -> T:
        """See Passage."""
        await self.send(views)
        self._open = False
        if len(self._data) != self._size:
            raise StorageUnavailable("The body is not of the size that was announced.")
        return self._commit(bytes(self._data))

    def abandon(self) -> None:
        """See Passage."""
        self._open = False
        self._data = bytearray()
