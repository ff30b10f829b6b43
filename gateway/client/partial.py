"""A download on its way: ``FILE.part``, and beside it the ETag of the version it is a beginning of.

Both outlive the process, so the next run goes on where this one stopped. The target appears at the end,
whole, by a rename. The ETag is written before the first byte: bytes without one are worth nothing.
"""

import fcntl
import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gateway.client.failures import FileTrouble
from gateway.units import MiB

_BLOCK: Final = MiB


class PartialFile:
    """The unfinished form of ``target``. A context manager: inside it nobody else downloads to the same file."""

    def __init__(self, target: Path) -> None:
        self.target: Final = target
        self.path: Final = target.with_name(target.name + ".part")
        self._tag_path: Final = target.with_name(target.name + ".part.etag")
        self._file = -1
        self.etag: str | None = None
        self.size = 0

    def __enter__(self) -> Self:
        """Open what an earlier run left.

        Raises:
            FileTrouble: it cannot be opened, or another process is at it.
        """
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise FileTrouble(f"{self.path}: {error.strerror}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise FileTrouble(f"{self.path}: another download is writing to it") from None
        self.etag = self._read_tag()
        self.size = os.fstat(self._file).st_size
        if self.etag is None and self.size:
            self.restart(None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.size == 0:
            self.discard()
        os.close(self._file)

    def restart(self, etag: str | None) -> None:
        """Begin again, with another version of the object (None: one that cannot be continued)."""
        os.ftruncate(self._file, 0)
        self.size = 0
        self.etag = etag
        if etag is None:
            self._tag_path.unlink(missing_ok=True)
        else:
            self._tag_path.write_text(etag, encoding="latin-1")

    def write(self, data: bytes, offset: int) -> None:
        """Put bytes where they belong, at the end or over bytes that are there.

        Raises:
            FileTrouble: the disk is full, or the like.
        """
        view = memoryview(data)
        while view:
            try:
                written = os.pwrite(self._file, view, offset)
            except OSError as error:
                raise FileTrouble(f"{self.path}: {error.strerror}") from None
            view, offset = view[written:], offset + written
        self.size = max(self.size, offset)

    def digest(self, algorithm: str) -> bytes:
        """The digest (a name of hashlib) of what is on disk, not of what went by."""
        state = hashlib.new(algorithm)
        offset = 0
        while block := os.pread(self._file, _BLOCK, offset):
            state.update(block)
            offset += len(block)
        return state.digest()

    def publish(self) -> None:
        """Make it the target, durably.

        Raises:
            FileTrouble: the target cannot be written.
        """
        try:
            os.fsync(self._file)
            self.path.replace(self.target)
        except OSError as error:
            raise FileTrouble(f"{self.target}: {error.strerror}") from None
        self._tag_path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove it: nothing of it is worth keeping. No error after :meth:`publish`."""
        self._tag_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def _read_tag(self) -> str | None:
        try:
            return self._tag_path.read_text(encoding="latin-1") or None
        except OSError:
            return None
