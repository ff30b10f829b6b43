from collections.abc import AsyncIterator

import pytest

from gateway.errors import InvalidArgument, InvalidPart, ObjectNotFound, TooLarge
from gateway.model import ObjectKey, PartLimits
from gateway.storage.base import ObjectStore
from gateway.storage.memory import MemoryStore
from tests.storage.contract import StoreContract
from tests.storage.contract_base import PLAIN, part, views
from tests.storage.contract_passages import PassageContract

KEY = ObjectKey("photos", "k")


class TestMemoryStore(StoreContract, PassageContract):
    missing_bucket = "missing"

    @pytest.fixture
    async def store(self) -> AsyncIterator[ObjectStore]:
        store = MemoryStore("memory", buckets=["photos"])
        await store.start()
        yield store
        await store.aclose()

    @pytest.fixture
    def bucket(self) -> str:
        return "photos"


async def test_without_a_list_of_buckets_every_bucket_exists() -> None:
    store = MemoryStore("memory")
    await store.ping("anything")
    with pytest.raises(ObjectNotFound):
        await store.head(ObjectKey("anything", "k"))


async def test_parts_are_held_to_the_limits_it_announces() -> None:
    store = MemoryStore("memory", parts=PartLimits(min_size=5, max_size=10, max_parts=3))
    ref = await store.create_multipart(KEY, PLAIN)
    for number in (0, 4):
        with pytest.raises(InvalidArgument):
            await store.upload_part(ref, part(number, b"12345", 0))
    with pytest.raises(TooLarge):
        await store.upload_part(ref, part(1, b"x" * 11, 0))
    small = await store.upload_part(ref, part(1, b"1234", 0))
    last = await store.upload_part(ref, part(2, b"1", 4))
    with pytest.raises(InvalidPart):
        await store.complete_multipart(ref, [small, last])
    with pytest.raises(InvalidPart):
        await store.complete_multipart(ref, [])
    with pytest.raises(InvalidPart):
        await store.complete_multipart(ref, [last, small])


async def test_a_closed_store_has_forgotten_everything() -> None:
    store = MemoryStore("memory")
    await store.put(KEY, views(b"x"), PLAIN)
    ref = await store.create_multipart(KEY, PLAIN)
    await store.aclose()
    with pytest.raises(ObjectNotFound):
        await store.head(KEY)
    assert [one async for one in store.list_multiparts(KEY.bucket, "")] == []
    await store.abort_multipart(ref)
