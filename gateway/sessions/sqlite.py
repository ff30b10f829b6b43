"""Sessions in one SQLite file: the embedded default, for the processes of one machine.

One thread of its own talks to the file, because SQLite blocks, and a connection belongs to a thread.
Write-ahead logging lets readers and one writer of several processes work at once; a second writer waits
(``busy_timeout``). Whatever reads before it writes takes the write lock first (``BEGIN IMMEDIATE``):
otherwise two processes could both read, and one would fail at once instead of waiting.
``synchronous=FULL`` makes a write durable through a power cut when its call returns.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from gateway.errors import SessionsUnavailable
from gateway.model import ObjectKey
from gateway.sessions.base import SCHEMA_VERSION, Intent, Lease

T = TypeVar("T")

_TABLES: Final = """
CREATE TABLE intents (
    id TEXT PRIMARY KEY, store TEXT NOT NULL, bucket TEXT NOT NULL, name TEXT NOT NULL,
    owner TEXT NOT NULL, created REAL NOT NULL, upload_id TEXT
) WITHOUT ROWID;
CREATE TABLE owners (owner TEXT PRIMARY KEY, expires REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE nonces (
    scope TEXT NOT NULL, nonce TEXT NOT NULL, expires REAL NOT NULL, PRIMARY KEY (scope, nonce)
) WITHOUT ROWID;
CREATE INDEX nonces_by_expiry ON nonces (expires);
-- AUTOINCREMENT never gives a number twice, so that a deleted lease may be forgotten and epochs still grow.
CREATE TABLE leases (
    epoch INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, holder TEXT NOT NULL, expires REAL NOT NULL
);
"""


class SqliteSessions:
    """A :class:`~gateway.sessions.base.SessionStore` in the file at ``path``; ``timeout`` in seconds bounds every
    call, waiting for other processes included."""

    def __init__(self, path: Path, timeout: float = 5.0) -> None:
        self._path: Final = path
        self._timeout: Final = timeout
        self._thread: Final = ThreadPoolExecutor(1, thread_name_prefix="sessions")
        self._connection: sqlite3.Connection | None = None
        self._cleaned = 0.0
        self._closed = False

    async def start(self) -> None:
        """Open the file, making it and its folder when missing.

        Raises:
            SessionsUnavailable: no SQLite file of ours, not writable, or written by a newer Sluice.
        """
        await self._run(self._open)

    async def aclose(self) -> None:
        """Close the file. Closing twice is no error."""
        if not self._closed:
            try:
                await self._run(self._close)
            finally:
                self._closed = True
                self._thread.shutdown(wait=False)

    async def ping(self) -> None:
        """Answer if the file can be written now: the write lock is taken and given back."""
        await self._write(lambda db: None)

    async def put_intent(self, intent: Intent) -> None:
        """Write an intent, or write it again."""
        row = (
            intent.id, intent.store, intent.key.bucket, intent.key.name, intent.owner, intent.created, intent.upload_id,
        )  # fmt: skip
        await self._write(
            lambda db: db.execute(
                "INSERT OR REPLACE INTO intents VALUES (?, ?, ?, ?, ?, ?, ?)", row
            )
        )

    async def drop_intent(self, intent_id: str) -> None:
        """Forget an intent."""
        await self._write(lambda db: db.execute("DELETE FROM intents WHERE id = ?", (intent_id,)))

    async def intents(self) -> list[Intent]:
        """All intents, oldest first."""
        rows = await self._read(
            "SELECT id, store, bucket, name, owner, created, upload_id FROM intents ORDER BY created, id"
        )
        return [
            Intent(
                id=row[0],
                store=row[1],
                key=ObjectKey(row[2], row[3]),
                owner=row[4],
                created=row[5],
                upload_id=row[6],
            )
            for row in rows
        ]

    async def beat(self, owner: str, expires: float) -> None:
        """Write a heartbeat."""
        await self._write(
            lambda db: db.execute("INSERT OR REPLACE INTO owners VALUES (?, ?)", (owner, expires))
        )

    async def owners(self, now: float) -> frozenset[str]:
        """The owners that live; the others are forgotten."""

        def live(db: sqlite3.Connection) -> frozenset[str]:
            db.execute("DELETE FROM owners WHERE expires <= ?", (now,))
            return frozenset(row[0] for row in db.execute("SELECT owner FROM owners"))

        return await self._write(live)

    async def use_once(self, scope: str, nonce: str, now: float, expires: float) -> bool:
        """Write a nonce, unless it is there and has not expired."""

        def use(db: sqlite3.Connection) -> bool:
            self._clean(db, now)
            # One statement: inserted, or taken over from an expired use, or nothing changed.
            changed = db.execute(
                "INSERT INTO nonces VALUES (?, ?, ?) ON CONFLICT (scope, nonce)"
                " DO UPDATE SET expires = excluded.expires WHERE expires <= ?",
                (scope, nonce, expires, now),
            )
            return changed.rowcount == 1

        return await self._write(use)

    async def acquire(self, name: str, holder: str, now: float, ttl: float) -> Lease | None:
        """Take or renew a lease."""

        def take(db: sqlite3.Connection) -> Lease | None:
            self._clean(db, now)
            held = db.execute(
                "SELECT epoch, holder, expires FROM leases WHERE name = ?", (name,)
            ).fetchone()
            if held is not None and held[1] == holder:
                db.execute("UPDATE leases SET expires = ? WHERE name = ?", (now + ttl, name))
                return Lease(name, holder, held[0], now + ttl)
            if held is not None and held[2] > now:
                return None
            db.execute("DELETE FROM leases WHERE name = ?", (name,))
            epoch = db.execute(
                "INSERT INTO leases (name, holder, expires) VALUES (?, ?, ?)",
                (name, holder, now + ttl),
            ).lastrowid
            assert epoch is not None
            return Lease(name, holder, epoch, now + ttl)

        return await self._write(take)

    async def release(self, lease: Lease) -> None:
        """Give a lease back."""
        await self._write(
            lambda db: db.execute(
                "DELETE FROM leases WHERE name = ? AND holder = ? AND epoch = ?",
                (lease.name, lease.holder, lease.epoch),
            )
        )

    # --- what runs in the thread ---

    def _open(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made by us and not by SQLite, for its mode; the log beside it takes over the same.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        deadline = time.monotonic() + self._timeout
        while True:
            connection = sqlite3.connect(
                self._path, timeout=self._timeout, isolation_level=None, check_same_thread=True
            )
            try:
                self._prepare(connection)
            except BaseException as error:
                connection.close()
                # Changing to write-ahead logging does not wait for others as everything else does.
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                self._connection = connection
                return

    def _prepare(self, db: sqlite3.Connection) -> None:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        with _Transaction(db):
            db.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
            found = db.execute("SELECT version FROM schema_version").fetchone()
            if found is None:
                for statement in _TABLES.split(";\n"):
                    db.execute(statement)
                db.execute("INSERT INTO schema_version VALUES (?)", (SCHEMA_VERSION,))
            elif found[0] != SCHEMA_VERSION:
                raise SessionsUnavailable(
                    f"The session store was written by another Sluice (schema {found[0]}, this one knows "
                    f"{SCHEMA_VERSION}); run that one, or point sessions.url elsewhere."
                )

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _clean(self, db: sqlite3.Connection, now: float) -> None:
        """Forget what has expired, at most once a minute."""
        if 0 <= now - self._cleaned < 60:
            return
        self._cleaned = now
        db.execute("DELETE FROM nonces WHERE expires <= ?", (now,))
        db.execute("DELETE FROM leases WHERE expires <= ?", (now,))

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise SessionsUnavailable("The session store is not open.", retry_after=1.0)
        return self._connection

    # --- getting there ---

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def transact() -> T:
            db = self._opened()
            with _Transaction(db):
                return work(db)

        return await self._run(transact)

    async def _read(self, query: str) -> list[tuple[Any, ...]]:
        return await self._run(lambda: self._opened().execute(query).fetchall())

    async def _run(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise SessionsUnavailable("The session store is closed.", retry_after=1.0)
        try:
            async with asyncio.timeout(self._timeout + 1):
                return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except TimeoutError:
            raise SessionsUnavailable(
                "The session store did not answer in time; try again.", retry_after=1.0
            ) from None
        except (sqlite3.Error, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise SessionsUnavailable(
                f"The session store cannot be used ({reason}); try again.", retry_after=1.0
            ) from error


class _Transaction:
    """From BEGIN IMMEDIATE to COMMIT, or to ROLLBACK when something went wrong inside."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

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
