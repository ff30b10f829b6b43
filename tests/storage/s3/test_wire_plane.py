"""The raw data plane against a store that misbehaves on order; what it does right is the contract's matter."""

import asyncio
import hashlib
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import (
    GatewayError,
    InvalidArgument,
    InvalidBucketName,
    InvalidRange,
    ObjectNotFound,
    Overloaded,
    PreconditionFailed,
    StorageCorrupt,
    StorageRejected,
    StorageThrottled,
    StorageTimeout,
    StorageUnavailable,
)
from gateway.model import (
    Attributes,
    Digest,
    From,
    MultipartRef,
    ObjectKey,
    Part,
    PartReceipt,
    Stored,
    WriteCondition,
)
from gateway.storage.s3.wire_plane import WirePlane
from gateway.units import KiB, MiB
from tests.storage.contract_base import drain, pattern
from tests.storage.s3.raw_store import (
    AUTHORITY,
    ETAG,
    Peer,
    RawStore,
    error,
    plane_to,
    raw_store,
    reply,
)

KEY = ObjectKey("bucket", "a key/ü")
REF = MultipartRef("main", KEY, "up/load=")


@pytest.fixture(params=["plain", "tls"])
def secure(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "tls")


@pytest.fixture
def authorities(tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return str(path)


async def answering(store: RawStore, peer: Peer) -> None:
    """Answer every request with success and a small object."""
    while True:
        request = await store.note(peer)
        await peer.send(reply(b"content" if request.method == "GET" else b""))


async def put(
    plane: WirePlane, data: bytes = b"content", condition: WriteCondition = WriteCondition()
) -> Stored:
    return await plane.put(
        KEY, [memoryview(data)], Attributes(), condition=condition, digests=(), sent=()
    )


async def upload(plane: WirePlane, data: bytes, *sent: Digest) -> PartReceipt:
    half = len(data) // 2
    views = (memoryview(data)[:half], memoryview(data)[half:])
    return await plane.upload_part(REF, Part(3, 7, len(data), views), sent=sent)


async def get(plane: WirePlane) -> bytes:
    return await drain((await plane.get(KEY, range=None, if_match=None)).source)


async def test_a_part_arrives_whole_with_its_checksum(secure: bool, authorities: str) -> None:
    data = pattern(3 * MiB + 17)
    async with (
        raw_store(answering, secure=secure) as store,
        plane_to(store.url, verify=authorities) as plane,
    ):
        receipt = await upload(plane, data, Digest("crc32c", b"\x01\x02\x03\x04"))
    (request,) = store.requests
    assert receipt == PartReceipt(3, 7, len(data), ETAG, (Digest("crc32c", b"\x01\x02\x03\x04"),))
    assert request.target == "/bucket/a%20key/%C3%BC?partNumber=3&uploadId=up%2Fload%3D"
    assert request.body == data
    assert request.headers["x-amz-checksum-crc32c"] == "AQIDBA=="
    expected = "UNSIGNED-PAYLOAD" if secure else hashlib.sha256(data).hexdigest()
    assert request.headers["x-amz-content-sha256"] == expected


async def test_a_digest_at_hand_saves_hashing_the_payload() -> None:
    async with raw_store(answering) as store, plane_to(store.url) as plane:
        view = memoryview(b"content")
        await plane.put(
            KEY,
            [view],
            Attributes(),
            condition=WriteCondition(),
            digests=[Digest("sha-256", b"\x07" * 32)],
            sent=(),
        )
    assert store.requests[0].headers["x-amz-content-sha256"] == "07" * 32


async def test_calls_one_after_the_other_share_a_connection(secure: bool, authorities: str) -> None:
    async with (
        raw_store(answering, secure=secure) as store,
        plane_to(store.url, verify=authorities) as plane,
    ):
        for _ in range(3):
            await put(plane)
            assert await get(plane) == b"content"
    assert store.peers == 1


async def test_a_body_goes_straight_into_the_readers_view(secure: bool, authorities: str) -> None:
    data = pattern(5 * MiB + 3)

    async def script(store: RawStore, peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(reply(data))

    async with (
        raw_store(script, secure=secure) as store,
        plane_to(store.url, verify=authorities, idle_timeout=5) as plane,
    ):
        for step in (1 * MiB, 100_003):
            opened = await plane.get(KEY, range=None, if_match=None)
            assert await drain(opened.source, step) == data
        assert store.peers == 1


async def test_nothing_is_read_while_nobody_reads(secure: bool, authorities: str) -> None:
    sent = 0

    async def script(store: RawStore, peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(reply(length=64 * MiB))
        for _ in range(64):
            await peer.send(bytes(MiB))
            sent += 1

    async with (
        raw_store(script, secure=secure) as store,
        plane_to(store.url, verify=authorities, idle_timeout=0.2) as plane,
    ):
        opened = await plane.get(KEY, range=None, if_match=None)
        await asyncio.sleep(0.5)  # longer than the idle time: our own pause is not the store's
        before = sent
        assert before < 32, "the kernel's buffers are full, and nobody empties them"
        assert len(await drain(opened.source)) == 64 * MiB


async def test_a_part_is_never_in_memory_twice(secure: bool, authorities: str) -> None:
    part = bytes(32 * MiB)

    async def script(store: RawStore, peer: Peer) -> None:
        head = await peer.head()
        left = int(head.headers["content-length"])
        while left:
            left -= len(await peer.reader.read(MiB))
        await peer.send(reply())

    async with raw_store(script, secure=secure) as store:
        options: dict[str, Any] = {"verify": authorities, "hash_payload": False, "idle_timeout": 10}
        async with plane_to(store.url, **options) as plane:
            tracemalloc.start()
            await upload(plane, part)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
    assert peak < 6 * MiB


async def test_chunked_answers_are_read(secure: bool, authorities: str) -> None:
    data = pattern(300_000)

    async def script(store: RawStore, peer: Peer) -> None:
        while True:
            request = await store.note(peer)
            if request.method == "HEAD":
                await peer.send(reply(length=len(data)))
                continue
            await peer.send(f'HTTP/1.1 200 OK\r\nETag: "{ETAG}"\r\n'.encode())
            await peer.send(b"Transfer-Encoding: chunked\r\n\r\n")
            for at in range(0, len(data), 70_000):
                piece = data[at : at + 70_000]
                await peer.send(b"%x;ext=1\r\n" % len(piece), piece[:5], piece[5:], b"\r\n")
            await peer.send(b"0\r\nTrailer: t\r\n\r\n")

    async with (
        raw_store(script, secure=secure) as store,
        plane_to(store.url, verify=authorities) as plane,
    ):
        for step in (1 * MiB, 999):
            opened = await plane.get(KEY, range=None, if_match=None)
            assert opened.info.size == len(data)
            assert await drain(opened.source, step) == data
    assert [request.method for request in store.requests] == ["GET", "HEAD"] * 2


async def test_a_chunked_answer_to_a_range_needs_no_second_look() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await store.note(peer)
        await peer.send(
            f'HTTP/1.1 206 Partial\r\nETag: "{ETAG}"\r\nContent-Range: bytes 2-4/10\r\n'.encode()
            + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        )

    async with raw_store(script) as store, plane_to(store.url) as plane:
        opened = await plane.get(KEY, range=From(2, 5), if_match=ETAG)
        assert await drain(opened.source) == b"abc"
        assert opened.info.size == 10
    assert store.requests[0].headers["range"] == "bytes=2-4"
    assert store.requests[0].headers["if-match"] == f'"{ETAG}"'


async def test_an_answer_until_the_end_of_the_connection_is_held_to_its_size() -> None:
    sizes = iter((7, 9))

    async def script(store: RawStore, peer: Peer) -> None:
        while True:
            request = await peer.request()
            if request.method == "HEAD":
                await peer.send(reply(length=next(sizes)))
                continue
            await peer.send(f'HTTP/1.1 200 OK\r\nETag: "{ETAG}"\r\n\r\ncontent'.encode())
            return

    async with raw_store(script) as store, plane_to(store.url) as plane:
        assert await get(plane) == b"content"
        with pytest.raises(StorageUnavailable, match="2 bytes early"):
            await get(plane)


async def test_an_object_replaced_between_get_and_its_head_is_no_answer() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        while True:
            request = await peer.request()
            if request.method == "HEAD":
                await peer.send(b'HTTP/1.1 200 OK\r\nETag: "o"\r\nContent-Length: 7\r\n\r\n')
            else:
                await peer.send(f'HTTP/1.1 200 OK\r\nETag: "{ETAG}"\r\n\r\ncontent'.encode())

    async with raw_store(script) as store, plane_to(store.url) as plane:
        with pytest.raises(StorageUnavailable, match="replaced"):
            await get(plane)


async def test_a_stale_connection_is_replaced_unnoticed(secure: bool, authorities: str) -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await store.note(peer)
        await peer.send(reply())
        if peer.number == 0:
            await peer.head()  # the next request came; nothing is answered
            peer.reset()
        else:
            await peer.reader.read()

    async with (
        raw_store(script, secure=secure) as store,
        plane_to(store.url, verify=authorities) as plane,
    ):
        await put(plane, b"first")
        await put(plane, b"second")
    assert [request.body for request in store.requests] == [b"first", b"second"]
    assert store.peers == 2


async def test_a_stale_connection_is_an_error_for_a_conditional_write() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await peer.request()
        await peer.send(reply())
        await peer.request()

    async with raw_store(script) as store, plane_to(store.url) as plane:
        await put(plane)
        with pytest.raises(StorageUnavailable):
            await put(plane, condition=WriteCondition(absent=True))
        assert store.peers == 1


async def test_a_connection_closed_while_idle_is_not_used() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await store.note(peer)
        await peer.send(reply())

    async with raw_store(script) as store, plane_to(store.url) as plane:
        for number in range(1, 4):
            await put(plane, condition=WriteCondition(absent=True))
            await asyncio.sleep(0.02)
            assert store.peers == number


async def test_a_new_connection_that_breaks_is_an_error() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await peer.head()
        peer.reset()

    async with raw_store(script) as store, plane_to(store.url) as plane:
        with pytest.raises(StorageUnavailable):
            await put(plane)
        assert store.peers == 1


@pytest.mark.parametrize("how", ["reset", "close"])
async def test_a_body_that_breaks_off_is_an_error_at_its_place(
    how: str, secure: bool, authorities: str
) -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(b"half", length=8))
        await asyncio.sleep(0.05)
        if how == "reset":
            peer.reset()

    async with (
        raw_store(script, secure=secure) as store,
        plane_to(store.url, verify=authorities) as plane,
    ):
        opened = await plane.get(KEY, range=None, if_match=None)
        view = memoryview(bytearray(8))
        assert await opened.source.read_into(view) == 4
        assert opened.source.length == 4
        with pytest.raises(StorageUnavailable):
            await opened.source.read_into(view)
        await opened.source.aclose()


@pytest.mark.parametrize("where", ["before", "head", "body"])
async def test_silence_is_a_timeout(where: str, secure: bool, authorities: str) -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await peer.request()
        if where == "head":
            await peer.send(b"HTTP/1.1 200 OK\r\nETag:")
        elif where == "body":
            await peer.send(reply(b"half", length=8))
        await peer.reader.read()

    async with (
        raw_store(script, secure=secure) as store,
        plane_to(store.url, verify=authorities, idle_timeout=0.2) as plane,
    ):
        with pytest.raises(StorageTimeout):
            async with asyncio.timeout(5):
                await get(plane)
        assert store.peers == 1, "a timeout is nothing to repeat here"


async def test_a_store_that_does_not_read_is_a_timeout(secure: bool, authorities: str) -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(5)

    async with raw_store(script, secure=secure) as store:
        options: dict[str, Any] = {
            "verify": authorities,
            "idle_timeout": 0.3,
            "hash_payload": False,
        }
        async with plane_to(store.url, **options) as plane:
            with pytest.raises(StorageTimeout):
                async with asyncio.timeout(4):
                    await upload(plane, bytes(16 * MiB))


async def test_slow_is_not_silent(secure: bool, authorities: str) -> None:
    data = pattern(2 * MiB)

    async def script(store: RawStore, peer: Peer) -> None:
        head = await peer.head()
        left = int(head.headers.get("content-length", 0))
        while left:
            left -= len(await peer.reader.read(64 * KiB))
            await asyncio.sleep(0.03)
        answer = reply(b"content")
        for at in range(0, len(answer), 6):
            await peer.send(answer[at : at + 6])
            await asyncio.sleep(0.02)

    # With a small window the store's reading shows; else the kernel takes all of the part at once.
    async with (
        raw_store(script, secure=secure, window=64 * KiB) as store,
        plane_to(store.url, verify=authorities, idle_timeout=0.9) as plane,
    ):
        assert (await upload(plane, data)).etag == ETAG
        assert await get(plane) == b"content"


async def test_an_early_error_stops_the_sending(secure: bool, authorities: str) -> None:
    data = bytes(64 * MiB)
    came = 0

    async def script(store: RawStore, peer: Peer) -> None:
        nonlocal came
        await peer.head()
        await peer.send(error("503 Slow Down", "SlowDown", "Retry-After: 7"))
        await asyncio.sleep(0.1)  # the answer is there before the rest is read
        while piece := await peer.reader.read(MiB):
            came += len(piece)

    async with raw_store(script, secure=secure) as store:
        options: dict[str, Any] = {"verify": authorities, "hash_payload": False}
        async with plane_to(store.url, **options) as plane:
            with pytest.raises(StorageThrottled) as caught:
                await upload(plane, data)
            async with asyncio.timeout(3):
                while store.open:
                    await asyncio.sleep(0.01)
    assert caught.value.retry_after == 7
    assert came < len(data) // 2


async def test_a_success_before_the_body_was_sent_is_none() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await peer.head()
        await peer.send(reply())
        await asyncio.sleep(0.2)

    async with raw_store(script) as store, plane_to(store.url, hash_payload=False) as plane:
        with pytest.raises(StorageUnavailable):
            await upload(plane, bytes(32 * MiB))


async def test_nothing_leaves_after_a_call_was_cancelled() -> None:
    """The views are their owner's again: what is written into them must never reach the store."""
    slab = bytearray(16 * MiB)
    went_on = asyncio.Event()
    taken = bytearray()

    async def script(store: RawStore, peer: Peer) -> None:
        await peer.head()
        await went_on.wait()
        while piece := await peer.reader.read(MiB):
            taken.extend(piece)

    async with raw_store(script) as store, plane_to(store.url, hash_payload=False) as plane:
        call = asyncio.create_task(upload(plane, slab))  # type: ignore[arg-type]
        await asyncio.sleep(0.1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        slab[:] = b"\xff" * len(slab)
        went_on.set()
        await asyncio.sleep(0.1)
    assert 0 < len(taken) < len(slab)
    assert not any(taken)


@pytest.mark.parametrize(
    "junk",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000,
    ],
    ids=range(8),
)
async def test_garbage_is_an_error(junk: bytes) -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await peer.request()
        await peer.send(junk)
        await peer.reader.read()

    async with raw_store(script) as store, plane_to(store.url) as plane:
        with pytest.raises(StorageUnavailable) as caught:
            await get(plane)
        assert not isinstance(caught.value, StorageTimeout)


async def test_broken_chunks_are_an_error() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await peer.request()
        await peer.send(
            f'HTTP/1.1 206 P\r\nETag: "{ETAG}"\r\nContent-Range: bytes 0-9/10\r\n'.encode()
        )
        await peer.send(b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n")
        await asyncio.sleep(0.05)
        await peer.send(b"zz\r\n")
        await peer.reader.read()

    async with raw_store(script) as store, plane_to(store.url) as plane:
        opened = await plane.get(KEY, range=From(0, 10), if_match=None)
        with pytest.raises(StorageUnavailable):
            await drain(opened.source)


async def test_repeated_headers_are_joined_and_old_texts_read() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await peer.request()
        more = ("Cache-Control: no-cache", "Cache-Control: private", "x-amz-meta-a: caf\u00e9")
        plain = reply(b"content", "200 OK", *more)
        await peer.send(plain.replace("\u00e9".encode(), b"\xe9"))

    async with raw_store(script) as store, plane_to(store.url) as plane:
        opened = await plane.get(KEY, range=None, if_match=None)
        assert opened.info.attributes.cache_control == "no-cache, private"
        assert opened.info.attributes.metadata == {"a": "café"}
        assert await drain(opened.source) == b"content"


async def test_interim_answers_are_skipped() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(
                b"HTTP/1.1 100 Continue\r\n\r\n",
                b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + reply(b"content"),
            )

    async with raw_store(script) as store, plane_to(store.url) as plane:
        assert await get(plane) == b"content"
        assert (await put(plane)).etag == ETAG


async def test_a_head_that_drips_is_no_progress() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nX: ")
        with suppress(ConnectionError):
            while True:
                await peer.send(b"a")
                await asyncio.sleep(0.02)

    async with raw_store(script) as store, plane_to(store.url, idle_timeout=0.2) as plane:
        with pytest.raises(StorageTimeout):
            async with asyncio.timeout(3):
                await get(plane)


@pytest.mark.parametrize("flood", ["trailers", "extensions", "size"])
async def test_framing_without_end_is_given_up(flood: str) -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await peer.request()
        await peer.send(
            f'HTTP/1.1 206 P\r\nETag: "{ETAG}"\r\nContent-Range: bytes 0-9/10\r\n'.encode()
        )
        start = {"trailers": b"0\r\n", "extensions": b"5;", "size": b"0"}[flood]
        await peer.send(b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n" + start)
        more = {"trailers": b"a: b\r\n", "extensions": b"a", "size": b"0"}[flood] * 10_000
        with suppress(ConnectionError):
            while True:
                await peer.send(more)

    async with raw_store(script) as store, plane_to(store.url) as plane:
        opened = await plane.get(KEY, range=From(0, 10), if_match=None)
        with pytest.raises(StorageUnavailable):
            async with asyncio.timeout(5):
                await drain(opened.source)
        await asyncio.sleep(0.02)
        assert store.open == 0


async def test_small_chunks_are_not_framing_without_end() -> None:
    data = pattern(200_000)

    async def script(store: RawStore, peer: Peer) -> None:
        await peer.request()
        framed = b"".join(b"1\r\n%c\r\n" % byte for byte in data)
        await peer.send(
            f'HTTP/1.1 206 P\r\nETag: "{ETAG}"\r\nContent-Range: bytes 0-199999/200000\r\n'.encode(),
            b"Transfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n",
        )
        await peer.reader.read()

    async with raw_store(script) as store, plane_to(store.url) as plane:
        opened = await plane.get(KEY, range=From(0, 200_000), if_match=None)
        assert await drain(opened.source) == data


async def test_interim_answers_without_end_are_given_up() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await peer.request()
        for _ in range(17):
            await peer.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        await peer.send(reply(b"content"))

    async with raw_store(script) as store, plane_to(store.url) as plane:
        with pytest.raises(StorageUnavailable):
            await get(plane)


async def test_unasked_bytes_end_the_connection() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(b"content") + reply(b"injected"))
        await peer.reader.read()

    async with raw_store(script) as store, plane_to(store.url) as plane:
        assert await get(plane) == b"content"
        assert await get(plane) == b"content"
        assert store.peers == 2


async def test_bytes_on_an_idle_connection_end_it() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(b"content"))
        await asyncio.sleep(0.02)
        await peer.send(reply(b"injected"))
        await peer.reader.read()

    async with raw_store(script) as store, plane_to(store.url) as plane:
        assert await get(plane) == b"content"
        await asyncio.sleep(0.05)
        assert await get(plane) == b"content"
        assert store.peers == 2


async def test_bytes_of_which_a_busy_loop_has_not_told_are_no_answer() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(b"content"))
        await sent.wait()
        await peer.send(reply(b"injected"))
        await peer.reader.read()

    sent = asyncio.Event()
    async with raw_store(script) as store, plane_to(store.url) as plane:
        assert await get(plane) == b"content"
        sent.set()
        await asyncio.sleep(
            0
        )  # the store's task sends, and nobody looks at sockets before the next call is made
        assert await get(plane) == b"content"
        assert store.peers == 2


async def test_a_body_has_one_reader() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(length=10))
        await peer.reader.read()

    async with raw_store(script) as store, plane_to(store.url) as plane:
        source = (await plane.get(KEY, range=None, if_match=None)).source
        first = asyncio.create_task(source.read_into(memoryview(bytearray(10))))
        await asyncio.sleep(0.01)
        with pytest.raises(RuntimeError, match="already"):
            await source.read_into(memoryview(bytearray(10)))
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


