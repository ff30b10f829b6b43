"""Conditional writes and removals, races, digests."""

import asyncio
from dataclasses import replace

import pytest

from gateway.errors import (
    ConcurrentWrite,
    DigestMismatch,
    ObjectNotFound,
    PreconditionFailed,
)
from gateway.model import Digest, ObjectKey, WriteCondition
from gateway.storage.base import ObjectStore
from gateway.storage.checksums import compute
from tests.storage.contract_base import PLAIN, ContractBase, body, pattern, views

ABSENT = WriteCondition(absent=True)


def needs_conditional_put(store: ObjectStore) -> None:
    if store.capabilities.conditional_put == "none":
        pytest.skip("this store has no conditional writes")


class WriteContract(ContractBase):
    """PUT and DELETE with conditions."""

    async def test_a_write_if_absent_does_not_overwrite(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        needs_conditional_put(store)
        await self.put(store, key, b"first", condition=ABSENT)
        with pytest.raises(PreconditionFailed):
            await self.put(store, key, b"second", condition=ABSENT)
        assert await self.read(store, key) == b"first"

    async def test_after_a_delete_a_key_is_absent_again(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        needs_conditional_put(store)
        await self.put(store, key, b"first")
        await store.delete(key)
        await self.put(store, key, b"second", condition=ABSENT)
        assert await self.read(store, key) == b"second"

    async def test_a_write_on_an_etag_replaces_only_that_version(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        needs_conditional_put(store)
        first = await self.put(store, key, b"first")
        second = await self.put(store, key, b"second", condition=WriteCondition(etag=first.etag))
        with pytest.raises(PreconditionFailed):
            await self.put(store, key, b"third", condition=WriteCondition(etag=first.etag))
        assert await self.read(store, key) == b"second"
        assert (await store.head(key)).etag == second.etag

    async def test_a_write_on_an_etag_needs_an_object(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        needs_conditional_put(store)
        with pytest.raises(PreconditionFailed):
            await self.put(store, key, condition=WriteCondition(etag="no-such-etag"))
        with pytest.raises(ObjectNotFound):
            await store.head(key)

    async def test_pitfall_08_of_two_writers_if_absent_exactly_one_wins(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        needs_conditional_put(store)
        contents = [pattern(5_000, seed) for seed in range(8)]
        outcomes = await asyncio.gather(
            *(self.put(store, key, data, condition=ABSENT) for data in contents),
            return_exceptions=True,
        )
        won = [n for n, outcome in enumerate(outcomes) if not isinstance(outcome, BaseException)]
        assert len(won) == 1
        lost = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert all(isinstance(error, PreconditionFailed | ConcurrentWrite) for error in lost), lost
        assert await self.read(store, key) == contents[won[0]]

    async def test_of_two_writers_on_one_etag_exactly_one_wins(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        needs_conditional_put(store)
        condition = WriteCondition(etag=(await self.put(store, key, b"base")).etag)
        outcomes = await asyncio.gather(
            *(self.put(store, key, b"%d" % n, condition=condition) for n in range(8)),
            return_exceptions=True,
        )
        assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 1

    async def test_writers_without_conditions_leave_one_whole_object(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        contents = [pattern(60_000 + seed, seed) for seed in range(8)]
        await asyncio.gather(*(self.put(store, key, data) for data in contents))
        assert await self.read(store, key) in contents

    async def test_readers_see_whole_objects_while_writers_replace_them(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        contents = [pattern(50_000 + seed, seed) for seed in range(6)]
        kinds = [replace(PLAIN, content_language=f"x-{n}") for n in range(len(contents))]
        expected = dict(zip((kind.content_language for kind in kinds), contents, strict=True))
        await self.put(store, key, contents[0], kinds[0])

        async def read_one() -> None:
            opened = await store.get(key)
            assert await body(opened) == expected[opened.info.attributes.content_language]

        writes = [
            self.put(store, key, data, kind) for data, kind in zip(contents, kinds, strict=True)
        ]
        await asyncio.gather(*writes, *(read_one() for _ in range(12)))

    async def test_a_store_that_says_so_tells_whether_it_replaced(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        first, second = await self.put(store, key, b"1"), await self.put(store, key, b"2")
        if store.capabilities.tells_replaced:
            assert (first.replaced, second.replaced) == (False, True)
        else:
            assert (first.replaced, second.replaced) == (None, None)

    async def test_announced_checksums_are_verified(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        data = views(pattern(10_000), b"", pattern(77, 2))
        for algorithm in sorted(store.capabilities.checksums):
            right = compute(algorithm, data)
            wrong = Digest(algorithm, right.value[:-1] + bytes([right.value[-1] ^ 1]))
            with pytest.raises(DigestMismatch):
                await store.put(key, data, PLAIN, digests=[wrong])
            with pytest.raises(ObjectNotFound):
                await store.head(key)
            await store.put(key, data, PLAIN, digests=[right])
            await store.delete(key)

    async def test_a_delete_on_an_etag_spares_other_versions(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        needs_conditional_put(store)
        old = (await self.put(store, key, b"old")).etag
        new = (await self.put(store, key, b"new")).etag
        with pytest.raises(PreconditionFailed):
            await store.delete(key, if_match=old)
        assert await self.read(store, key) == b"new"
        await store.delete(key, if_match=new)
        with pytest.raises(PreconditionFailed):
            await store.delete(key, if_match=new)
