"""The parts of multipart uploads."""

from dataclasses import replace

import pytest

from gateway.errors import (
    DigestMismatch,
    InvalidPart,
    ObjectNotFound,
)
from gateway.model import (
    ByteRange,
    Digest,
    From,
    ObjectKey,
    Suffix,
)
from gateway.storage.base import ObjectStore
from gateway.storage.checksums import compute
from gateway.units import MiB
from tests.storage.contract_base import PLAIN, ContractBase, body, part, pattern


class PartContract(ContractBase):
    """Sent, sent again, out of order, left out, checked."""

    async def test_parts_of_9_mib_sent_together_become_an_object(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        pieces = [pattern(9 * MiB, seed) for seed in range(1, 4)] + [pattern(3, 9)]
        ref = await store.create_multipart(key, PLAIN)
        receipts = await self.upload(store, ref, pieces)
        await store.complete_multipart(ref, receipts)
        assert await self.read(store, key) == b"".join(pieces)

    async def test_parts_may_arrive_in_any_order(self, store: ObjectStore, key: ObjectKey) -> None:
        pieces = [self.full_part(store, seed) for seed in range(1, 5)]
        ref = await store.create_multipart(key, PLAIN)
        receipts = []
        for number in (3, 1, 4, 2):
            offset = sum(len(piece) for piece in pieces[: number - 1])
            receipts.append(await store.upload_part(ref, part(number, pieces[number - 1], offset)))
        receipts.sort(key=lambda one: one.number)
        await store.complete_multipart(ref, receipts)
        assert await self.read(store, key) == b"".join(pieces)

    async def test_ranges_cross_the_borders_of_parts(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        first, second = self.full_part(store, 1), self.full_part(store, 2)
        whole, border = first + second, len(first)
        ref = await store.create_multipart(key, PLAIN)
        # Backwards, so that the bytes lie in another order than they are read.
        two = await store.upload_part(ref, part(2, second, border))
        one = await store.upload_part(ref, part(1, first, 0))
        await store.complete_multipart(ref, [one, two])
        opened = await store.get(key, range=From(border - 5, border + 5))
        assert opened.range == ByteRange(border - 5, border + 5)
        assert await body(opened) == whole[border - 5 : border + 5]
        assert await body(await store.get(key, range=From(border))) == second
        assert await body(await store.get(key, range=Suffix(3))) == whole[-3:]
        assert await body(await store.get(key, range=From(0, 1))) == whole[:1]

    async def test_a_part_sent_again_replaces_the_first(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        ref = await store.create_multipart(key, PLAIN)
        wrong, tail = self.full_part(store, 7), b"tail"
        right = self.full_part(store, 8) + b"longer"
        old = await store.upload_part(ref, part(1, wrong, 0))
        last = await store.upload_part(ref, part(2, tail, len(wrong)))
        new = await store.upload_part(ref, part(1, right, 0))
        assert old.etag != new.etag
        with pytest.raises(InvalidPart):
            await store.complete_multipart(ref, [old, last])
        await store.complete_multipart(ref, [new, last])
        assert await self.read(store, key) == right + tail

    async def test_a_part_sent_again_with_equal_bytes_is_still_right(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        ref = await store.create_multipart(key, PLAIN)
        data = self.full_part(store)
        await store.upload_part(ref, part(1, data, 0))
        again = await store.upload_part(ref, part(1, data, 0))
        await store.complete_multipart(ref, [again])
        assert await self.read(store, key) == data

    async def test_parts_that_are_not_named_are_left_out(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        pieces = [self.full_part(store, 1), self.full_part(store, 2), b"end"]
        ref = await store.create_multipart(key, PLAIN)
        first, _, last = await self.upload(store, ref, pieces)
        await store.complete_multipart(ref, [first, last])
        assert await self.read(store, key) == pieces[0] + pieces[2]
        assert (await store.head(key)).size == len(pieces[0]) + len(pieces[2])

    async def test_pitfall_26_an_empty_part_makes_an_empty_object(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        ref = await store.create_multipart(key, PLAIN)
        receipts = await self.upload(store, ref, [b""])
        await store.complete_multipart(ref, receipts)
        assert await self.read(store, key) == b""

    async def test_a_part_that_was_never_sent_is_invalid(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        ref = await store.create_multipart(key, PLAIN)
        (receipt,) = await self.upload(store, ref, [self.full_part(store)])
        with pytest.raises(InvalidPart):
            await store.complete_multipart(ref, [receipt, replace(receipt, number=2)])
        with pytest.raises(ObjectNotFound):
            await store.head(key)

    async def test_a_part_with_another_etag_is_invalid(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        ref = await store.create_multipart(key, PLAIN)
        (receipt,) = await self.upload(store, ref, [b"x"])
        with pytest.raises(InvalidPart):
            await store.complete_multipart(
                ref, [replace(receipt, etag="00000000000000000000000000000000")]
            )
        with pytest.raises(ObjectNotFound):
            await store.head(key)

    async def test_parts_are_listed_in_order(self, store: ObjectStore, key: ObjectKey) -> None:
        pieces = [self.full_part(store, 1), self.full_part(store, 2), b"end"]
        ref = await store.create_multipart(key, PLAIN)
        assert await store.list_parts(ref) == []
        sent = await self.upload(store, ref, pieces)
        listed = await store.list_parts(ref)
        assert [(one.number, one.size, one.etag, one.offset) for one in listed] == [
            (one.number, one.size, one.etag, one.offset) for one in sent
        ]
        await store.complete_multipart(ref, listed)
        assert await self.read(store, key) == b"".join(pieces)

    async def test_announced_checksums_of_parts_are_verified(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        ref = await store.create_multipart(key, PLAIN)
        sent = part(1, pattern(10_000), 0)
        for algorithm in sorted(store.capabilities.checksums):
            right = compute(algorithm, sent.views)
            wrong = Digest(algorithm, right.value[:-1] + bytes([right.value[-1] ^ 1]))
            with pytest.raises(DigestMismatch):
                await store.upload_part(ref, replace(sent, digests=(wrong,)))
            receipt = await store.upload_part(ref, replace(sent, digests=(right,)))
            assert receipt.number == 1
        await store.abort_multipart(ref)
