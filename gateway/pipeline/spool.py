"""Unfinished parts on disk: where slow clients' bytes wait when memory is short.

A part is begun only when the spool has room for all of it (:meth:`Spool.begin`), so that a part which went to disk
can be completed there at its client's pace. Otherwise thousands of half parts fill the disk and none gets on.

Files have no name (``O_TMPFILE``, or unlinked at once where the file system lacks it), so a killed process leaves
none. Each process has a sub-directory of its own, locked while it lives; what a dead one may have left
is removed at the next start, and nobody else's is touched. Directory and files are for their owner only.
"""

import asyncio
import fcntl
import mmap
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.pipeline.budget import Budget, Claim
from gateway.pipeline.owner import Owner
from gateway.telemetry import Instrument

#: Buffers for one system call (POSIX: IOV_MAX is 1024 on Linux).
_AT_ONCE: Final = 1024
_LOCK: Final = "lock"
_YOUNG: Final = 60.0


class SpoolFile:
    """A nameless file that grows at its end. ``size`` in bytes."""

    def __init__(self, spool: "Spool", descriptor: int) -> None:
        self._spool = spool
        self._descriptor = descriptor
        self._mapping: mmap.mmap | None = None
        self.size = 0

    async def append(self, views: Sequence[memoryview]) -> bool:
        """Write ``views``, in a thread; answer False, with nothing appended, when the spool or the disk is full or the
        disk fails. The views must stay as they are until this returns."""
        size = sum(len(view) for view in views)
        if not self._spool.reserve(size):
            return False
        try:
            await self._spool.write(self._descriptor, views, self.size)
        except OSError:
            self._spool.refund(size)
            self._spool.full = True
            return False
        self.size += size
        return True

    def view(self) -> memoryview:
        """The whole content, read-only, mapped: its pages are resident once they are read."""
        self._mapping = mmap.mmap(self._descriptor, self.size, access=mmap.ACCESS_READ)
        self._mapping.madvise(mmap.MADV_WILLNEED)
        return memoryview(self._mapping)

    def close(self) -> None:
        """Give the disk space back."""
        if self._descriptor >= 0:
            self._mapping = None
            self._spool.discard(self._descriptor, self.size)
            self._descriptor = -1


class Spool:
    """A directory for unfinished parts, ``limit`` bytes (at least 1) at most in this process."""

    def __init__(self, directory: Path, limit: int, instrument: Instrument | None = None) -> None:
        self._directory = directory
        self._limit = limit
        self._instrument = instrument or Instrument()
        self._own: Path | None = None
        self._lock = -1
        self.used = 0
        #: The disk refused a write; until a file is closed there is no point in another.
        self.full = False
        self._commitments = Budget(limit, 0)
        self._pending: list[_Job] = []
        self._closing: list[int] = []
        self._writer = Owner()
        self._writing = False

    async def start(self) -> None:
        """Make the directories; remove what dead processes left.

        Raises:
            OSError: they can't be made.
        """
        await asyncio.to_thread(self._prepare)

    async def aclose(self) -> None:
        """Remove our sub-directory. Files that are still open keep their content until they are closed."""
        await self._writer.join()
        if self._own is not None:
            await asyncio.to_thread(shutil.rmtree, self._own, ignore_errors=True)
            os.close(self._lock)
            self._own = None

    def open(self) -> SpoolFile:
        """A new empty file.

        Raises:
            OSError: it can't be made.
        """
        assert self._own is not None, "the spool was not started"
        with tempfile.TemporaryFile(dir=self._own, buffering=0) as file:
            return SpoolFile(self, os.dup(file.fileno()))

    async def begin(self, principal: str, size: int) -> Callable[[], None]:
        """Wait until a part of ``size`` bytes could be kept here as a whole; principals take turns. Answers what is
        to be called when the part is gone."""
        claim, size = Claim(principal), min(size, self._limit)
        await self._commitments.charge(claim, size)
        return lambda: self._commitments.credit(claim, size)

    def begin_now(self, principal: str, size: int) -> Callable[[], None] | None:
        """As :meth:`begin`, without waiting; None: somebody would have to."""
        claim, size = Claim(principal), min(size, self._limit)
        if not self._commitments.charge_at_once(claim, size):
            return None
        return lambda: self._commitments.credit(claim, size)

    def has_room(self, size: int) -> bool:
        """Whether ``size`` more bytes are likely to find a place."""
        return not self.full and self.used + size <= self._limit

    def reserve(self, size: int) -> bool:
        """For :class:`SpoolFile`: count bytes that will be written, if the limit allows."""
        if not self.has_room(size):
            return False
        self.used += size
        self._instrument.spooled(size)
        self._instrument.spool_held(self.used)
        return True

    def refund(self, size: int) -> None:
        """For :class:`SpoolFile`: they are gone."""
        self.used -= size
        self._instrument.spool_held(self.used)

    async def write(self, descriptor: int, views: Sequence[memoryview], offset: int) -> None:
        """For :class:`SpoolFile`: write to a file, in a thread. All that wait share one trip to the thread,
        because under load the trip costs more than the write.

        Raises:
            OSError: the disk failed or is full.
        """
        job = _Job(descriptor, views, offset, asyncio.get_running_loop().create_future())
        self._pending.append(job)
        self._work()
        await job.done

    def discard(self, descriptor: int, size: int) -> None:
        """For :class:`SpoolFile`: close a file of ``size`` bytes, in the thread too, since freeing its pages takes
        milliseconds."""
        self.refund(size)
        self.full = False
        self._closing.append(descriptor)
        self._work()

    def _work(self) -> None:
        if not self._writing:
            self._writing = True
            self._writer.start(self._write_pending(), name="spool writer")

    async def _write_pending(self) -> None:
        while self._pending or self._closing:
            jobs, self._pending = self._pending, []
            closing, self._closing = self._closing, []
            outcomes = await asyncio.to_thread(_write_all, jobs, closing)
            for job, error in zip(jobs, outcomes, strict=True):
                if error is not None and not job.done.done():
                    job.done.set_exception(error)
                elif not job.done.done():
                    job.done.set_result(None)
        self._writing = False

    def _prepare(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory.chmod(0o700)
        for left in self._directory.iterdir():
            if left.is_dir() and not left.is_symlink() and _is_dead(left):
                shutil.rmtree(left, ignore_errors=True)
        own = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=self._directory))
        # Locked before it has its name: whoever finds the name finds it locked.
        self._lock = os.open(own / "new", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        (own / "new").rename(own / _LOCK)
        self._own = own


def _is_dead(directory: Path) -> bool:
    """Whether no process holds the directory's lock. Without a lock it may be about to get one, for a minute."""
    try:
        descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return time.time() - directory.stat().st_mtime > _YOUNG
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


@dataclass(frozen=True, slots=True)
class _Job:
    descriptor: int
    views: Sequence[memoryview]
    offset: int
    done: asyncio.Future[None]


def _write_all(jobs: Sequence[_Job], closing: Sequence[int]) -> list[OSError | None]:
    outcomes: list[OSError | None] = []
    for job in jobs:
        try:
            _write(job.descriptor, job.views, job.offset)
        except OSError as error:
            outcomes.append(error)
        else:
            outcomes.append(None)
    for descriptor in closing:
        os.close(descriptor)
    return outcomes


def _write(descriptor: int, views: Sequence[memoryview], offset: int) -> None:
    left = list(views)
    while left:
        written = os.pwritev(descriptor, left[:_AT_ONCE], offset)
        offset += written
        while left and written >= len(left[0]):
            written -= len(left.pop(0))
        if written:
            left[0] = left[0][written:]
