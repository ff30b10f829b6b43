"""The tables of the SQLite file, as the steps that made them: a new file takes all, an older one those it lacks."""

import sqlite3
from typing import Final

from gateway.errors import SessionsUnavailable
from gateway.sessions.base import SCHEMA_VERSION

_JOURNAL: Final = """
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

#: ``made``, ``standing`` and ``value`` are JSON (upload_codec). ``pruned`` is the version that last dropped an
#: extent: who has seen that one needs only rows of later versions.
_UPLOADS: Final = """
CREATE TABLE uploads (
    id TEXT PRIMARY KEY, principal TEXT NOT NULL, name TEXT, state TEXT NOT NULL, expires REAL NOT NULL,
    epoch INTEGER NOT NULL, version INTEGER NOT NULL, pruned INTEGER NOT NULL, yield_asked INTEGER NOT NULL,
    standing TEXT NOT NULL, made TEXT NOT NULL
);
CREATE INDEX uploads_by_expiry ON uploads (expires, id);
CREATE UNIQUE INDEX uploads_by_name ON uploads (principal, name) WHERE name IS NOT NULL AND state <> 'gone';
CREATE TABLE extents (
    upload TEXT NOT NULL, start INTEGER NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL, etag TEXT NOT NULL,
    version INTEGER NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (upload, start, number, name, etag)
) WITHOUT ROWID;
"""

#: Step ``n`` (from 0) leads from version ``n`` to ``n + 1``.
_STEPS: Final = (_JOURNAL, _UPLOADS)


def prepare(db: sqlite3.Connection) -> None:
    """Make or complete the tables. The caller holds the write lock, so that of several processes one does it.

    Raises:
        SessionsUnavailable: written by a newer Sluice.
    """
    db.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
    row = db.execute("SELECT version FROM schema_version").fetchone()
    found = 0 if row is None else row[0]
    if found > SCHEMA_VERSION:
        raise SessionsUnavailable(
            f"The session store was written by another Sluice (schema {found}, this one knows "
            f"{SCHEMA_VERSION}); run that one, or point sessions.url elsewhere."
        )
    for step in _STEPS[found:]:
        for statement in step.split(";\n"):
            db.execute(statement)
    if row is None:
        db.execute("INSERT INTO schema_version VALUES (?)", (SCHEMA_VERSION,))
    elif found != SCHEMA_VERSION:
        db.execute("UPDATE schema_version SET version = ?", (SCHEMA_VERSION,))
