"""A store by script that has a connection idle, so that calls to it can be begun without waiting."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

from gateway.model import Attributes, ObjectKey, WriteCondition
from gateway.pipeline.publish_small import SmallPublication
from gateway.settings.sections import RetrySection
from gateway.settings.stores import BucketOptions, S3Storage
from gateway.storage.base import ObjectStore
from gateway.storage.retry import Retrier
from gateway.storage.s3 import S3Store
from gateway.telemetry import Instrument
from gateway.transfer.opening import open_object
from gateway.transfer.placement import Placement
from tests.storage.s3.raw_store import Peer, RawStore, raw_store, reply

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
            Attributes(),
            condition,
            self.retrier,
            time.time(),
        )
        return (await publication.carry_out((memoryview(b"content"),))).etag

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
