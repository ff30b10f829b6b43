import asyncio
import errno
import os
import re
import shutil
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import (
    DigestMismatch,
    MultipartLost,
    ObjectNotFound,
    PreconditionFailed,
    StorageCorrupt,
    StorageError,
    StorageRejected,
    StorageUnavailable,
)
from gateway.model import Attributes, Digest, ObjectInfo, ObjectKey, WriteCondition
from gateway.settings.sections import LocalStorage
from gateway.storage.base import ObjectStore
from gateway.storage.local import LocalStore, disk
from tests.storage.contract import StoreContract
from tests.storage.contract_base import PLAIN, body, part, views


class TestLocalStore(StoreContract):
    missing_bucket = "missing"

    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[ObjectStore]:
        (tmp_path / "photos").mkdir()
        store = LocalStore("disk", LocalStorage(kind="local", path=tmp_path, buckets="existing"))
        await store.start()
        yield store
        await store.aclose()

    @pytest.fixture
    def bucket(self) -> str:
        return "photos"


KEY = ObjectKey("photos", "album/one.jpg")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LocalStore]:
    store = LocalStore("disk", LocalStorage(kind="local", path=tmp_path))
    await store.start()
    yield store
    await store.aclose()


async def again(path: Path) -> LocalStore:
    """The store as another process would open it."""
    other = LocalStore("disk", LocalStorage(kind="local", path=path))
    await other.start()
    return other


def files(path: Path) -> list[Path]:
    return sorted(one for one in path.rglob("*") if one.is_file())


async def test_a_bucket_is_made_by_its_first_write(store: LocalStore, tmp_path: Path) -> None:
    await store.ping("photos")
    with pytest.raises(ObjectNotFound):
        await store.head(KEY)
    await store.delete(KEY)
    assert not (tmp_path / "photos").exists()
    await store.put(KEY, views(b"x"), PLAIN)
    assert (tmp_path / "photos").is_dir()


async def test_objects_and_uploads_outlive_the_process(store: LocalStore, tmp_path: Path) -> None:
    stored = await store.put(KEY, views(b"kept"), Attributes(metadata={"a": "1"}))
    ref = await store.create_multipart(ObjectKey("photos", "two"), PLAIN)
    first = await store.upload_part(ref, part(1, b"one", 0))
    await store.aclose()
    other = await again(tmp_path)
    info = await other.head(KEY)
    assert (info.etag, info.attributes.metadata) == (stored.etag, {"a": "1"})
    second = await other.upload_part(ref, part(2, b"two", 3))
    assert await other.list_parts(ref) == [first, second]
    await other.complete_multipart(ref, [first, second])
    assert await body(await other.get(ref.key)) == b"onetwo"
    await other.aclose()


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


async def test_a_part_again_and_again_leaves_the_object_its_own_size(
    store: LocalStore, tmp_path: Path
) -> None:
    ref = await store.create_multipart(KEY, PLAIN)
    receipts = [await store.upload_part(ref, part(1, b"p" * 100, 0)) for _ in range(3)]
    stored = await store.complete_multipart(ref, receipts[-1:])
    assert stored.size == 100
    assert await body(await store.get(KEY)) == b"p" * 100


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


async def test_encryption_that_it_does_not_do_is_refused(store: LocalStore) -> None:
    for attributes in (Attributes(sse="AES256"), Attributes(sse_kms_key_id="key")):
        with pytest.raises(StorageRejected):
            await store.put(KEY, views(b"x"), attributes)
        with pytest.raises(StorageRejected):
            await store.create_multipart(KEY, attributes)


async def test_the_folder_of_a_newer_sluice_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".format").write_text("sluice local store 2\n")
    with pytest.raises(StorageRejected, match="format"):
        await again(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == [".format"]


async def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        await again(tmp_path / "file")


async def test_before_start_and_after_close_every_call_fails(
    store: LocalStore, tmp_path: Path
) -> None:
    fresh = LocalStore("disk", LocalStorage(kind="local", path=tmp_path))
    with pytest.raises(StorageUnavailable):
        await fresh.head(KEY)
    await fresh.aclose()
    await store.aclose()
    await store.aclose()
    with pytest.raises(StorageUnavailable):
        await store.put(KEY, views(b"x"), PLAIN)


async def test_closing_leaves_no_file_of_this_process(store: LocalStore, tmp_path: Path) -> None:
    await store.put(KEY, views(b"x"), PLAIN)
    await store.aclose()
    assert list((tmp_path / ".tmp").iterdir()) == []


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


async def test_a_folder_that_cannot_be_written_fails_the_ping(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StorageRejected):
        await store.ping("photos")


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


async def test_a_probe_notices_a_folder_that_loses_bytes(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = store.head

    async def shorter(key: ObjectKey) -> ObjectInfo:
        return replace(await real(key), size=0)

    monkeypatch.setattr(store, "head", shorter)
    with pytest.raises(StorageRejected):
        await store.probe("photos", "probe/")
