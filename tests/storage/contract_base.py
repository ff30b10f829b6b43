"""What all parts of the contract build on."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import ClassVar

import pytest

from gateway.model import (
    Attributes,
    MultipartRef,
    ObjectKey,
    Opened,
    Part,
    PartReceipt,
    Source,
    Stored,
    WriteCondition,
)
from gateway.storage.base import ObjectStore
from gateway.units import KiB

PLAIN = Attributes(content_type="application/octet-stream")
#: Concatenated they are longer than any buffer on the way, and no prefix repeats.
_COUNTER = itertools.count()


def pattern(size: int, seed: int = 1) -> bytes:
    """``size`` bytes in which every 8-byte word is another one, so that a misplaced block shows."""
    words = (size + 7) // 8
    start = seed << 40
    return b"".join(n.to_bytes(8, "big") for n in range(start, start + words))[:size]


def views(*pieces: bytes | bytearray) -> list[memoryview]:
    return [memoryview(piece) for piece in pieces]


async def drain(source: Source, step: int = 256 * KiB) -> bytes:
    """Everything a source has, read through one reused buffer."""
    buffer = bytearray(step)
    taken = bytearray()
    while count := await source.read_into(memoryview(buffer)):
        taken += buffer[:count]
    assert await source.read_into(memoryview(buffer)) == 0, "the end is not the end"
    await source.aclose()
    return bytes(taken)


async def body(opened: Opened) -> bytes:
    return await drain(opened.source)


def part(number: int, data: bytes, offset: int) -> Part:
    return Part(number, offset, len(data), (memoryview(data),))


class ContractBase:
    """Helpers; every test writes under a key of its own."""

    #: A bucket that does not exist; None where a store makes every bucket it is asked for.
    missing_bucket: ClassVar[str | None] = None

    @pytest.fixture
    def key(self, bucket: str) -> ObjectKey:
        return ObjectKey(bucket, f"contract/{next(_COUNTER)}/object")

    async def put(
        self,
        store: ObjectStore,
        key: ObjectKey,
        data: bytes = b"content",
        attributes: Attributes = PLAIN,
        condition: WriteCondition = WriteCondition(),
    ) -> Stored:
        return await store.put(key, views(data), attributes, condition=condition)

    async def read(self, store: ObjectStore, key: ObjectKey) -> bytes:
        return await body(await store.get(key))

    async def upload(
        self, store: ObjectStore, ref: MultipartRef, pieces: Sequence[bytes]
    ) -> list[PartReceipt]:
        """Send ``pieces`` as parts 1, 2, ..., all at once."""
        offsets = itertools.accumulate((len(piece) for piece in pieces), initial=0)
        sent = [
            part(number, piece, offset)
            for number, (piece, offset) in enumerate(zip(pieces, offsets, strict=False), 1)
        ]
        return list(await asyncio.gather(*(store.upload_part(ref, one) for one in sent)))

    def full_part(self, store: ObjectStore, seed: int = 1) -> bytes:
        """A part that may stand before others, not of a round size."""
        return pattern(max(store.capabilities.parts.min_size, 70_001), seed)
