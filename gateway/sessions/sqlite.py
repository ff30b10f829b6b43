"""Sessions in one SQLite file: the embedded default, for the processes of one machine."""

import sqlite3
import time
from pathlib import Path

from gateway.model import ObjectKey
from gateway.sessions.base import Intent, Lease
from gateway.sessions.sqlite_uploads import SqliteUploads


class SqliteSessions(SqliteUploads):
    """A :class:`~gateway.sessions.base.Sessions` in the file at ``path``; ``timeout`` in seconds bounds every
    call, waiting for other processes included."""

    def __init__(self, path: Path, timeout: float = 5.0) -> None:
        super().__init__(path, timeout)
        self._cleaned = 0.0

    async def ping(self) -> None:
        """Answer if the file can be written now: the write lock is taken and given back."""
        await self._write(lambda db: None)

    def now(self) -> float:
        """This machine's time."""
        return time.time()

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
            lambda db: db.execute(
                "SELECT id, store, bucket, name, owner, created, upload_id FROM intents ORDER BY created, id"
            ).fetchall()
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

    async def held(self, name: str) -> Lease | None:
        """The lease as it is."""
        found = await self._read(
            lambda db: db.execute(
                "SELECT holder, epoch, expires FROM leases WHERE name = ?", (name,)
            ).fetchone()
        )
        return None if found is None else Lease(name, *found)

    async def release(self, lease: Lease) -> None:
        """Give a lease back."""
        await self._write(
            lambda db: db.execute(
                "DELETE FROM leases WHERE name = ? AND holder = ? AND epoch = ?",
                (lease.name, lease.holder, lease.epoch),
            )
        )

    def _clean(self, db: sqlite3.Connection, now: float) -> None:
        """Forget what has expired, at most once a minute."""
        if 0 <= now - self._cleaned < 60:
            return
        self._cleaned = now
        db.execute("DELETE FROM nonces WHERE expires <= ?", (now,))
        db.execute("DELETE FROM leases WHERE expires <= ?", (now,))
