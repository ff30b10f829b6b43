"""The spool: bounded, private, nameless, and careful with its neighbours."""

import asyncio
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.pipeline.spool import Spool
from gateway.units import MiB
from tests.pipeline.fakes import Facts, spool_in


async def test_what_was_appended_comes_back(tmp_path: Path) -> None:
    async with spool_in(tmp_path) as spool:
        file = spool.open()
        pieces = [os.urandom(1000) for _ in range(3000)]
        assert await file.append([memoryview(piece) for piece in pieces[:2500]])
        assert await file.append([memoryview(piece) for piece in pieces[2500:]])
        view = file.view()
        assert view.readonly
        assert bytes(view) == b"".join(pieces)
        assert spool.used == file.size == 3_000_000
        view.release()
        file.close()
        file.close()
        assert spool.used == 0


async def test_directories_and_files_are_private_and_files_have_no_name(tmp_path: Path) -> None:
    async with spool_in(tmp_path) as spool:
        file = spool.open()
        assert await file.append([memoryview(b"secret")])
        (own,) = (tmp_path / "spool").iterdir()
        for directory in (tmp_path / "spool", own):
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert [entry.name for entry in own.iterdir()] == ["lock"]
        file.close()
    assert list((tmp_path / "spool").iterdir()) == []


async def test_the_limit_holds_and_frees_with_the_files(tmp_path: Path) -> None:
    async with spool_in(tmp_path, limit=10) as spool:
        first, second = spool.open(), spool.open()
        assert await first.append([memoryview(b"12345678")])
        assert not spool.has_room(3)
        assert not await second.append([memoryview(b"123")])
        assert second.size == 0
        first.close()
        assert await second.append([memoryview(b"123")])
        second.close()


async def test_many_files_written_at_once_stay_apart(tmp_path: Path) -> None:
    async with spool_in(tmp_path) as spool:
        files = [spool.open() for _ in range(50)]
        data = [os.urandom(3000) for _ in files]
        for half in (slice(0, 1000), slice(1000, 3000)):
            done = await asyncio.gather(
                *(
                    file.append([memoryview(content)[half]])
                    for file, content in zip(files, data, strict=True)
                )
            )
            assert all(done)
        assert [bytes(file.view()) for file in files] == data
        for file in files:
            file.close()


async def test_a_disk_that_fails_appends_nothing_and_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = Facts()
    spool = Spool(tmp_path / "s", MiB, facts)
    await spool.start()
    good, bad = spool.open(), spool.open()
    assert await good.append([memoryview(b"good")])

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", full)
        assert not await bad.append([memoryview(b"lost")])
    assert (bad.size, spool.used, spool.full) == (0, 4, True)
    assert not spool.has_room(1)
    good.close()
    assert spool.has_room(1)
    assert await bad.append([memoryview(b"kept")])
    assert facts.spooled_bytes == 12
    bad.close()
    await spool.aclose()
    await spool.aclose()


async def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.pwritev

    def short(descriptor: int, views: list[memoryview], offset: int) -> int:
        return write(descriptor, [views[0][: max(1, len(views[0]) // 2)]], offset)

    async with spool_in(tmp_path) as spool:
        file = spool.open()
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwritev", short)
            assert await file.append([memoryview(b"hello, "), memoryview(b"world")])
        view = file.view()
        assert bytes(view) == b"hello, world"
        view.release()
        file.close()


async def test_the_dead_are_cleaned_up_and_the_living_left_alone(tmp_path: Path) -> None:
    directory = tmp_path / "spool"
    directory.mkdir()
    (directory / "dead").mkdir()
    (directory / "dead" / "lock").touch()
    (directory / "dead" / "left-over").write_bytes(b"x")
    (directory / "starting").mkdir()
    (directory / "old").mkdir()
    os.utime(directory / "old", (time.time() - 3600,) * 2)
    (directory / "file").touch()
    async with spool_in(tmp_path) as living:
        assert not (directory / "dead").exists()
        assert not (directory / "old").exists()
        assert (directory / "starting").exists()
        assert (directory / "file").exists()
        before = set(directory.iterdir())
        async with spool_in(tmp_path):
            assert before < set(directory.iterdir())
        file = living.open()
        assert await file.append([memoryview(b"x")])
        file.close()


async def test_a_killed_process_leaves_nothing_behind(tmp_path: Path) -> None:
    program = """
import asyncio, sys, time
from pathlib import Path
from gateway.pipeline.spool import Spool
async def main():
    spool = Spool(Path(sys.argv[1]), 10_000_000)
    await spool.start()
    file = spool.open()
    await file.append([memoryview(bytes(1_000_000))])
    print("written", flush=True)
    time.sleep(60)
asyncio.run(main())
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "spool")], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        process.kill()
    async with spool_in(tmp_path):
        assert len(list((tmp_path / "spool").iterdir())) == 1
    assert list((tmp_path / "spool").iterdir()) == []


async def test_a_part_begins_only_when_all_of_it_could_be_kept(tmp_path: Path) -> None:
    async with spool_in(tmp_path, limit=100) as spool:
        gone = [await spool.begin("a", 50), await spool.begin("a", 40)]
        waiting = asyncio.ensure_future(spool.begin("b", 20))
        await asyncio.sleep(0)
        assert not waiting.done()
        gone[0]()
        (await waiting)()
        gone[1]()
        # A part larger than the spool takes all of it, alone.
        (await spool.begin("a", 1000))()
