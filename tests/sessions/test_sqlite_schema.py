"""The tables of the SQLite file, new and migrated."""

import sqlite3

import pytest

from gateway.errors import SessionsUnavailable
from gateway.sessions.base import SCHEMA_VERSION
from gateway.sessions.sqlite_schema import prepare

#: As the first release made it.
VERSION_1 = """
CREATE TABLE schema_version (version INTEGER NOT NULL);
INSERT INTO schema_version VALUES (1);
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
INSERT INTO intents VALUES ('i1', 'main', 'b', 'k', 'o', 1.5, 'u');
INSERT INTO leases (name, holder, expires) VALUES ('l', 'h', 2.5);
"""


def tables(db: sqlite3.Connection) -> set[tuple[str, str]]:
    return set(db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))


def test_an_older_file_gets_what_it_lacks_and_keeps_what_it_has() -> None:
    old, new = sqlite3.connect(":memory:"), sqlite3.connect(":memory:")
    old.executescript(VERSION_1)
    for db in (old, new, old):
        prepare(db)
    assert tables(old) == tables(new)
    assert {"uploads", "extents"} <= {name for name, _ in tables(old)}
    for db in (old, new):
        assert db.execute("SELECT version FROM schema_version").fetchall() == [(SCHEMA_VERSION,)]
    assert old.execute("SELECT id FROM intents").fetchall() == [("i1",)]
    assert old.execute("SELECT epoch, holder FROM leases").fetchall() == [(1, "h")]
    old.close()
    new.close()


def test_a_newer_file_is_refused_and_left_alone() -> None:
    db = sqlite3.connect(":memory:")
    prepare(db)
    db.execute("UPDATE schema_version SET version = ?", (SCHEMA_VERSION + 1,))
    before = tables(db)
    with pytest.raises(SessionsUnavailable, match="schema 3, this one knows 2"):
        prepare(db)
    assert tables(db) == before
    db.close()


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT id FROM uploads WHERE expires <= 1 ORDER BY expires, id LIMIT 9", "uploads_by_expiry"),
        ("SELECT id FROM uploads WHERE principal = 'a' AND name = 'b' AND state <> 'gone'", "uploads_by_name"),
        ("SELECT value FROM extents WHERE upload = 'a' AND version > 3 ORDER BY start, number, name, etag", "PRIMARY"),
        (
            "DELETE FROM extents WHERE upload = 'a' AND start = 1 AND number = 1 AND name = '' AND etag = 'e'",
            "etag=?",
        ),
    ],
)  # fmt: skip
def test_no_question_reads_a_whole_table_or_sorts(query: str, index: str) -> None:
    db = sqlite3.connect(":memory:")
    prepare(db)
    plan = " / ".join(row[3] for row in db.execute("EXPLAIN QUERY PLAN " + query))
    assert index in plan
    assert "SCAN" not in plan
    assert "TEMP B-TREE" not in plan
    db.close()
