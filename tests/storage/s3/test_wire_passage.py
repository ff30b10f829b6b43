"""Bodies that are sent while they are still coming, byte for byte, to a store that misbehaves on order."""

import asyncio
from base64 import b64encode

import pytest

from gateway.errors import (
    BucketNotFound,
    StorageThrottled,
    StorageTimeout,
    StorageUnavailable,
)
from gateway.model import Attributes, MultipartRef, ObjectKey, Stored, WriteCondition
from gateway.storage.checksums import compute
from gateway.storage.s3.wire_passage import WirePassage
from gateway.storage.s3.wire_plane import WirePlane
from gateway.units import KiB, MiB
from tests.storage.contract_base import pattern
from tests.storage.s3.raw_store import ETAG, Peer, RawStore, error, plane_to, raw_store, reply

KEY = ObjectKey("bucket", "key")
REF = MultipartRef("main", KEY, "up")
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


async def taking(store: RawStore, peer: Peer) -> None:
    """Takes a body after a 100."""
    found = await peer.head()
    await peer.send(GO_ON)
    found.body = await peer.reader.readexactly(int(found.headers["content-length"]))
    store.requests.append(found)
    await peer.send(reply())


async def begin(
    plane: WirePlane, size: int, trailer: str | None = None, encoding: str | None = None
) -> WirePassage[Stored]:
    attributes = Attributes(content_encoding=encoding)
    return await plane.open_put(KEY, size, attributes, condition=WriteCondition(), trailer=trailer)


def view(data: bytes) -> list[memoryview]:
    return [memoryview(data)]


async def test_the_head_asks_first_and_signs_no_hash() -> None:
    data = pattern(3 * MiB)
    async with raw_store(taking) as store, plane_to(store.url, hash_payload=False) as plane:
        passage = await begin(plane, len(data))
        for start in range(0, len(data) - MiB, 256 * KiB):
            await passage.send(view(data[start : start + 256 * KiB]))
        stored = await passage.finish(view(data[-MiB:]))
        (request,) = store.requests
        assert (stored.etag, stored.size) == (ETAG, len(data))
        assert request.body == data
        assert request.headers["expect"] == "100-continue"
        assert request.headers["content-length"] == str(len(data))
        assert request.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"


@pytest.mark.parametrize(
    ("encoding", "told"), [(None, "aws-chunked"), ("gzip", "gzip,aws-chunked")]
)
async def test_a_checksum_trails_in_one_chunk(encoding: str | None, told: str) -> None:
    data = pattern(100_003)
    crc = b64encode(compute("crc64nvme", (memoryview(data),)).value)
    async with raw_store(taking) as store, plane_to(store.url, hash_payload=False) as plane:
        passage = await begin(plane, len(data), "crc64nvme", encoding)
        await passage.send(view(data[:50_000]))
        await passage.finish(view(data[50_000:]))
        (request,) = store.requests
        assert request.body == b"%x\r\n%b\r\n0\r\nx-amz-checksum-crc64nvme:%b\r\n\r\n" % (
            len(data),
            data,
            crc,
        )
        wanted = {
            "content-encoding": told,
            "x-amz-trailer": "x-amz-checksum-crc64nvme",
            "x-amz-decoded-content-length": str(len(data)),
            "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        }
        assert wanted.items() <= request.headers.items()


async def test_a_parts_receipt_names_its_trailer() -> None:
    async with raw_store(taking) as store, plane_to(store.url, hash_payload=False) as plane:
        passage = await plane.open_part(REF, 3, 70, 5, trailer="crc32c")
        receipt = await passage.finish(view(b"12345"))
        assert (receipt.number, receipt.offset, receipt.size) == (3, 70, 5)
        assert receipt.digests == (compute("crc32c", (memoryview(b"12345"),)),)


async def test_where_the_hash_is_signed_bodies_must_be_whole() -> None:
    async with raw_store(taking) as store, plane_to(store.url, hash_payload=True) as plane:
        assert plane.passages is None


async def test_a_store_that_says_no_100_gets_the_body_after_a_second() -> None:
    async def silent(store: RawStore, peer: Peer) -> None:
        await store.note(peer)
        await peer.send(reply())

    async with (
        raw_store(silent) as store,
        plane_to(store.url, hash_payload=False, idle_timeout=5.0) as plane,
    ):
        passage = await begin(plane, 4)
        await passage.finish(view(b"body"))
        assert store.requests[0].body == b"body"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error("503 Slow Down", "SlowDown"), StorageThrottled),
        (error("404 Not Found", "NoSuchBucket"), BucketNotFound),
    ],
)
async def test_a_refusal_comes_before_a_byte_is_taken(answer: bytes, kind: type[Exception]) -> None:
    async def refusing(store: RawStore, peer: Peer) -> None:
        store.requests.append(await peer.head())
        await peer.send(answer)
        await peer.reader.read()

    async with raw_store(refusing) as store, plane_to(store.url, hash_payload=False) as plane:
        with pytest.raises(kind):
            await begin(plane, 4)
        assert len(store.requests) == 1