async def test_a_success_whose_body_breaks_off_is_a_success() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(b"<ok", length=8))

    async with raw_store(script) as store, plane_to(store.url) as plane:
        assert (await put(plane)).etag == ETAG


async def test_a_part_of_many_small_slabs_arrives_whole() -> None:
    data = pattern(5 * MiB + 11)
    views = tuple(memoryview(data)[at : at + 16 * KiB] for at in range(0, len(data), 16 * KiB))
    async with raw_store(answering) as store, plane_to(store.url) as plane:
        await plane.upload_part(REF, Part(1, 0, len(data), views), sent=())
        await plane.upload_part(REF, Part(2, 0, 8, (memoryview(data)[:8].cast("Q"),)), sent=())
    assert [request.body for request in store.requests] == [data, data[:8]]


async def test_connection_close_is_respected() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await store.note(peer)
        await peer.send(reply(b"content", "200 OK", "Connection: close"))
        await peer.reader.read()

    async with raw_store(script) as store, plane_to(store.url) as plane:
        assert await get(plane) == b"content"
        assert await get(plane) == b"content"
        assert store.peers == 2


async def test_a_body_given_up_closes_its_connection() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(bytes(100), length=10 * MiB))
        await peer.reader.read()

    async with raw_store(script) as store, plane_to(store.url) as plane:
        opened = await plane.get(KEY, range=None, if_match=None)
        await opened.source.aclose()
        await opened.source.aclose()
        await asyncio.sleep(0.02)
        assert store.open == 0


