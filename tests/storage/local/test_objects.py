import asyncio
import os
import re
import threading
import time
from pathlib import Path

import pytest

from gateway.errors import (
    DigestMismatch,
    ObjectNotFound,
    PreconditionFailed,
    StorageCorrupt,
    StorageRejected,
)
from gateway.model import Digest, ObjectKey, WriteCondition
from gateway.storage.local import LocalStore, disk
from tests.storage.contract_base import PLAIN, body, part, views
from tests.storage.local.opened import KEY, files


async def test_an_object_is_one_file_that_begins_with_its_bytes(
    store: LocalStore, tmp_path: Path
) -> None:
    await store.put(KEY, views(b"the bytes"), PLAIN)
    ref = await store.create_multipart(KEY, PLAIN)
    sent = [part(1, b"part one,", 0), part(2, b"part two", 9)]
    receipts = [await store.upload_part(ref, one) for one in reversed(sent)][::-1]
    await store.complete_multipart(ref, receipts)
    (file,) = files(tmp_path / "photos")
    assert file.read_bytes().startswith(b"part one,part two{")
    assert file.name.endswith("-album_one.jpg")


async def test_no_bytes_are_kept_of_what_was_replaced_refused_or_dropped(
    store: LocalStore, tmp_path: Path
) -> None:
    for _ in range(3):
        await store.put(KEY, views(b"x"), PLAIN)
    with pytest.raises(PreconditionFailed):
        await store.put(KEY, views(b"y"), PLAIN, condition=WriteCondition(absent=True))
    with pytest.raises(DigestMismatch):
        await store.put(KEY, views(b"y"), PLAIN, digests=[Digest("md5", bytes(16))])
    ref = await store.create_multipart(KEY, PLAIN)
    await store.upload_part(ref, part(1, b"x", 0))
    await store.abort_multipart(ref)
    assert len(files(tmp_path)) == 2, files(tmp_path)  # the object and .format


async def test_etags_never_look_like_an_md5(store: LocalStore) -> None:
    etag = (await store.put(KEY, views(b"x"), PLAIN)).etag
    assert not re.fullmatch(r"[0-9a-f]{32}(-[0-9]+)?", etag)
    assert etag.startswith("sl-")


async def test_a_damaged_object_says_so_and_can_be_replaced(
    store: LocalStore, tmp_path: Path
) -> None:
    await store.put(KEY, views(b"x" * 1000), PLAIN)
    (file,) = files(tmp_path / "photos")
    os.truncate(file, 900)
    with pytest.raises(StorageCorrupt):
        await store.get(KEY)
    with pytest.raises(PreconditionFailed):
        await store.put(KEY, views(b"new"), PLAIN, condition=WriteCondition(absent=True))
    assert (await store.put(KEY, views(b"new"), PLAIN)).replaced
    assert await body(await store.get(KEY)) == b"new"


async def test_a_file_under_another_objects_name_is_not_served(
    store: LocalStore, tmp_path: Path
) -> None:
    await store.put(KEY, views(b"one"), PLAIN)
    (one,) = files(tmp_path / "photos")
    await store.put(ObjectKey("photos", "two"), views(b"two"), PLAIN)
    (two,) = set(files(tmp_path / "photos")) - {one}
    two.rename(one)
    with pytest.raises(StorageCorrupt):
        await store.get(KEY)


async def test_a_link_in_the_place_of_an_object_is_not_followed(
    store: LocalStore, tmp_path: Path
) -> None:
    await store.put(KEY, views(b"one"), PLAIN)
    (file,) = files(tmp_path / "photos")
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageRejected):
        await store.get(KEY)


async def test_a_cancelled_put_leaves_nothing(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, release, real = threading.Event(), threading.Event(), os.pwritev

    def slow(file: int, buffers: list[memoryview], offset: int) -> int:
        began.set()
        release.wait(5)
        return real(file, buffers, offset)

    monkeypatch.setattr(os, "pwritev", slow)
    data = bytearray(b"good")
    putting = asyncio.create_task(store.put(KEY, [memoryview(data)], PLAIN))
    await asyncio.to_thread(began.wait)
    putting.cancel()
    await asyncio.sleep(0.01)
    assert not putting.done(), "the views are still being written"
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await putting
    with pytest.raises(ObjectNotFound):
        await store.head(KEY)
    assert len(files(tmp_path)) == 1


async def test_pitfall_08_nobody_comes_between_the_look_and_the_rename(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await store.put(KEY, views(b"first"), PLAIN)
    rename = Path.rename

    def slow(path: Path, target: Path) -> Path:
        time.sleep(0.02)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", slow)
    absent, on_first = WriteCondition(absent=True), WriteCondition(etag=first.etag)
    for key, condition in ((ObjectKey("photos", "new"), absent), (KEY, on_first)):
        outcomes = await asyncio.gather(
            *(store.put(key, views(b"%d" % n), PLAIN, condition=condition) for n in range(4)),
            return_exceptions=True,
        )
        assert sum(isinstance(one, PreconditionFailed) for one in outcomes) == 3, outcomes
    replaced = await asyncio.gather(
        *(store.put(ObjectKey("photos", "newer"), views(b"x"), PLAIN) for _ in range(4))
    )
    assert sorted(bool(one.replaced) for one in replaced) == [False, True, True, True]


async def test_with_durability_power_nothing_is_acknowledged_before_it_is_on_the_disk(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut may come at any point: names lead only to settled bytes, answers only to settled names."""
    await store.put(KEY, views(b"makes the folders"), PLAIN)
    events: list[str] = []
    rename, sync, fsync = Path.rename, os.fdatasync, os.fsync

    def place(descriptor: int) -> str:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        return path.name if path.name in {"data", "parts", ".multipart"} else path.parent.name[:2]

    def note_rename(path: Path, target: Path) -> Path:
        events.append(f"rename to {target.parent.name[:2]}")
        return rename(path, target)

    def note_sync(descriptor: int) -> None:
        sync(descriptor)
        events.append(f"bytes {place(descriptor)}")

    def note_fsync(descriptor: int) -> None:
        fsync(descriptor)
        events.append("folder")

    monkeypatch.setattr(Path, "rename", note_rename)
    monkeypatch.setattr(disk, "_SYNC_DATA", note_sync)
    monkeypatch.setattr(os, "fsync", note_fsync)

    await store.put(KEY, views(b"x"), PLAIN)
    shard = events[1].removeprefix("rename to ")
    assert [event.split()[0] for event in events] == ["bytes", "rename", "folder"]
    events.clear()
    ref = await store.create_multipart(KEY, PLAIN)
    assert [event.split()[0] for event in events] == ["bytes"] * 3 + ["folder", "rename", "folder"]
    events.clear()
    receipt = await store.upload_part(ref, part(1, b"x", 0))
    assert events == ["bytes data", "bytes parts"]
    events.clear()
    await store.complete_multipart(ref, [receipt])
    assert events[:3] == ["bytes data", f"rename to {shard}", "folder"]
    events.clear()
    await store.delete(KEY)
    assert events == ["folder"]
