"""Uploads in a SQLite file: a row for each and one for each extent, so that a change writes only what it changes.

Every change is one transaction that holds the write lock from before it looks: nothing comes between what
is judged and what is written, neither from this process nor from another.
"""

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway.sessions.extents import Extent, arranged
from gateway.sessions.seen_uploads import Seen, SeenUploads
from gateway.sessions.sqlite_file import SqliteFile
from gateway.sessions.upload_codec import (
    decode_extent,
    decode_made,
    encode_extent,
    encode_made,
    encode_standing,
    with_standing,
)
from gateway.sessions.upload_rules import after_change, after_creation, after_taking, keeps_name
from gateway.sessions.uploads import Change, UploadSession

_NAMED: Final = "SELECT id FROM uploads WHERE principal = ? AND name = ? AND state <> 'gone'"


class _Row(NamedTuple):
    standing: str
    epoch: int
    version: int
    pruned: int
    yield_asked: int


class SqliteUploads(SqliteFile):
    """:class:`~gateway.sessions.uploads.UploadSessions` in a file."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__(path, timeout)
        self._seen: Final = SeenUploads()

    async def create_upload(self, session: UploadSession) -> UploadSession:
        """Write a new upload, unless its name or id is there already."""
        new = after_creation(session)

        def create(db: sqlite3.Connection) -> UploadSession:
            named = db.execute(_NAMED, (new.principal.id, new.name)).fetchone()
            found = self._find(db, new.id if named is None else named[0])
            if found is not None and found.id != new.id and not keeps_name(found, new.created):
                db.execute("UPDATE uploads SET name = NULL WHERE id = ?", (found.id,))
                found = self._find(db, new.id)
            if found is not None:
                return found
            db.execute(
                "INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    new.id, new.principal.id, new.name, new.state, new.expires, new.epoch, new.version, new.version,
                    new.yield_asked, encode_standing(new), encode_made(new),
                ),
            )  # fmt: skip
            _add(db, new, new.extents)
            return new

        return await self._change(create)

    async def upload(self, upload_id: str) -> UploadSession | None:
        """The upload of this id."""
        return await self._read(lambda db: self._look(db, upload_id))

    async def upload_named(self, principal: str, name: str) -> UploadSession | None:
        """The upload of this name."""

        def find(db: sqlite3.Connection) -> UploadSession | None:
            named = db.execute(_NAMED, (principal, name)).fetchone()
            return None if named is None else self._look(db, named[0])

        return await self._read(find)

    async def change_upload(self, upload_id: str, epoch: int, change: Change) -> UploadSession:
        """Change an upload."""

        def write(db: sqlite3.Connection) -> UploadSession:
            before = self._find(db, upload_id)
            after = after_change(before, epoch, change)
            assert before is not None
            db.executemany(
                "DELETE FROM extents WHERE upload = ? AND start = ? AND number = ? AND name = ? AND etag = ?",
                [(upload_id, *_place(extent)) for extent in change.drop],
            )
            _add(db, after, change.add)
            _update(db, after, pruned=bool(change.drop))
            return after

        return await self._change(write)

    async def take_upload(self, upload_id: str, holder: str, epoch: int) -> UploadSession:
        """Become its only serial writer."""

        def take(db: sqlite3.Connection) -> UploadSession:
            after = after_taking(self._find(db, upload_id), holder, epoch)
            _update(db, after)
            return after

        return await self._change(take)

    async def ask_to_yield(self, upload_id: str, epoch: int) -> None:
        """Ask the holder of that epoch to let go."""
        await self._write(
            lambda db: db.execute(
                "UPDATE uploads SET yield_asked = 1, version = version + 1"
                " WHERE id = ? AND epoch = ? AND NOT yield_asked",
                (upload_id, epoch),
            )
        )

    async def touched(self, upload_id: str) -> tuple[int, bool] | None:
        """Epoch, and whether its holder was asked to let go."""
        row = await self._read(
            lambda db: db.execute(
                "SELECT epoch, yield_asked FROM uploads WHERE id = ?", (upload_id,)
            ).fetchone()
        )
        return None if row is None else (row[0], bool(row[1]))

    async def expired_uploads(self, now: float, limit: int) -> list[str]:
        """Ids of what has expired, soonest first."""
        rows = await self._read(
            lambda db: db.execute(
                "SELECT id FROM uploads WHERE expires <= ? ORDER BY expires, id LIMIT ?",
                (now, limit),
            ).fetchall()
        )
        return [row[0] for row in rows]

    async def forget_upload(self, upload_id: str, epoch: int) -> None:
        """Remove the record, if it is of that epoch."""

        def forget(db: sqlite3.Connection) -> None:
            gone = db.execute("DELETE FROM uploads WHERE id = ? AND epoch = ?", (upload_id, epoch))
            if gone.rowcount:
                db.execute("DELETE FROM extents WHERE upload = ?", (upload_id,))

        await self._write(forget)
        self._seen.drop(upload_id)

    async def _change(self, work: Callable[[sqlite3.Connection], UploadSession]) -> UploadSession:
        # Kept by the same thread after the commit: the next change of the same upload may be waiting already.
        return await self._run(lambda: self._keep(self._transact(work)))

    # --- what runs in the threads ---

    def _find(self, db: sqlite3.Connection, upload_id: str) -> UploadSession | None:
        """The upload as it is, reading only what this process has not seen yet."""
        columns = db.execute(
            "SELECT standing, epoch, version, pruned, yield_asked FROM uploads WHERE id = ?",
            (upload_id,),
        ).fetchone()
        if columns is None:
            return None
        row = _Row(*columns)
        seen = self._seen.get(upload_id)
        if seen is not None and seen.session.version == row.version:
            return seen.session
        if seen is not None and row.pruned <= seen.session.version < row.version:
            known, since = seen.session, seen.session.version
        else:
            made = db.execute("SELECT made FROM uploads WHERE id = ?", (upload_id,)).fetchone()
            known, since = decode_made(made[0]), -1
        new = db.execute(
            "SELECT value FROM extents WHERE upload = ? AND version > ? ORDER BY start, number, name, etag",
            (upload_id, since),
        )
        return with_standing(
            known,
            row.standing,
            epoch=row.epoch,
            version=row.version,
            yield_asked=bool(row.yield_asked),
            extents=arranged(known.extents, add=[decode_extent(value) for (value,) in new]),
        )

    def _keep(self, session: UploadSession) -> UploadSession:
        self._seen.put(Seen(session))
        return session

    def _look(self, db: sqlite3.Connection, upload_id: str) -> UploadSession | None:
        found = self._find(db, upload_id)
        return None if found is None else self._keep(found)


def _place(extent: Extent) -> tuple[Any, ...]:
    return extent.offset, extent.number, extent.name, extent.etag


def _add(db: sqlite3.Connection, after: UploadSession, extents: Iterable[Extent]) -> None:
    db.executemany(
        # What is there already was added by an earlier version, and stays as it is.
        "INSERT INTO extents VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [(after.id, *_place(extent), after.version, encode_extent(extent)) for extent in extents],
    )


def _update(db: sqlite3.Connection, after: UploadSession, *, pruned: bool = False) -> None:
    db.execute(
        "UPDATE uploads SET state = ?, expires = ?, epoch = ?, version = ?, yield_asked = ?, standing = ?,"
        " pruned = CASE WHEN ? THEN version + 1 ELSE pruned END WHERE id = ?",
        (
            after.state, after.expires, after.epoch, after.version, after.yield_asked, encode_standing(after), pruned,
            after.id,
        ),
    )  # fmt: skip