async def test_a_cancelled_read_closes_its_connection() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(length=10))
        await peer.reader.read()

    async with raw_store(script) as store, plane_to(store.url) as plane:
        opened = await plane.get(KEY, range=None, if_match=None)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await opened.source.read_into(memoryview(bytearray(10)))
        await asyncio.sleep(0.02)
        assert store.open == 0
        with pytest.raises(StorageUnavailable):
            await opened.source.read_into(memoryview(bytearray(10)))


async def test_calls_wait_for_a_connection_and_not_for_ever() -> None:
    release = asyncio.Event()

    async def script(store: RawStore, peer: Peer) -> None:
        while True:
            await store.note(peer)
            await release.wait()
            await peer.send(reply())

    async with (
        raw_store(script) as store,
        plane_to(store.url, max_connections=2, idle_timeout=0.3) as plane,
    ):
        calls = [asyncio.create_task(put(plane, b"%d" % n)) for n in range(8)]
        await asyncio.sleep(0.1)
        assert len(store.requests) == store.peers == 2
        release.set()
        await asyncio.gather(*calls)
        bodies = [request.body for request in store.requests]
        assert sorted(bodies[:2]) + bodies[2:] == [b"%d" % n for n in range(8)]
        assert store.peers == 2
        release.clear()
        held = [asyncio.create_task(put(plane)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            async with asyncio.timeout(3):
                await put(plane)
        await asyncio.gather(*held, return_exceptions=True)


async def test_a_throttling_store_is_asked_before_large_bodies() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        while True:
            head = await peer.head()
            store.requests.append(head)
            if head.headers.get("expect") == "100-continue" and len(store.requests) == 2:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await peer.reader.readexactly(1)
                await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            elif head.headers.get("expect"):
                await peer.send(error("503 Slow Down", "SlowDown"))
                return
            await peer.reader.readexactly(int(head.headers["content-length"]))
            slow = len(store.requests) == 1
            await peer.send(error("503 Slow Down", "SlowDown") if slow else reply())

    async with (
        raw_store(script) as store,
        plane_to(store.url, hash_payload=False, idle_timeout=2) as plane,
    ):
        with pytest.raises(StorageThrottled):
            await put(plane)
        assert (await upload(plane, bytes(MiB))).size == MiB
        with pytest.raises(StorageThrottled):
            await upload(plane, bytes(MiB))
        await put(plane)
    asked = ["expect" in request.headers for request in store.requests]
    assert asked == [False, True, True, False]


async def test_a_store_that_never_says_continue_gets_the_body_anyway() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        first = peer.number == 0
        await store.note(peer)
        await peer.send(
            error("503 Slow Down", "SlowDown", "Connection: close") if first else reply()
        )
        if not first:
            await peer.reader.read()

    async with (
        raw_store(script) as store,
        plane_to(store.url, hash_payload=False, idle_timeout=3) as plane,
    ):
        with pytest.raises(StorageThrottled):
            await put(plane)
        assert (await upload(plane, bytes(MiB))).size == MiB
    assert "expect" in store.requests[1].headers


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (error("404 Not Found", "NoSuchKey"), ObjectNotFound, None),
        (error("412 Precondition Failed", "PreconditionFailed"), PreconditionFailed, None),
        (error("500 Oops", "InternalError"), StorageUnavailable, None),
        (reply(b"not xml", "502 Bad Gateway"), StorageUnavailable, None),
        (reply(b"<html>", "404 Not Found"), ObjectNotFound, None),
        (error("403 Forbidden", "SignatureDoesNotMatch"), StorageRejected, "secret key"),
        (
            error(
                "301 Moved Permanently",
                "PermanentRedirect",
                "x-amz-bucket-region: eu-west-1",
                more="<Endpoint>bucket.s3-eu-west-1.amazonaws.com</Endpoint>",
            ),
            StorageRejected,
            "its region is eu-west-1 and its endpoint is bucket.s3-eu-west-1.amazonaws.com",
        ),
        (
            error("307 Temporary Redirect", "TemporaryRedirect", "Location: https://other.test/"),
            StorageRejected,
            "its endpoint is https://other.test/",
        ),
        (
            error(
                "400 Bad Request",
                "AuthorizationHeaderMalformed",
                more="<Region>eu-central-1</Region>",
            ),
            StorageRejected,
            "our region is not the bucket's \\(its region is eu-central-1\\)",
        ),
    ],
)
async def test_errors_say_what_the_store_said(
    answer: bytes, kind: type[GatewayError], words: str | None
) -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(answer)

    async with raw_store(script) as store, plane_to(store.url) as plane:
        for _ in range(2):
            with pytest.raises(kind, match=words):
                await get(plane)
        assert store.peers == 1, "an error read to its end leaves the connection usable"


