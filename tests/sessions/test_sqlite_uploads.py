"""Uploads in a SQLite file: what only shows with several processes, kills, and locks."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings

from gateway.errors import SessionsUnavailable
from gateway.sessions.memory import MemorySessions
from gateway.sessions.sqlite import SqliteSessions
from gateway.sessions.uploads import Change
from tests.sessions.test_sqlite_schema import VERSION_1
from tests.sessions.upload_contract import (
    UPLOAD_STEPS,
    count_decoded,
    only_what_is_new_is_read_again,
    part,
    segment,
    upload,
    upload_history,
)

#: Adds its own parts to the one upload, four at once, drops segments now and then, and says what it was told.
WORKER = """
import asyncio, sys
from pathlib import Path
from gateway.sessions.sqlite import SqliteSessions
from gateway.sessions.extents import Extent
from gateway.sessions.uploads import Change

async def main(path, worker):
    sessions = SqliteSessions(Path(path), 30.0)
    await sessions.start()
    print("ready", flush=True)
    sys.stdin.readline()

    async def add(numbers):
        for number in numbers:
            small = Extent(offset=(number - 1) * 8, size=4, name=f"s{number}")
            await sessions.change_upload("u1", 0, Change(add=[small]))
            part = Extent(offset=(number - 1) * 8, size=8, number=number, etag="e")
            found = await sessions.change_upload("u1", 0, Change(add=[part], drop=[small]))
            assert part in found.extents and small not in found.extents
            print(number, flush=True)
            await sessions.touched("u1")

    await asyncio.gather(*(add(range(int(worker) + 4 * lane + 1, 161, 16)) for lane in range(4)))
    await sessions.aclose()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "sessions.db"


def worker(path: Path, number: int) -> subprocess.Popen[str]:
    """A process that is ready, and waits for a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(path), str(number)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=os.getcwd(),
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


async def test_four_processes_change_one_upload_and_none_sees_a_lock(path: Path) -> None:
    sessions = SqliteSessions(path, 30.0)
    await sessions.start()
    await sessions.create_upload(upload())
    workers = [worker(path, number) for number in range(4)]
    for process in workers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    offsets = [0]
    while any(process.poll() is None for process in workers):
        found = await sessions.upload("u1")
        assert found is not None
        offsets.append(found.offset)
        await asyncio.sleep(0.01)
    for process in workers:
        told, errors = process.communicate(timeout=30)
        assert (process.returncode, errors, len(told.split())) == (0, "", 40)
    found = await sessions.upload("u1")
    assert found is not None
    assert found.extents == tuple(part(number) for number in range(1, 161))
    assert found.version == 320
    assert offsets == sorted(offsets), "and an offset never decreased"
    await sessions.aclose()


async def test_what_was_acknowledged_survives_a_kill(path: Path) -> None:
    sessions = SqliteSessions(path)
    await sessions.start()
    await sessions.create_upload(upload())
    await sessions.aclose()
    process = worker(path, 0)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    told = [int(process.stdout.readline()) for _ in range(7)]
    process.kill()
    rest, _ = process.communicate(timeout=10)
    told += [int(line) for line in rest.split("\n")[:-1]]
    again = SqliteSessions(path)
    await again.start()
    found = await again.upload("u1")
    assert found is not None
    assert {part(number) for number in told} <= set(found.extents)
    await again.aclose()


async def test_a_file_of_version_1_takes_uploads_after_its_migration(path: Path) -> None:
    path.parent.mkdir()
    old = sqlite3.connect(path)
    old.executescript(VERSION_1)
    old.close()
    stores = [SqliteSessions(path), SqliteSessions(path)]
    await asyncio.gather(*(store.start() for store in stores))
    assert [intent.id for intent in await stores[0].intents()] == ["i1"]
    await stores[0].create_upload(upload())
    assert await stores[1].upload("u1") == upload()
    for store in stores:
        await store.aclose()


async def test_questions_do_not_wait_behind_a_lock(path: Path) -> None:
    sessions = SqliteSessions(path, timeout=0.2)
    await sessions.start()
    await sessions.create_upload(upload(name="n"))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(SessionsUnavailable) as caught:
            await sessions.change_upload("u1", 0, Change(add=[part(1)]))
        assert caught.value.retry_after == 1.0
        waiting = asyncio.gather(sessions.ping(), return_exceptions=True)
        await asyncio.sleep(0)
        assert await sessions.upload("u1") == await sessions.upload_named("ann", "n")
        assert await sessions.touched("u1") == (0, False)
        assert not waiting.done(), "the write waits still"
        await waiting
    finally:
        other.close()
    assert (await sessions.change_upload("u1", 0, Change(add=[part(1)]))).offset == 8
    await sessions.aclose()


async def test_a_change_whose_commit_fails_is_not_remembered(path: Path) -> None:
    sessions = SqliteSessions(path)
    await sessions.start()
    await sessions.create_upload(upload())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute(
        "CREATE TRIGGER broken AFTER UPDATE ON uploads BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    )
    with pytest.raises(SessionsUnavailable, match="disk full"):
        await sessions.change_upload("u1", 0, Change(add=[part(1)]))
    other.execute("DROP TRIGGER broken")
    other.close()
    assert await sessions.upload("u1") == upload()
    assert (await sessions.change_upload("u1", 0, Change(add=[segment(0, 3)]))).version == 1
    await sessions.aclose()


async def test_only_what_is_new_is_read_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = SqliteSessions(path), SqliteSessions(path)
    await one.start()
    await two.start()
    decoded = count_decoded(monkeypatch, "gateway.sessions.sqlite_uploads")
    await only_what_is_new_is_read_again(one, two, decoded)
    await one.aclose()
    await two.aclose()


@settings(max_examples=40, deadline=None)
@given(steps=UPLOAD_STEPS)
async def test_it_answers_every_history_as_the_store_in_memory(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str, int, int]]
) -> None:
    path = tmp_path_factory.mktemp("history") / "s.db"
    stores = [SqliteSessions(path), SqliteSessions(path)]
    memory = MemorySessions()
    for store in stores:
        await store.start()
    try:
        expected = await upload_history([memory, memory], steps)
        assert await upload_history(stores, steps) == expected
    finally:
        for store in stores:
            await store.aclose()
