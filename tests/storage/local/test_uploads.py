import asyncio
import errno
import os
import shutil
import threading
from pathlib import Path

import pytest

from gateway.errors import (
    MultipartLost,
    ObjectNotFound,
    StorageError,
)
from gateway.storage.local import LocalStore, disk
from tests.storage.contract_base import PLAIN, body, part, views
from tests.storage.local.opened import KEY, again, files


async def test_a_part_again_and_again_leaves_the_object_its_own_size(
    store: LocalStore, tmp_path: Path
) -> None:
    ref = await store.create_multipart(KEY, PLAIN)
    receipts = [await store.upload_part(ref, part(1, b"p" * 100, 0)) for _ in range(3)]
    stored = await store.complete_multipart(ref, receipts[-1:])
    assert stored.size == 100
    assert await body(await store.get(KEY)) == b"p" * 100


async def test_a_cancelled_part_does_not_count(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = await store.create_multipart(KEY, PLAIN)
    began, release, real = threading.Event(), threading.Event(), os.fdatasync

    def slow(file: int) -> None:
        began.set()
        release.wait(5)
        real(file)

    monkeypatch.setattr(disk, "_SYNC_DATA", slow)
    sending = asyncio.create_task(store.upload_part(ref, part(1, b"x", 0)))
    await asyncio.to_thread(began.wait)
    sending.cancel()
    await asyncio.sleep(0)
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert await store.list_parts(ref) == []


async def test_pitfall_28_a_part_that_ends_after_the_abort_finds_the_upload_lost(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = await store.create_multipart(KEY, PLAIN)
    began, release = threading.Event(), threading.Event()

    def slow(_: int) -> None:
        began.set()
        release.wait(5)

    with monkeypatch.context() as patch:
        patch.setattr(disk, "_SYNC_DATA", slow)
        sending = asyncio.create_task(store.upload_part(ref, part(1, b"x", 0)))
        await asyncio.to_thread(began.wait)
    with monkeypatch.context() as patch:
        # The files are not yet removed when the part comes back: their folder being gone is enough.
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        await store.abort_multipart(ref)
    release.set()
    with pytest.raises(MultipartLost):
        await sending
    assert list((tmp_path / ".multipart").iterdir()) == []


async def test_a_part_that_is_still_written_cannot_touch_the_completed_object(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = await store.create_multipart(KEY, PLAIN)
    receipt = await store.upload_part(ref, part(1, b"good", 0))
    began, release, real = threading.Event(), threading.Event(), os.pwritev

    def slow(file: int, buffers: list[memoryview], offset: int) -> int:
        if bytes(buffers[0]) == b"evil":
            began.set()
            release.wait(5)
        return real(file, buffers, offset)

    monkeypatch.setattr(os, "pwritev", slow)
    late = asyncio.create_task(store.upload_part(ref, part(1, b"evil", 0)))
    await asyncio.to_thread(began.wait)
    await store.complete_multipart(ref, [receipt])
    release.set()
    with pytest.raises(MultipartLost):
        await late
    assert await body(await store.get(KEY)) == b"good"


async def test_what_a_crash_left_of_a_completed_upload_is_lost_and_cleaned(
    store: LocalStore, tmp_path: Path
) -> None:
    ref = await store.create_multipart(KEY, PLAIN)
    receipt = await store.upload_part(ref, part(1, b"x", 0))
    # As after a crash between publishing the object and removing the upload.
    (tmp_path / ".multipart" / ref.upload_id / "data").unlink()
    with pytest.raises(MultipartLost):
        await store.complete_multipart(ref, [receipt])
    with pytest.raises(MultipartLost):
        await store.list_parts(ref)
    assert [one async for one in store.list_multiparts("photos", "")] == []
    other = await again(tmp_path)
    assert list((tmp_path / ".multipart").iterdir()) == []
    await other.aclose()


async def test_a_line_of_the_journal_torn_by_a_power_cut_is_left_behind(
    store: LocalStore, tmp_path: Path
) -> None:
    ref = await store.create_multipart(KEY, PLAIN)
    first = await store.upload_part(ref, part(1, b"one", 0))
    with (tmp_path / ".multipart" / ref.upload_id / "parts").open("ab") as journal:
        journal.write(b'1234abcd {"part":2,"at":3,"si')
    other = await again(tmp_path)
    assert [one.number for one in await other.list_parts(ref)] == [1]
    second = await other.upload_part(ref, part(2, b"two", 3))
    await store.complete_multipart(ref, [first, second])
    assert await body(await store.get(KEY)) == b"onetwo"
    await other.aclose()


async def test_an_upload_that_cannot_be_begun_leaves_nothing(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", full)
        with pytest.raises(StorageError, match="full"):
            await store.create_multipart(KEY, PLAIN)
        with pytest.raises(StorageError, match="full"):
            await store.put(KEY, views(b"x"), PLAIN)
    assert len(files(tmp_path)) == 1
    assert list(tmp_path.glob(".tmp/*/*")) == []


async def test_completing_on_a_full_disk_fails_and_can_be_done_again(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = await store.create_multipart(KEY, PLAIN)
    receipt = await store.upload_part(ref, part(1, b"kept", 0))

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", full)
        with pytest.raises(StorageError, match="full"):
            await store.complete_multipart(ref, [receipt])
    with pytest.raises(ObjectNotFound):
        await store.head(KEY)
    await store.complete_multipart(ref, [receipt])
    assert await body(await store.get(KEY)) == b"kept"