async def test_a_range_that_holds_nothing_tells_the_size() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await peer.request()
        xml = "<ActualObjectSize>10</ActualObjectSize>"
        await peer.send(error("416 Range Not Satisfiable", "InvalidRange", more=xml))
        await peer.request()
        await peer.send(reply(b"", "416 R", "Content-Range: bytes */11"))

    async with raw_store(script) as store, plane_to(store.url) as plane:
        for size in (10, 11):
            with pytest.raises(InvalidRange) as caught:
                await plane.get(KEY, range=From(20), if_match=None)
            assert caught.value.size == size


async def test_a_head_in_the_wrong_region_is_told_by_its_header() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(b"", "400 Bad Request", "x-amz-bucket-region: eu-west-3"))

    async with raw_store(script) as store, plane_to(store.url) as plane:
        with pytest.raises(StorageRejected, match="its region is eu-west-3"):
            await plane.head(KEY)


async def test_a_truncated_error_is_judged_by_its_status() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(b"<Error><Co", "404 Not Found", length=500))

    async with raw_store(script) as store, plane_to(store.url) as plane:
        with pytest.raises(ObjectNotFound):
            await get(plane)


async def test_a_write_without_an_etag_is_corrupt() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with raw_store(script) as store, plane_to(store.url) as plane:
        with pytest.raises(StorageCorrupt):
            await put(plane)
        with pytest.raises(StorageCorrupt):
            await upload(plane, b"content")


