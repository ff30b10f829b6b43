"""Calls that are begun without waiting: what comes of them is what comes of the ordinary ones."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import cast

import pytest

from gateway.errors import GatewayError, NotFound, StorageCorrupt, StorageUnavailable
from gateway.model import Attributes, ObjectKey, Suffix, WriteCondition
from gateway.pipeline.publish_small import SmallPublication
from gateway.settings.sections import RetrySection
from gateway.settings.stores import BucketOptions, S3Storage
from gateway.storage.base import ObjectStore
from gateway.storage.retry import Retrier
from gateway.storage.s3 import S3Store
from gateway.telemetry import Instrument
from gateway.transfer.opening import open_object
from gateway.transfer.placement import Placement
from tests.storage.s3.raw_store import ETAG, Peer, RawStore, error, raw_store, reply

KEY = ObjectKey("bucket", "key")
Script = Callable[[RawStore, Peer], Awaitable[None]]


class Calls(Instrument):
    """What was reported of calls."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []

    def call_finished(self, store: str, operation: str, outcome: str, seconds: float) -> None:
        self.outcomes.append(f"{operation} {outcome}")


class Lab:
    """A store that does as the script says, after a HEAD that leaves a connection idle."""

    def __init__(self, raw: RawStore, store: S3Store) -> None:
        self.raw = raw
        self.store = store
        self.calls = Calls()

        async def at_once(seconds: float) -> None:
            del seconds

        self.retrier = Retrier("s3", RetrySection(attempts=2), self.calls, sleep=at_once)

    async def put(self, condition: WriteCondition = WriteCondition()) -> str:
        publication = SmallPublication(
            self.store,
            KEY,
            (memoryview(b"content"),),
            Attributes(),
            condition,
            self.retrier,
            datetime.now(UTC),
        )
        return (await publication.carry_out()).etag

    async def get(self) -> bytes:
        placement = Placement(cast("ObjectStore", self.store), KEY, BucketOptions())
        opened = await open_object(placement, None, None, self.retrier)
        view = memoryview(bytearray(100))
        size = 0
        while count := await opened.source.read_into(view[size:]):
            size += count
        await opened.source.aclose()
        return bytes(view[:size])


@asynccontextmanager
async def lab(script: Script, **more: object) -> AsyncIterator[Lab]:
    async def first_a_head(raw: RawStore, peer: Peer) -> None:
        if peer.number == 0:
            await peer.request()
            await peer.send(reply())
        await script(raw, peer)

    async with raw_store(first_a_head) as raw:
        section = {
            "kind": "s3",
            "endpoint_url": raw.url,
            "access_key_id": "A" * 20,
            "secret_access_key": "secret",
            "sign_payload": "never",
            **more,
        }
        store = S3Store("s3", S3Storage.model_validate(section))
        await store.start()
        try:
            await store.head(KEY)
            yield Lab(raw, store)
        finally:
            await store.aclose()
            await asyncio.sleep(0.01)


def saying(*answers: bytes) -> Script:
    """Each in turn, over all connections; then nothing."""
    left = list(answers)

    async def script(raw: RawStore, peer: Peer) -> None:
        while left:
            await raw.note(peer)
            await peer.send(left.pop(0))

    return script


@pytest.mark.parametrize("sign", ["never", "always"])
async def test_a_put_that_succeeds_is_one_call_on_the_idle_connection(sign: str) -> None:
    async with lab(saying(reply()), sign_payload=sign) as it:
        assert await it.put() == ETAG
        assert it.calls.outcomes == ["PutObject ok"]
        assert [(seen.connection, seen.body) for seen in it.raw.requests] == [(0, b"content")]


async def test_a_get_that_succeeds_is_one_call_and_all_of_it_is_here() -> None:
    async with lab(saying(reply(b"abc"))) as it:
        assert await it.get() == b"abc"
        assert it.calls.outcomes == ["GetObject ok"]


@pytest.mark.parametrize("method", ["put", "get"])
async def test_a_refusal_is_what_the_ordinary_call_makes_of_it(method: str) -> None:
    async with lab(saying(error("404 Not Found", "NoSuchKey"))) as it:
        with pytest.raises(NotFound) as caught:
            await getattr(it, method)()
        assert len(it.raw.requests) == 1
        assert [outcome.split()[1] for outcome in it.calls.outcomes] == [caught.value.code]


