"""Durable writes, locks, and what the operating system says when they fail. All of it blocks."""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final, Literal

from gateway.errors import GatewayError, StorageError, StorageRejected, StorageUnavailable
from gateway.units import MiB

#: Nobody but the gateway's user reads what clients stored.
FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700

_IOV_MAX: Final = os.sysconf("SC_IOV_MAX")
#: Written between two looks at whether the caller has gone.
_BATCH: Final = 8 * MiB
#: macOS has no fdatasync.
_SYNC_DATA: Final[Callable[[int], None]] = getattr(os, "fdatasync", os.fsync)

_FULL: Final = {errno.ENOSPC, errno.EDQUOT}
_REFUSED: Final = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP, errno.EXDEV, errno.EFBIG}
_SHORT: Final = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}


class Disk:
    """Writes that last: through ``kill -9`` always, through a power cut with ``power``."""

    def __init__(self, durability: Literal["power", "process"]) -> None:
        self._power = durability == "power"

    def settle(self, descriptor: int) -> None:
        """Return when the file's bytes and size are on the disk."""
        if self._power:
            _SYNC_DATA(descriptor)

    def settle_folder(self, path: Path) -> None:
        """Return when the names in a folder are on the disk."""
        if self._power:
            with opened_folder(path) as folder:
                os.fsync(folder)

    def make_folder(self, path: Path) -> None:
        """Make a folder, and its name last; one that is there is fine."""
        try:
            path.mkdir(mode=FOLDER_MODE)
        except FileExistsError:
            return
        self.settle_folder(path.parent)


@contextmanager
def opened(path: Path | str, flags: int, folder: int | None = None) -> Iterator[int]:
    """A file descriptor for as long as the block. Never follows a symbolic link to a file."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def opened_folder(path: Path) -> Iterator[int]:
    """A folder's descriptor for as long as the block."""
    with opened(path, os.O_RDONLY | os.O_DIRECTORY) as descriptor:
        yield descriptor


@contextmanager
def locked(folder: int) -> Iterator[None]:
    """Exclude all others, threads and processes, that lock the same folder."""
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(folder, fcntl.LOCK_UN)


def try_lock(folder: int) -> bool:
    """Lock a folder until its descriptor is closed, unless somebody else has it."""
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_all(
    descriptor: int, views: Sequence[memoryview], offset: int, check: Callable[[], None]
) -> int:
    """Write views one after the other from ``offset``; answer how many bytes that were.

    ``check`` is called between batches and may raise to stop it.
    """
    position = offset
    waiting = [view for view in views if len(view)]
    waiting.reverse()
    while waiting:
        check()
        written = os.pwritev(descriptor, _batch(waiting), position)
        position += written
        while written:
            view = waiting.pop()
            if len(view) > written:
                waiting.append(view[written:])
            written -= min(written, len(view))
    return position - offset


def _batch(waiting: Sequence[memoryview]) -> list[memoryview]:
    """The next views for one call: as many as the system takes, bounded in bytes."""
    batch: list[memoryview] = []
    room = _BATCH
    for view in islice(reversed(waiting), _IOV_MAX):
        batch.append(view[:room])
        room -= len(batch[-1])
        if room == 0:
            break
    return batch


@contextmanager
def map_os_errors() -> Iterator[None]:
    """The one seam between the system's errors and ours. The paths stay in here.

    Raises:
        StorageRejected: permissions, a read-only disk, a link where none may be, a file too large.
        StorageUnavailable: out of file descriptors or memory.
        StorageError: the disk is full or broken.
    """
    try:
        yield
    except OSError as error:
        raise _mapped(error) from error


def _mapped(error: OSError) -> GatewayError:
    if error.errno in _FULL:
        # Not retryable: a full disk stays full for longer than a request lasts.
        return StorageError("The gateway's disk is full. Free space there, then send it again.")
    reason = errno.errorcode.get(error.errno or 0, "unknown")
    if error.errno in _REFUSED:
        return StorageRejected(
            f"The gateway's disk refuses this ({reason}). Its operator must look at the store's folder."
        )
    if error.errno in _SHORT:
        return StorageUnavailable(f"The gateway is short of system resources ({reason}).")
    return StorageError(f"The gateway's disk failed ({reason}).")