async def test_a_head_without_a_length_is_corrupt() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await peer.request()
        await peer.send(f'HTTP/1.1 200 OK\r\nETag: "{ETAG}"\r\n\r\n'.encode())

    async with raw_store(script) as store, plane_to(store.url) as plane:
        with pytest.raises(StorageCorrupt):
            await plane.head(KEY)


@pytest.mark.parametrize("status", ["201 Created", "204 No Content"])
async def test_what_a_put_stores_may_be_created_or_have_nothing_said_of_it(status: str) -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(reply(b"", status))

    async with raw_store(script) as store, plane_to(store.url) as plane:
        assert (await put(plane)).etag == (await upload(plane, b"content")).etag == ETAG
        for call in (get(plane), plane.head(KEY)):
            with pytest.raises(StorageCorrupt, match=status[:3]):
                await call


@pytest.mark.parametrize("status", ["202 Accepted", "203 Other"])
async def test_another_success_than_was_asked_for_is_none(status: str) -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(reply(b"", status))

    async with raw_store(script) as store, plane_to(store.url) as plane:
        for call in (get(plane), put(plane), upload(plane, b"content"), plane.head(KEY)):
            with pytest.raises(StorageCorrupt, match=status[:3]) as caught:
                await call
            assert caught.value.status == 502


