"""The file that is sent: read in places, from any thread, and watched for changes."""

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gateway.client.failures import FileTrouble
from gateway.client.uploading.record import Identity
from gateway.client.uploading.steps import Span
from gateway.units import KiB, MiB

_SENT_AT_ONCE: Final = 256 * KiB


class SourceFile:
    """A context manager; inside it the file is open."""

    def __init__(self, path: Path) -> None:
        self.path: Final = path
        self._file = -1

    def __enter__(self) -> Self:
        """Open it.

        Raises:
            FileTrouble: it can't be read, or is no file.
        """
        try:
            self._file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise FileTrouble(f"{self.path}: {error.strerror}") from None
        if self.path.is_dir():
            os.close(self._file)
            raise FileTrouble(f"{self.path}: {os.strerror(errno.EISDIR)}")
        self.identity = self._seen()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def check(self) -> None:
        """See that it is as it was.

        Raises:
            FileTrouble: it has changed, or another one has its name.
        """
        if self._seen() != self.identity:
            raise FileTrouble(f"{self.path}: it changed while it was sent; send it again")

    def digest(self, span: Span, algorithm: str) -> bytes:
        """The digest (a name of hashlib's) of a part.

        Raises:
            FileTrouble: it can't be read, or ends before the span does.
        """
        state = hashlib.new(algorithm)
        for block in self.blocks(span, MiB):
            state.update(block)
        return state.digest()

    def blocks(self, span: Span, size: int = _SENT_AT_ONCE) -> Iterator[bytes]:
        """The bytes of a part: a file that grew meanwhile is still the one that was begun.

        Raises:
            FileTrouble: as :meth:`digest`.
        """
        at = span.start
        while at < span.stop:
            block = self.read(Span(at, min(at + size, span.stop)))
            yield block
            at += len(block)

    def read(self, span: Span) -> bytes:
        """One to ``span.size`` bytes.

        Raises:
            FileTrouble: as :meth:`digest`.
        """
        try:
            block = os.pread(self._file, span.size, span.start)
        except OSError as error:
            raise FileTrouble(f"{self.path}: {error.strerror}") from None
        if not block:
            raise FileTrouble(f"{self.path}: it shrank while it was sent")
        return block

    def _seen(self) -> Identity:
        found = os.fstat(self._file)
        return Identity(
            path=str(self.path.absolute()),
            size=found.st_size,
            modified=found.st_mtime_ns,
            inode=found.st_ino,
        )
