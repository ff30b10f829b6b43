"""A chunk's body: run by run, and held to its end."""

import pytest

from gateway.errors import DigestMismatch, IncompleteBody, TooLarge
from gateway.model import Digest
from gateway.storage.checksums import compute
from gateway.transfer.resumable.chunk_body import ChunkBody
from tests.transfer.lab import Bytes
from tests.transfer.resumable.lab import content

DATA = content(200_000)


def crc(data: bytes) -> int:
    return int.from_bytes(compute("crc64nvme", [memoryview(data)]).value, "big")


async def test_each_run_has_its_own_crc() -> None:
    body = ChunkBody(Bytes(DATA), len(DATA), (), ())
    assert await body.crc(150_000) == crc(DATA[:150_000])
    assert await body.crc(0) == crc(b"")
    assert await body.crc(50_000) == crc(DATA[150_000:])
    await body.end()


async def test_the_digest_is_one_of_all_runs() -> None:
    for claim, right in ((DATA, True), (DATA[1:], False)):
        digest = Digest("sha-256", compute("sha-256", [memoryview(claim)]).value)
        body = ChunkBody(Bytes(DATA), len(DATA), (digest,), ())
        await body.crc(100)
        await body.crc(len(DATA) - 100)
        if right:
            await body.end()
        else:
            with pytest.raises(DigestMismatch):
                await body.end()


async def test_a_body_that_is_shorter_or_longer_than_its_range_is_refused() -> None:
    short = ChunkBody(Bytes(DATA[:50]), 100, (), ())
    with pytest.raises(IncompleteBody):
        await short.crc(100)
    long = ChunkBody(Bytes(DATA[:101]), 100, (), ())
    await long.crc(100)
    with pytest.raises(TooLarge):
        await long.end()
