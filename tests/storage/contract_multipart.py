"""Multipart uploads from beginning to end."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.errors import (
    InvalidPart,
    MultipartLost,
    ObjectNotFound,
    PreconditionFailed,
)
from gateway.model import (
    Attributes,
    MultipartRef,
    ObjectKey,
    WriteCondition,
)
from gateway.storage.base import ObjectStore
from tests.storage.contract_base import PLAIN, ContractBase, part


class MultipartContract(ContractBase):
    """Create, complete, abort, list; conditions and races."""

    async def listed(self, store: ObjectStore, key: ObjectKey) -> list[MultipartRef]:
        return [one.ref async for one in store.list_multiparts(key.bucket, key.name)]

    async def test_parts_become_an_object(self, store: ObjectStore, key: ObjectKey) -> None:
        pieces = [self.full_part(store, 1), self.full_part(store, 2), b"the tail"]
        ref = await store.create_multipart(key, PLAIN)
        receipts = await self.upload(store, ref, pieces)
        assert [(one.number, one.size) for one in receipts] == [
            (number, len(piece)) for number, piece in enumerate(pieces, 1)
        ]
        stored = await store.complete_multipart(ref, receipts)
        info = await store.head(key)
        assert (stored.etag, stored.size) == (info.etag, info.size)
        assert await self.read(store, key) == b"".join(pieces)

    async def test_attributes_are_those_of_the_beginning(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        attributes = Attributes(
            content_type="video/mp4", cache_control="no-store", metadata={"take": "2"}
        )
        ref = await store.create_multipart(key, attributes)
        receipts = await self.upload(store, ref, [b"short"])
        await store.complete_multipart(ref, receipts)
        assert (await store.head(key)).attributes == attributes

    async def test_pitfall_17_nothing_is_visible_before_it_is_complete(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        ref = await store.create_multipart(key, PLAIN)
        receipts = await self.upload(store, ref, [b"hidden"])
        with pytest.raises(ObjectNotFound):
            await store.head(key)
        await store.complete_multipart(ref, receipts)
        assert await self.read(store, key) == b"hidden"

    async def test_the_old_object_stays_until_the_new_one_is_complete(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        await self.put(store, key, b"old")
        ref = await store.create_multipart(key, PLAIN)
        receipts = await self.upload(store, ref, [b"new"])
        assert await self.read(store, key) == b"old"
        stored = await store.complete_multipart(ref, receipts)
        assert await self.read(store, key) == b"new"
        assert stored.replaced is (True if store.capabilities.tells_replaced else None)

    async def test_an_upload_can_be_completed_after_a_failed_try(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        ref = await store.create_multipart(key, PLAIN)
        (first,) = await self.upload(store, ref, [self.full_part(store)])
        with pytest.raises(InvalidPart):
            await store.complete_multipart(ref, [first, replace(first, number=2)])
        second = await store.upload_part(ref, part(2, b"tail", first.size))
        await store.complete_multipart(ref, [first, second])
        assert await self.read(store, key) == self.full_part(store) + b"tail"

    async def test_completing_twice_finds_the_upload_lost(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        ref = await store.create_multipart(key, PLAIN)
        receipts = await self.upload(store, ref, [b"once"])
        await store.complete_multipart(ref, receipts)
        with pytest.raises(MultipartLost):
            await store.complete_multipart(ref, receipts)
        assert await self.read(store, key) == b"once"

    async def test_case_79_completing_at_the_same_time_makes_one_object(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        ref = await store.create_multipart(key, PLAIN)
        receipts = await self.upload(store, ref, [b"once"])
        outcomes = await asyncio.gather(
            *(store.complete_multipart(ref, receipts) for _ in range(4)), return_exceptions=True
        )
        failed = [one for one in outcomes if isinstance(one, BaseException)]
        assert len(failed) < 4
        assert all(isinstance(one, MultipartLost) for one in failed), failed
        assert await self.read(store, key) == b"once"

    async def test_an_aborted_upload_is_lost(self, store: ObjectStore, key: ObjectKey) -> None:
        ref = await store.create_multipart(key, PLAIN)
        receipts = await self.upload(store, ref, [b"gone"])
        await store.abort_multipart(ref)
        with pytest.raises(MultipartLost):
            await store.upload_part(ref, part(2, b"late", 4))
        with pytest.raises(MultipartLost):
            await store.complete_multipart(ref, receipts)
        with pytest.raises(MultipartLost):
            await store.list_parts(ref)
        with pytest.raises(ObjectNotFound):
            await store.head(key)

    async def test_aborting_again_or_the_unknown_is_no_error(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        ref = await store.create_multipart(key, PLAIN)
        await store.abort_multipart(ref)
        await store.abort_multipart(ref)

    async def test_aborting_after_completion_leaves_the_object(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        ref = await store.create_multipart(key, PLAIN)
        receipts = await self.upload(store, ref, [b"stays"])
        await store.complete_multipart(ref, receipts)
        await store.abort_multipart(ref)
        assert await self.read(store, key) == b"stays"

    async def test_an_unknown_upload_is_lost(self, store: ObjectStore, key: ObjectKey) -> None:
        known = await store.create_multipart(key, PLAIN)
        for upload_id in ("../../etc", "a" * 26, "", known.upload_id[:-1]):
            ref = MultipartRef(store.name, key, upload_id)
            if not upload_id:
                continue
            with pytest.raises(MultipartLost):
                await store.upload_part(ref, part(1, b"x", 0))
        await store.abort_multipart(known)

    async def test_case_78_an_upload_belongs_to_its_key(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        ref = await store.create_multipart(key, PLAIN)
        (receipt,) = await self.upload(store, ref, [b"mine"])
        other = replace(ref, key=ObjectKey(key.bucket, key.name + ".other"))
        with pytest.raises(MultipartLost):
            await store.complete_multipart(other, [receipt])
        with pytest.raises(ObjectNotFound):
            await store.head(other.key)
        await store.complete_multipart(ref, [receipt])

    async def test_unfinished_uploads_are_listed_by_prefix(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        inside = ObjectKey(key.bucket, key.name + "/in")
        outside = ObjectKey(key.bucket, "contract-other")
        refs = [await store.create_multipart(inside, PLAIN) for _ in range(2)]
        foreign = await store.create_multipart(outside, PLAIN)
        found = [one async for one in store.list_multiparts(key.bucket, key.name)]
        assert {one.ref for one in found} == set(refs)
        for one in found:
            assert abs(datetime.now(UTC) - one.initiated) < timedelta(seconds=30)
        assert foreign in await self.listed(store, outside)
        for ref in (*refs, foreign):
            await store.abort_multipart(ref)
        assert await self.listed(store, key) == []

    async def test_finished_uploads_are_not_listed(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        ref = await store.create_multipart(key, PLAIN)
        await store.complete_multipart(ref, await self.upload(store, ref, [b"x"]))
        assert await self.listed(store, key) == []

    async def test_two_uploads_of_one_key_do_not_mix(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        one, two = [await store.create_multipart(key, PLAIN) for _ in range(2)]
        assert one.upload_id != two.upload_id
        (first,), (second,) = await asyncio.gather(
            self.upload(store, one, [b"one"]), self.upload(store, two, [b"two"])
        )
        await store.complete_multipart(two, [second])
        assert await self.read(store, key) == b"two"
        await store.complete_multipart(one, [first])
        assert await self.read(store, key) == b"one"

    async def test_a_conditional_complete_does_not_overwrite(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        if store.capabilities.conditional_put != "complete":
            pytest.skip("this store has no conditional Complete")
        first = await self.put(store, key, b"first")
        ref = await store.create_multipart(key, PLAIN)
        receipts = await self.upload(store, ref, [b"second"])
        for condition in (WriteCondition(absent=True), WriteCondition(etag="another")):
            with pytest.raises(PreconditionFailed):
                await store.complete_multipart(ref, receipts, condition=condition)
            assert await self.read(store, key) == b"first"
        # The upload is still there, and may go ahead under a condition that holds.
        condition = WriteCondition(etag=first.etag)
        await store.complete_multipart(ref, receipts, condition=condition)
        assert await self.read(store, key) == b"second"

    async def test_pitfall_08_of_two_conditional_completes_exactly_one_wins(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        if store.capabilities.conditional_put != "complete":
            pytest.skip("this store has no conditional Complete")
        refs = [await store.create_multipart(key, PLAIN) for _ in range(4)]
        sent = [await self.upload(store, ref, [b"%d" % n]) for n, ref in enumerate(refs)]
        outcomes = await asyncio.gather(
            *(
                store.complete_multipart(ref, receipts, condition=WriteCondition(absent=True))
                for ref, receipts in zip(refs, sent, strict=True)
            ),
            return_exceptions=True,
        )
        won = [n for n, one in enumerate(outcomes) if not isinstance(one, BaseException)]
        assert len(won) == 1
        assert await self.read(store, key) == b"%d" % won[0]
        for ref in refs:
            await store.abort_multipart(ref)
