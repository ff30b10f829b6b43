"""One SQLite file, shared by the processes of one machine: opened, written and read without blocking the loop.

SQLite blocks and a connection belongs to a thread, so one thread writes and another reads: an answer to a
question never waits behind the writes of others, each of which waits for the disk. Write-ahead logging
lets readers and one writer of several processes work at once; a second writer waits (``busy_timeout``).
Whatever reads before it writes takes the write lock first (``BEGIN IMMEDIATE``): otherwise two processes
could both read, and one would fail at once instead of waiting. ``synchronous=FULL`` makes a write durable
through a power cut when its call returns.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from gateway.errors import SessionsUnavailable
from gateway.sessions.sqlite_schema import prepare

T = TypeVar("T")


class SqliteFile:
    """The file at ``path``; ``timeout`` in seconds bounds every call, waiting for other processes included."""

    def __init__(self, path: Path, timeout: float) -> None:
        self._path: Final = path
        self._timeout: Final = timeout
        self._thread: Final = ThreadPoolExecutor(1, thread_name_prefix="sessions")
        self._reading_thread: Final = ThreadPoolExecutor(1, thread_name_prefix="sessions-read")
        self._connection: sqlite3.Connection | None = None
        self._reading: sqlite3.Connection | None = None
        self._closed = False

    async def start(self) -> None:
        """Open the file, making it and its folder when missing.

        Raises:
            SessionsUnavailable: no SQLite file of ours, not writable, or written by a newer Sluice.
        """
        await self._run(self._open)
        await self._run(self._open_reading, self._reading_thread)

    async def aclose(self) -> None:
        """Close the file. Closing twice is no error."""
        if not self._closed:
            try:
                await self._run(self._close_reading, self._reading_thread)
                await self._run(self._close)
            finally:
                self._closed = True
                self._reading_thread.shutdown(wait=False)
                self._thread.shutdown(wait=False)

    # --- what runs in the threads ---

    def _open(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made by us and not by SQLite, for its mode; the log beside it takes over the same.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        deadline = time.monotonic() + self._timeout
        while True:
            connection = self._connect()
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                with _Transaction(connection):
                    prepare(connection)
            except BaseException as error:
                connection.close()
                # Changing to write-ahead logging does not wait for others as everything else does.
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                self._connection = connection
                return

    def _open_reading(self) -> None:
        connection = self._connect()
        connection.execute("PRAGMA query_only = ON")
        self._reading = connection

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self._path, timeout=self._timeout, isolation_level=None, check_same_thread=True
        )

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _close_reading(self) -> None:
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        db = self._opened()
        with _Transaction(db):
            return work(db)

    def _opened(self) -> sqlite3.Connection:
        return _there(self._connection)

    # --- getting there ---

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """One transaction, whole or not at all, durable when this returns."""
        return await self._run(lambda: self._transact(work))

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """See one state of the file, the latest, without any lock."""

        def look() -> T:
            db = _there(self._reading)
            with _Transaction(db, "BEGIN"):
                return work(db)

        return await self._run(look, self._reading_thread)

    async def _run(self, work: Callable[[], T], thread: ThreadPoolExecutor | None = None) -> T:
        if self._closed:
            raise SessionsUnavailable("The session store is closed.", retry_after=1.0)
        try:
            async with asyncio.timeout(self._timeout + 1):
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(thread or self._thread, work)
        except TimeoutError:
            raise SessionsUnavailable(
                "The session store did not answer in time; try again.", retry_after=1.0
            ) from None
        except (sqlite3.Error, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise SessionsUnavailable(
                f"The session store cannot be used ({reason}); try again.", retry_after=1.0
            ) from error


def _there(connection: sqlite3.Connection | None) -> sqlite3.Connection:
    if connection is None:
        raise SessionsUnavailable("The session store is not open.", retry_after=1.0)
    return connection


class _Transaction:
    """From BEGIN IMMEDIATE to COMMIT, or to ROLLBACK when something went wrong inside."""

    def __init__(self, db: sqlite3.Connection, begin: str = "BEGIN IMMEDIATE") -> None:
        self._db = db
        self._begin = begin

    def __enter__(self) -> None:
        self._db.execute(self._begin)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._db.execute("COMMIT")
        finally:
            # Also after a COMMIT that failed (disk full): else no other transaction could ever begin.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")


def _is_busy(error: BaseException) -> bool:
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    )
