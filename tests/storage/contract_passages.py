"""Bodies that are sent while they are still coming. Where a store does not take such, nothing is tested here."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import pytest

from gateway.errors import (
    BucketNotFound,
    GatewayError,
    MultipartLost,
    ObjectNotFound,
    PreconditionFailed,
)
from gateway.model import Attributes, ObjectKey, WriteCondition
from gateway.storage.base import ObjectStore
from gateway.storage.passages import Passage, Passages
from gateway.units import KiB
from tests.storage.contract_base import PLAIN, ContractBase, pattern, views

T = TypeVar("T")

PIECE = 48 * KiB


async def sent(opening: Awaitable[Passage[T]], data: bytes) -> T:
    """Open it and send all at once: a refusal may come early or late."""
    passage = await opening
    return await passage.finish(views(data))


class PassageContract(ContractBase):
    """Whole objects and parts, as they come; or nothing."""

    def passages(self, store: ObjectStore) -> Passages:
        assert store.passages is not None
        return store.passages

    async def test_an_object_is_sent_as_it_comes(self, store: ObjectStore, key: ObjectKey) -> None:
        data = pattern(4 * PIECE + 5)
        attributes = Attributes(content_type="text/x-slow", metadata={"a": "b"})
        passage = await self.passages(store).open_put(
            key, len(data), attributes, condition=WriteCondition()
        )
        for start in range(0, 4 * PIECE, PIECE):
            buffer = bytearray(data[start : start + PIECE])
            await passage.send(views(buffer))
            buffer[:] = bytes(PIECE)  # it may change from now on
        stored = await passage.finish(views(data[4 * PIECE :]))
        info = await store.head(key)
        assert (stored.size, stored.etag) == (len(data), info.etag)
        assert await self.read(store, key) == data
        assert info.attributes.content_type == "text/x-slow"
        assert info.attributes.content_encoding is None
        assert info.attributes.metadata == {"a": "b"}

    async def test_an_object_may_come_at_once(self, store: ObjectStore, key: ObjectKey) -> None:
        passages = self.passages(store)
        passage = await passages.open_put(key, 1, PLAIN, condition=WriteCondition())
        await passage.finish(views(b"x"))
        assert await self.read(store, key) == b"x"

    async def test_what_is_abandoned_before_its_last_byte_is_not_there(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        data = pattern(2 * PIECE)
        passages = self.passages(store)
        passage = await passages.open_put(key, len(data), PLAIN, condition=WriteCondition())
        await passage.send(views(data[:-1]))
        passage.abandon()
        passage.abandon()
        with pytest.raises(GatewayError):
            await passage.send(views(data[-1:]))
        await asyncio.sleep(0.1)
        with pytest.raises(ObjectNotFound):
            await store.head(key)

    async def test_parts_are_sent_as_they_come(self, store: ObjectStore, key: ObjectKey) -> None:
        first, second = self.full_part(store, 1), pattern(PIECE, 2)
        ref = await store.create_multipart(key, PLAIN)
        receipts = []
        for number, offset, data in ((1, 0, first), (2, len(first), second)):
            passage = await self.passages(store).open_part(ref, number, offset, len(data))
            await passage.send(views(data[:100]))
            receipts.append(await passage.finish(views(data[100:])))
        assert [(one.number, one.offset, one.size) for one in receipts] == [
            (1, 0, len(first)),
            (2, len(first), len(second)),
        ]
        await store.complete_multipart(ref, receipts)
        assert await self.read(store, key) == first + second

    async def test_a_condition_of_what_comes_slowly_is_judged(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        if store.capabilities.conditional_put == "none":
            pytest.skip("it knows no conditions")
        await self.put(store, key, b"there")
        absent = WriteCondition(absent=True)
        opening = self.passages(store).open_put(key, 10, PLAIN, condition=absent)
        with pytest.raises(PreconditionFailed):
            await sent(opening, b"0123456789")
        assert await self.read(store, key) == b"there"

    async def test_a_part_of_no_upload_is_lost(self, store: ObjectStore, key: ObjectKey) -> None:
        ref = await store.create_multipart(key, PLAIN)
        await store.abort_multipart(ref)
        with pytest.raises(MultipartLost):
            await sent(self.passages(store).open_part(ref, 1, 0, 10), b"0123456789")

    async def test_what_comes_for_no_bucket_is_refused(self, store: ObjectStore) -> None:
        if self.missing_bucket is None:
            pytest.skip("every bucket exists")
        key = ObjectKey(self.missing_bucket, "x")
        opening = self.passages(store).open_put(key, 2, PLAIN, condition=WriteCondition())
        with pytest.raises(BucketNotFound):
            await sent(opening, b"xy")