async def test_no_connection_is_unavailable() -> None:
    async with raw_store(taking) as store:
        url = store.url
    async with plane_to(url, hash_payload=False) as plane:
        with pytest.raises(StorageUnavailable):
            await begin(plane, 4)


async def test_a_connection_that_breaks_meanwhile_fails_the_next_send() -> None:
    async def breaking(store: RawStore, peer: Peer) -> None:
        await peer.head()
        await peer.send(GO_ON)
        await peer.reader.readexactly(4)
        peer.reset()

    async with raw_store(breaking) as store, plane_to(store.url, hash_payload=False) as plane:
        passage = await begin(plane, 100)
        await passage.send(view(b"four"))
        await asyncio.sleep(0.05)
        with pytest.raises(StorageUnavailable):
            await passage.send(view(b"more"))
        with pytest.raises(StorageUnavailable):
            await passage.finish(view(b"last"))
        assert store.open == 0


async def test_an_answer_before_the_end_is_a_failure_even_if_it_is_content() -> None:
    async def hasty(store: RawStore, peer: Peer) -> None:
        await peer.head()
        await peer.send(GO_ON)
        await peer.reader.readexactly(4)
        await peer.send(reply())
        await peer.reader.read()

    async with raw_store(hasty) as store, plane_to(store.url, hash_payload=False) as plane:
        passage = await begin(plane, 100)
        await passage.send(view(b"four"))
        await asyncio.sleep(0.05)
        with pytest.raises(StorageUnavailable):
            await passage.send(view(b"more"))


async def test_a_client_that_pauses_is_no_fault_of_the_store() -> None:
    """Longer than the idle time: it counts only what the store owes."""
    async with (
        raw_store(taking) as store,
        plane_to(store.url, hash_payload=False, idle_timeout=0.2) as plane,
    ):
        passage = await begin(plane, 8)
        await passage.send(view(b"four"))
        await asyncio.sleep(0.6)
        await passage.finish(view(b"last"))
        assert store.requests[0].body == b"fourlast"


async def test_a_store_that_takes_nothing_more_times_out() -> None:
    async def deaf(store: RawStore, peer: Peer) -> None:
        await peer.head()
        await peer.send(GO_ON)
        await asyncio.sleep(30)

    async with (
        raw_store(deaf, window=4096) as store,
        plane_to(store.url, hash_payload=False, idle_timeout=0.2) as plane,
    ):
        passage = await begin(plane, 64 * MiB)
        block = bytes(16 * MiB)
        with pytest.raises(StorageTimeout):
            async with asyncio.timeout(10):
                await passage.send(view(block))


async def test_what_is_abandoned_ends_before_its_body_does() -> None:
    got: list[int] = []

    async def counting(store: RawStore, peer: Peer) -> None:
        await peer.head()
        await peer.send(GO_ON)
        got.append(len(await peer.reader.read(-1)))

    async with raw_store(counting) as store, plane_to(store.url, hash_payload=False) as plane:
        passage = await begin(plane, 100_000)
        await passage.send(view(bytes(50_000)))
        passage.abandon()
        passage.abandon()
        await asyncio.sleep(0.1)
        assert not got or got[0] < 100_000
        assert store.open == 0


async def test_slow_bodies_do_not_take_the_connections_of_others() -> None:
    async with (
        raw_store(taking) as store,
        plane_to(store.url, hash_payload=False, max_connections=1) as plane,
    ):
        passages = [await begin(plane, 2) for _ in range(5)]
        for passage in passages:
            await passage.finish(view(b"ok"))
        assert store.peers == 5