@pytest.mark.parametrize("method", ["put", "get"])
async def test_a_failure_counts_as_the_first_attempt(method: str) -> None:
    down = error("500 Internal Server Error", "InternalError")
    async with lab(saying(down, down, down)) as it:
        with pytest.raises(StorageUnavailable):
            await getattr(it, method)()
        assert len([seen for seen in it.raw.requests if seen.method != "HEAD"]) == 2


@pytest.mark.parametrize("method", ["put", "get"])
async def test_a_stale_connection_is_replaced_unnoticed(method: str) -> None:
    async def script(raw: RawStore, peer: Peer) -> None:
        await raw.note(peer)
        if peer.number == 0:
            peer.reset()
        else:
            await peer.send(reply(b"abc" if method == "get" else b""))

    async with lab(script) as it:
        await getattr(it, method)()
        assert len(it.calls.outcomes) == 1
        assert [seen.connection for seen in it.raw.requests] == [0, 1]


async def test_a_lost_answer_of_a_conditional_put_is_asked_for_at_the_object() -> None:
    async def script(raw: RawStore, peer: Peer) -> None:
        while True:
            request = await raw.note(peer)
            if request.method == "PUT":
                peer.reset()
                return
            modified = "Last-Modified: Sat, 21 Nov 2099 22:00:00 GMT"
            await peer.send(reply(b"", "200 OK", modified, length=7))

    async with lab(script) as it:
        with pytest.raises(GatewayError):  # its ETag is not that of our bytes
            await it.put(WriteCondition(absent=True))
        assert it.raw.requests[-1].method == "HEAD"


async def test_a_success_that_makes_no_sense_is_an_error_and_counted_once() -> None:
    async with lab(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as it:
        with pytest.raises(StorageCorrupt):
            await it.put()
        assert len(it.calls.outcomes) == 1


async def test_a_publication_that_is_cancelled_is_finished_first() -> None:
    came, answer = asyncio.Event(), asyncio.Event()

    async def script(raw: RawStore, peer: Peer) -> None:
        await raw.note(peer)
        came.set()
        await answer.wait()
        await peer.send(reply())

    async with lab(script) as it:
        task = asyncio.create_task(it.put())
        await came.wait()
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()
        answer.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert it.calls.outcomes == ["PutObject ok"]


async def test_also_where_it_has_to_be_repeated() -> None:
    came, answer = asyncio.Event(), asyncio.Event()

    async def script(raw: RawStore, peer: Peer) -> None:
        await raw.note(peer)
        came.set()
        await answer.wait()
        await peer.send(error("503 Service Unavailable", "ServiceUnavailable"))
        await raw.note(peer)
        await peer.send(reply())

    async with lab(script) as it:
        task = asyncio.create_task(it.put())
        await came.wait()
        task.cancel()
        await asyncio.sleep(0)
        answer.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert it.calls.outcomes[-1] == "PutObject ok"


async def test_a_get_that_is_cancelled_closes_its_connection() -> None:
    came = asyncio.Event()

    async def script(raw: RawStore, peer: Peer) -> None:
        await raw.note(peer)
        came.set()
        assert await peer.reader.read() == b""

    async with lab(script) as it:
        task = asyncio.create_task(it.get())
        await came.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert it.calls.outcomes == ["GetObject cancelled"]
        async with asyncio.timeout(5):
            while it.raw.open:
                await asyncio.sleep(0.01)


async def test_what_has_to_wait_is_no_prompt_call() -> None:
    async with lab(saying(reply(b"abc"))) as it:
        prompt = it.store.prompt
        assert prompt is not None
        assert prompt.get(KEY, range=Suffix(0), if_match=None) is None
        nowhere = ObjectKey("no bucket", "key")
        assert prompt.get(nowhere, range=None, if_match=None) is None
        large = memoryview(bytes(1 << 16))
        none = WriteCondition()
        assert prompt.put(KEY, (large,), Attributes(), condition=none, digests=()) is None
        begun = prompt.get(KEY, range=None, if_match=None)
        assert begun is not None
        assert prompt.get(KEY, range=None, if_match=None) is None, "no other connection is idle"
        begun.abandon()
