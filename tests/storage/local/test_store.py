from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import (
    ObjectNotFound,
    StorageRejected,
    StorageUnavailable,
)
from gateway.model import Attributes, ObjectInfo, ObjectKey
from gateway.settings import LocalStorage
from gateway.storage.base import ObjectStore
from gateway.storage.local import LocalStore
from tests.storage.contract import StoreContract
from tests.storage.contract_base import PLAIN, body, part, views
from tests.storage.local.opened import KEY, again


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


async def test_encryption_that_it_does_not_do_is_refused(store: LocalStore) -> None:
    for attributes in (Attributes(sse="AES256"), Attributes(sse_kms_key_id="key")):
        with pytest.raises(StorageRejected):
            await store.put(KEY, views(b"x"), attributes)
        with pytest.raises(StorageRejected):
            await store.create_multipart(KEY, attributes)


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


async def test_a_probe_notices_a_folder_that_loses_bytes(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = store.head

    async def shorter(key: ObjectKey) -> ObjectInfo:
        return replace(await real(key), size=0)

    monkeypatch.setattr(store, "head", shorter)
    with pytest.raises(StorageRejected):
        await store.probe("photos", "probe/")
