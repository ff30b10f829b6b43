"""The store in a SQLite file: durable, shared by processes, and careful with what is not its own."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings

from gateway.errors import SessionsUnavailable
from gateway.sessions.memory import MemorySessions
from gateway.sessions.sqlite import SqliteSessions
from tests.sessions.contract import NOW, STEPS, history, intent

WORKER = """
import asyncio, sys
from pathlib import Path
from gateway.model import ObjectKey
from gateway.sessions.base import Intent
from gateway.sessions.sqlite import SqliteSessions

async def main(path, name):
    sessions = SqliteSessions(Path(path), 30.0)
    await sessions.start()
    won = 0
    for number in range(25):
        row = Intent(id=f"{name}{number}", store="s", key=ObjectKey("b", "k"), owner=name, created=1.0)
        await sessions.put_intent(row)
        await sessions.beat(name, 100.0)
        won += await sessions.use_once("scope", str(number), 1.0, 100.0)
        lease = await sessions.acquire("lease", name, 1.0, 100.0)
        if lease is not None:
            await sessions.release(lease)
        await sessions.owners(1.0)
    await sessions.aclose()
    print(won)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "sessions.db"


async def test_several_processes_use_one_file_at_once(path: Path) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(path), name], stdout=subprocess.PIPE, cwd=os.getcwd()
        )
        for name in ("a", "b", "c")
    ]
    printed = [int(worker.communicate(timeout=60)[0]) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    assert sum(printed) == 25, "each nonce was used by exactly one"
    sessions = SqliteSessions(path)
    await sessions.start()
    assert len(await sessions.intents()) == 75
    assert await sessions.owners(1.0) == {"a", "b", "c"}
    await sessions.aclose()


async def test_what_was_acknowledged_survives_a_kill(path: Path) -> None:
    script = WORKER.replace("print(won)", "").replace(
        "await sessions.aclose()", "import os; os.kill(os.getpid(), 9)"
    )
    worker = subprocess.run([sys.executable, "-c", script, str(path), "a"], timeout=60, check=False)
    assert worker.returncode == -9
    sessions = SqliteSessions(path)
    await sessions.start()
    assert len(await sessions.intents()) == 25
    assert not await sessions.use_once("scope", "24", 1.0, 100.0)
    await sessions.aclose()


async def test_only_the_owner_has_access_to_the_file(path: Path) -> None:
    sessions = SqliteSessions(path)
    await sessions.start()
    await sessions.put_intent(intent())
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    await sessions.aclose()


async def test_a_newer_file_is_refused_and_left_alone(path: Path) -> None:
    sessions = SqliteSessions(path)
    await sessions.start()
    await sessions.aclose()
    with sqlite3.connect(path) as other:
        other.execute("UPDATE schema_version SET version = 3")
    other.close()
    with pytest.raises(SessionsUnavailable, match="schema 3, this one knows 2"):
        await sessions_started(path)


async def sessions_started(path: Path) -> None:
    """Start and close again, whatever happens."""
    sessions = SqliteSessions(path)
    try:
        await sessions.start()
    finally:
        await sessions.aclose()


async def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database at all, " * 100)
    with pytest.raises(SessionsUnavailable, match="not a database"):
        await sessions_started(tmp_path / "notes.txt")
    with pytest.raises(SessionsUnavailable, match="directory"):
        await sessions_started(tmp_path)


async def test_a_lock_that_is_never_released_ends_in_an_error_of_ours(path: Path) -> None:
    sessions = SqliteSessions(path, timeout=0.1)
    await sessions.start()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(SessionsUnavailable, match="locked") as caught:
            await sessions.put_intent(intent())
        assert caught.value.retry_after == 1.0
        with pytest.raises(SessionsUnavailable):
            await sessions.ping()
        assert await sessions.intents() == [], "reading needs no lock"
    finally:
        other.close()
    await sessions.put_intent(intent())
    await sessions.aclose()


async def test_starting_waits_for_a_busy_file(path: Path) -> None:
    path.parent.mkdir()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE something (x)")
    other.execute("BEGIN EXCLUSIVE")
    starting = SqliteSessions(path, timeout=0.3)
    with pytest.raises(SessionsUnavailable):
        await starting.start()
    other.execute("COMMIT")
    other.close()
    await starting.start()
    await starting.aclose()


async def test_a_call_that_hangs_ends_in_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = SqliteSessions(path, timeout=5)
    await sessions.start()
    hanging = sessions._thread.submit(time.sleep, 0.3)
    monkeypatch.setattr(sessions, "_timeout", -0.95)
    with pytest.raises(SessionsUnavailable, match="in time"):
        await sessions.ping()
    monkeypatch.undo()
    await asyncio.wrap_future(hanging)
    await sessions.ping()
    await sessions.aclose()


async def test_a_store_that_is_not_open_says_so(path: Path) -> None:
    sessions = SqliteSessions(path)
    with pytest.raises(SessionsUnavailable, match="not open"):
        await sessions.ping()
    await sessions.aclose()
    await sessions.aclose()
    with pytest.raises(SessionsUnavailable, match="closed"):
        await sessions.ping()


async def test_a_change_that_fails_half_way_leaves_nothing(path: Path) -> None:
    sessions = SqliteSessions(path)
    await sessions.start()

    def half(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO owners VALUES ('a', 1e12)")
        db.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(SessionsUnavailable, match="no such table"):
        await sessions._write(half)
    assert await sessions.owners(NOW) == frozenset()
    await sessions.aclose()


async def test_a_commit_that_fails_does_not_block_the_next(path: Path) -> None:
    sessions = SqliteSessions(path)
    await sessions.start()

    def break_at_commit(db: sqlite3.Connection) -> None:
        db.execute("PRAGMA defer_foreign_keys = ON")
        db.execute("CREATE TABLE child (x REFERENCES child (y), y UNIQUE)")
        db.execute("INSERT INTO child VALUES (1, 2)")

    await sessions._run(lambda: sessions._opened().execute("PRAGMA foreign_keys = ON"))
    with pytest.raises(SessionsUnavailable, match="FOREIGN KEY"):
        await sessions._write(break_at_commit)
    await sessions.put_intent(intent())
    await sessions.aclose()


@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
async def test_it_answers_every_history_as_the_store_in_memory(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, float]]
) -> None:
    sessions = SqliteSessions(tmp_path_factory.mktemp("history") / "s.db")
    await sessions.start()
    try:
        assert await history(sessions, "n", steps) == await history(MemorySessions(), "n", steps)
    finally:
        await sessions.aclose()