async def test_a_part_that_does_not_say_which_is_none() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(reply(b"content", "206 Partial Content"))

    async with raw_store(script) as store, plane_to(store.url) as plane:
        with pytest.raises(StorageCorrupt, match="which"):
            await get(plane)


async def test_a_successs_body_does_not_cost_the_connection() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(reply(b"<ok/>"))

    async with raw_store(script) as store, plane_to(store.url) as plane:
        for _ in range(3):
            await put(plane)
        assert store.peers == 1


async def test_a_line_break_in_a_value_reaches_no_wire() -> None:
    async with raw_store(answering) as store, plane_to(store.url) as plane:
        with pytest.raises(InvalidArgument):
            await plane.put(
                KEY,
                [],
                Attributes(metadata={"a\r\nx-amz-acl": "public-read"}),
                condition=WriteCondition(),
                digests=(),
                sent=(),
            )
        with pytest.raises(InvalidBucketName):
            await plane.head(ObjectKey("a/b", "c"))
        assert not store.requests


async def test_a_certificate_of_nobody_is_refused() -> None:
    async with raw_store(answering, secure=True) as store:
        async with plane_to(store.url) as plane:
            with pytest.raises(StorageRejected, match="certificate"):
                await put(plane)
        async with plane_to(store.url, verify=False) as plane:
            assert (await put(plane)).etag == ETAG


async def test_a_store_that_is_not_there_is_unavailable() -> None:
    async with raw_store(answering) as store:
        url = store.url
    async with plane_to(url) as plane:
        with pytest.raises(StorageUnavailable):
            await put(plane)
