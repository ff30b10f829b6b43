"""Reading, describing and removing objects; keys; attributes."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from gateway.errors import (
    BucketNotFound,
    InvalidRange,
    ObjectNotFound,
    PreconditionFailed,
)
from gateway.model import Attributes, ByteRange, From, ObjectKey, RangeRequest, Suffix
from gateway.storage.base import ObjectStore
from gateway.units import MiB
from tests.storage.contract_base import PLAIN, ContractBase, body, drain, pattern, views

TEN = b"0123456789"

RANGES: list[tuple[RangeRequest, ByteRange]] = [
    (From(0), ByteRange(0, 10)),
    (From(3), ByteRange(3, 10)),
    (From(9), ByteRange(9, 10)),
    (From(0, 1), ByteRange(0, 1)),
    (From(3, 7), ByteRange(3, 7)),
    (From(9, 10), ByteRange(9, 10)),
    (From(5, 11), ByteRange(5, 10)),
    (From(0, 2**63), ByteRange(0, 10)),
    (Suffix(1), ByteRange(9, 10)),
    (Suffix(10), ByteRange(0, 10)),
    (Suffix(11), ByteRange(0, 10)),
    (Suffix(2**62), ByteRange(0, 10)),
]

NO_RANGES: list[RangeRequest] = [From(10), From(11, 12), From(2**62), Suffix(0)]

#: Each is one object, whatever a file system or a URL library would make of it.
ODD_KEYS = [
    "a", "a/", "a/b", "a//b", "a///", "A", "\u00c5", "A\u030a", "ä ö+ü%20&=?#", "../../etc/passwd",
    "..", ".", "./x", "a/../b", "a/./b", ".tmp/x", "-rf *", "CON", "C:\\x", "trailing ", " leading", "tab\there",
    "quote\"'`$()", "~", "~user", "new\nline", "%2e%2e%2f", "日本語/ファイル.txt", "👍🏽", "e\u0301", "\u00e9",
    "x" * 300 + "/" + "y" * 300,
]  # fmt: skip


class ObjectContract(ContractBase):
    """GET, HEAD, DELETE."""

    odd_keys: ClassVar[list[str]] = ODD_KEYS

    async def test_a_bucket_with_an_object_is_listed(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        await self.put(store, key, TEN)
        assert key.bucket in (await store.list_buckets() or [])

    async def test_an_object_comes_back_as_it_was_put(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        data = pattern(100_003)
        stored = await self.put(store, key, data)
        opened = await store.get(key)
        assert await body(opened) == data
        assert stored.size == opened.info.size == len(data)
        assert stored.etag == opened.info.etag
        assert opened.range == ByteRange(0, len(data))

    async def test_head_describes_what_get_opens(self, store: ObjectStore, key: ObjectKey) -> None:
        await self.put(store, key)
        opened = await store.get(key)
        await opened.source.aclose()
        assert await store.head(key) == opened.info
        assert opened.info.key == key

    async def test_the_modified_time_is_now(self, store: ObjectStore, key: ObjectKey) -> None:
        await self.put(store, key)
        modified = (await store.head(key)).modified
        assert abs(datetime.now(UTC) - modified) < timedelta(seconds=30)

    async def test_etags_are_strong_and_change_with_content(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        first = await self.put(store, key, b"one")
        second = await self.put(store, key, b"two")
        assert first.etag != second.etag
        for etag in (first.etag, second.etag):
            assert '"' not in etag
            assert not etag.startswith("W/")

    async def test_an_empty_object_is_an_object(self, store: ObjectStore, key: ObjectKey) -> None:
        await self.put(store, key, b"")
        opened = await store.get(key)
        assert (opened.info.size, opened.range) == (0, None)
        assert await body(opened) == b""

    async def test_an_empty_object_has_no_range(self, store: ObjectStore, key: ObjectKey) -> None:
        await self.put(store, key, b"")
        for request in (From(0), From(0, 1), Suffix(1)):
            with pytest.raises(InvalidRange):
                await store.get(key, range=request)

    async def test_no_views_make_an_empty_object(self, store: ObjectStore, key: ObjectKey) -> None:
        stored = await store.put(key, [], PLAIN)
        assert stored.size == 0
        assert await self.read(store, key) == b""

    async def test_many_small_views_are_one_object(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        data = pattern(30_000)
        pieces = [data[at : at + 7] for at in range(0, len(data), 7)]
        pieces.insert(3, b"")
        await store.put(key, views(*pieces), PLAIN)
        assert await self.read(store, key) == data

    async def test_views_into_a_larger_buffer_are_sent_alone(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        buffer = memoryview(bytearray(b"xxHELLOxx"))
        await store.put(key, [buffer[2:7]], PLAIN)
        assert await self.read(store, key) == b"HELLO"

    async def test_a_large_object_streams_through_a_small_buffer(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        data = pattern(9 * MiB + 5)
        await self.put(store, key, data)
        opened = await store.get(key)
        assert await drain(opened.source, step=100_000) == data

    async def test_every_form_of_range(self, store: ObjectStore, key: ObjectKey) -> None:
        await self.put(store, key, TEN)
        for request, expected in RANGES:
            opened = await store.get(key, range=request)
            assert opened.range == expected, request
            assert await body(opened) == TEN[expected.start : expected.stop], request
            assert opened.info.size == len(TEN), request

    async def test_a_range_without_a_byte_is_refused(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        await self.put(store, key, TEN)
        for request in NO_RANGES:
            with pytest.raises(InvalidRange):
                await store.get(key, range=request)

    async def test_a_source_knows_how_much_is_left(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        await self.put(store, key, TEN)
        opened = await store.get(key, range=From(2, 9))
        assert opened.source.length == 7
        count = await opened.source.read_into(memoryview(bytearray(3)))
        assert opened.source.length == 7 - count
        await opened.source.aclose()
        await opened.source.aclose()

    async def test_if_match_opens_only_that_version(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        old = (await self.put(store, key, b"old")).etag
        new = (await self.put(store, key, b"new")).etag
        assert await body(await store.get(key, if_match=new)) == b"new"
        assert await body(await store.get(key, if_match=new, range=From(1))) == b"ew"
        with pytest.raises(PreconditionFailed):
            await store.get(key, if_match=old)

    async def test_what_was_opened_is_read_to_its_end_while_it_is_replaced(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        old = pattern(300_000, seed=1)
        await self.put(store, key, old)
        opened = await store.get(key)
        buffer = bytearray(1000)
        count = await opened.source.read_into(memoryview(buffer))
        await self.put(store, key, pattern(300_000, seed=2))
        assert bytes(buffer[:count]) + await body(opened) == old

    async def test_what_was_opened_is_read_to_its_end_while_it_is_deleted(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        old = pattern(300_000)
        await self.put(store, key, old)
        opened = await store.get(key)
        await store.delete(key)
        assert await body(opened) == old

    async def test_a_missing_object_is_not_found(self, store: ObjectStore, key: ObjectKey) -> None:
        await self.put(store, ObjectKey(key.bucket, "contract/some other"))
        with pytest.raises(ObjectNotFound):
            await store.head(key)
        with pytest.raises(ObjectNotFound):
            await store.get(key)

    async def test_a_deleted_object_is_gone(self, store: ObjectStore, key: ObjectKey) -> None:
        await self.put(store, key)
        await store.delete(key)
        with pytest.raises(ObjectNotFound):
            await store.head(key)

    async def test_deleting_what_is_missing_is_no_error(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        await store.delete(key)
        await self.put(store, key)
        await store.delete(key)
        await store.delete(key)

    async def test_many_objects_are_deleted_at_once_and_missing_ones_are_no_error(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        keys = [ObjectKey(key.bucket, f"{key.name}/{index}") for index in range(12)]
        await asyncio.gather(*(self.put(store, one) for one in keys))
        await store.delete_many([*keys[:10], ObjectKey(key.bucket, f"{key.name}/never"), keys[0]])
        for one in keys[:10]:
            with pytest.raises(ObjectNotFound):
                await store.head(one)
        for one in keys[10:]:
            await store.head(one)
        await store.delete_many([])

    async def test_a_missing_bucket_is_not_found(self, store: ObjectStore) -> None:
        if self.missing_bucket is None:
            pytest.skip("this store makes every bucket it is asked for")
        key = ObjectKey(self.missing_bucket, "k")
        with pytest.raises(BucketNotFound):
            await store.put(key, views(b"x"), PLAIN)
        with pytest.raises(BucketNotFound):
            await store.get(key)
        with pytest.raises(BucketNotFound):
            await store.create_multipart(key, PLAIN)
        with pytest.raises(BucketNotFound):
            await store.ping(self.missing_bucket)

    async def test_a_bucket_in_use_answers_a_ping(self, store: ObjectStore, key: ObjectKey) -> None:
        await self.put(store, key)
        await store.ping(key.bucket)

    async def test_probing_leaves_nothing_and_says_what_the_store_does(
        self, store: ObjectStore, bucket: str
    ) -> None:
        seen = await store.probe(bucket, "contract-probe/")
        assert seen == store.capabilities
        assert [one async for one in store.list_multiparts(bucket, "contract-probe/")] == []

    async def test_attributes_come_back(self, store: ObjectStore, key: ObjectKey) -> None:
        attributes = Attributes(
            content_type='text/html; charset="utf-8"',
            content_disposition="attachment; filename=\"a b.txt\"; filename*=UTF-8''%e2%82%ac.txt",
            content_encoding="br",
            content_language="de, en",
            cache_control="private, max-age=60",
            expires="Thu, 01 Dec 2033 16:00:00 GMT",
            metadata={"colour": "green", "with-dash": "a, b ; c", "empty-ish": "0"},
        )
        await self.put(store, key, attributes=attributes)
        assert (await store.head(key)).attributes == attributes
        opened = await store.get(key, range=From(1))
        await opened.source.aclose()
        assert opened.info.attributes == attributes

    async def test_attributes_are_replaced_with_the_content(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        await self.put(store, key, attributes=Attributes(content_type="a/b", metadata={"x": "1"}))
        await self.put(store, key, attributes=Attributes(content_type="c/d"))
        assert (await store.head(key)).attributes == Attributes(content_type="c/d")

    async def test_pitfall_06_a_content_type_keeps_its_parameters(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        await self.put(store, key, attributes=Attributes(content_type="text/plain; charset=utf-8"))
        assert (await store.head(key)).attributes.content_type == "text/plain; charset=utf-8"

    async def test_case_63_66_odd_keys_are_objects_of_their_own(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        names = [f"{key.name}/{odd}" for odd in self.odd_keys]
        assert len(set(names)) == len(names)
        keys = [ObjectKey(key.bucket, name) for name in names]
        await asyncio.gather(*(self.put(store, one, one.name.encode()) for one in keys))
        for one in keys:
            assert await self.read(store, one) == one.name.encode(), one.name
            assert (await store.head(one)).key == one
        await store.delete(keys[0])
        with pytest.raises(ObjectNotFound):
            await store.head(keys[0])
        for one in keys[1:]:
            await store.head(one)

    async def test_case_64_a_key_of_1024_bytes_is_stored(
        self, store: ObjectStore, bucket: str
    ) -> None:
        for name in ("k" * 1024, "é" * 512, "/".join(["seg"] * 256) + "/"):
            assert len(name.encode()) == 1024
            await self.put(store, ObjectKey(bucket, name), b"long")
            assert await self.read(store, ObjectKey(bucket, name)) == b"long"
            await store.delete(ObjectKey(bucket, name))
