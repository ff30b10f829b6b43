"""An open object as a source: reads go from the file straight into the caller's view."""

import io
import os
from collections import deque

from gateway.errors import StorageCorrupt
from gateway.model import ByteRange
from gateway.storage.local.record import Extent
from gateway.storage.local.threads import Threads


def cut(extents: tuple[Extent, ...], wanted: ByteRange) -> list[Extent]:
    """The pieces of a file that hold the ``wanted`` bytes of the object."""
    pieces: list[Extent] = []
    begin = 0
    for at, size in extents:
        start, stop = max(wanted.start, begin), min(wanted.stop, begin + size)
        if start < stop:
            pieces.append((at + start - begin, stop - start))
        begin += size
    return pieces


class FileSource:
    """Bytes of one open version. The file is closed at the end, by :meth:`aclose`."""

    def __init__(self, file: io.FileIO, pieces: list[Extent], threads: Threads) -> None:
        self._file = file
        self._pieces = deque(pieces)
        self._threads = threads
        self._reading = False

    @property
    def length(self) -> int:
        """Bytes still to come."""
        return sum(size for _, size in self._pieces)

    async def read_into(self, view: memoryview, /) -> int:
        """See Source.

        Raises:
            StorageCorrupt: the file is shorter than its record says.
            StorageError: it cannot be read, or the store was closed.
        """
        if not self._pieces:
            return 0
        at, size = self._pieces[0]
        target = view[:size]
        self._reading = True
        try:
            count = await self._threads.run(lambda _: self._read(target, at))
        finally:
            self._reading = False
            if not self._pieces:
                self._file.close()
        if count == 0:
            raise StorageCorrupt("The object's file on the gateway's disk is too short.")
        if self._pieces:
            self._pieces.popleft()
            if count < size:
                self._pieces.appendleft((at + count, size - count))
        return count

    async def aclose(self) -> None:
        """Close the file; under a running read, when that is done: the thread has the descriptor's number, which
        the next file to be opened would get."""
        self._pieces.clear()
        if not self._reading:
            self._file.close()

    def _read(self, target: memoryview, at: int) -> int:
        return os.preadv(self._file.fileno(), [target], at)
