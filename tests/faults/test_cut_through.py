"""Cut-through into a real S3 that fails on order: the right object or none, and nothing left behind.

Memory pressure is made by hand, so that every body here is passed on as it comes; all below the sink is real.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from gateway.adapt.part_size import plan
from gateway.errors import ClientGone, DigestMismatch, GatewayError, StorageError
from gateway.model import Digest, ObjectKey
from gateway.pipeline.intake import Intake
from gateway.pipeline.limiter import Limiter
from gateway.pipeline.pool import SlabPool
from gateway.pipeline.pump import pump
from gateway.pipeline.sink import PartSink
from gateway.pipeline.slabs import Slab
from gateway.pipeline.transforms import Chain
from gateway.settings import S3Storage
from gateway.settings.sections import RetrySection
from gateway.storage.retry import Retrier
from gateway.storage.s3 import S3Store
from gateway.telemetry import Instrument
from gateway.units import KiB, MiB
from tests.faults.lab import Shelf, direct
from tests.pipeline.fakes import MemoryJournal, TrickleSource
from tests.servers.faulty_s3 import Behaviour, Fault, FaultyS3, answer
from tests.servers.fixtures import create_bucket
from tests.servers.lease import S3Endpoint

pytestmark = pytest.mark.ci

BUCKET = f"cut-through-{os.getpid()}"
#: Whole slabs, so that the last one is full before the body's end was heard.
SMALL = os.urandom(704 * KiB)
LARGE = os.urandom(5 * MiB + 300 * KiB)


@dataclass
class Lab:
    """A store behind a proxy, and what an upload needs beside it."""

    store: S3Store
    proxy: FaultyS3
    shelf: Shelf
    pool: SlabPool
    places: Limiter
    journal: MemoryJournal

    def sink(self, key: str, size: int) -> PartSink:
        retry = RetrySection(attempts=3, base=0.005, cap=0.02, budget=1.0, breaker_failures=10_000)
        return PartSink(
            store=self.store,
            key=ObjectKey(BUCKET, key),
            plan=plan(
                size,
                self.store.capabilities.parts,
                preferred=5 * MiB,
                memory_cap=self.pool.part_cap,
            ),
            memory=self.pool.account("a"),
            places=Limiter.of(8),
            passages=self.places,
            retry=Retrier("main", retry, Instrument()).call,
            journal=self.journal,
        )

    async def upload(
        self, key: str, data: bytes, *, claims: Sequence[Digest] = (), stop: int | None = None
    ) -> None:
        """What transfer does. The store has a moment to commit what it should not have yet."""
        sink = self.sink(key, len(data))
        chain = Chain(length=len(data), claims=claims)
        async with sink:
            await pump(Pressed(data, sink, stop), chain, sink)
            if claims:
                await asyncio.sleep(0.3)
            chain.verify()
            await sink.complete()

    async def clean(self) -> None:
        """Nothing is held here and nothing left there."""
        self.proxy.heal()
        statistics = self.pool.statistics()
        assert (statistics.used, statistics.accounts) == (0, 0)
        assert self.places.statistics().in_flight == 0
        assert self.journal.open == {}
        assert await asyncio.to_thread(self.shelf.multiparts) == {}


class Pressed(TrickleSource):
    """A client under memory pressure from its third slab; gone at ``stop``."""

    def __init__(self, data: bytes, sink: PartSink, stop: int | None) -> None:
        super().__init__(data, 64 * KiB, 0.002)
        self._sink = sink
        self._stop = stop

    async def read_into(self, view: memoryview, /) -> int:
        if self._stop is not None and self.given >= self._stop:
            raise ClientGone("gone")
        if self.given >= 32 * KiB:
            self._sink._intake.spill()
        return await super().read_into(view)


@pytest.fixture(autouse=True)
def _nobody_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.pipeline.intake._FAST", 0.0)


@pytest.fixture
async def lab(moto_s3: S3Endpoint) -> AsyncIterator[Lab]:
    async with _lab(moto_s3) as lab:
        yield lab


@asynccontextmanager
async def _lab(endpoint: S3Endpoint) -> AsyncIterator[Lab]:
    await asyncio.to_thread(create_bucket, endpoint, BUCKET)
    shelf = Shelf(await asyncio.to_thread(direct, endpoint), BUCKET)
    async with FaultyS3(endpoint.url) as proxy:
        values: dict[str, Any] = {
            "kind": "s3",
            "endpoint_url": proxy.url,
            "access_key_id": endpoint.access_key,
            "secret_access_key": endpoint.secret_key,
            "sign_payload": "never",
            "idle_timeout": 1.0,
            "connect_timeout": 1.0,
        }
        store = S3Store("main", S3Storage.model_validate(values))
        await store.start()
        try:
            yield Lab(store, proxy, shelf, SlabPool(64 * MiB), Limiter.of(8), MemoryJournal())
        finally:
            await store.aclose()
            shelf.client.close()


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["object", "parts"])
async def test_a_body_arrives_as_it_was_sent(lab: Lab, data: bytes) -> None:
    await lab.upload("whole.bin", data)
    assert await asyncio.to_thread(lab.shelf.sha256, "whole.bin") == _sha256(data)
    body_calls = {request.operation: request.headers for request in lab.proxy.requests}
    passed = body_calls["PutObject" if data is SMALL else "UploadPart"]
    assert passed["expect"] == "100-continue"
    await lab.clean()


FAULTS: dict[str, Behaviour] = {
    "500": answer(500, "InternalError"),
    "503": answer(503, "SlowDown"),
    "silence": Fault.SILENCE,
    "reset": Fault.RESET,
    "truncated": Fault.TRUNCATED,
    "lost": Fault.LOST,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("operation", "data"),
    [
        ("PutObject", SMALL),
        ("CreateMultipartUpload", LARGE),
        ("UploadPart", LARGE),
        ("CompleteMultipartUpload", LARGE),
    ],
)
async def test_at_every_call_it_is_the_right_object_or_none(
    lab: Lab, operation: str, data: bytes, fault: str
) -> None:
    key = f"{operation}-{fault}.bin"
    await asyncio.to_thread(lab.shelf.put, key, b"old")
    lab.proxy.fail(operation, FAULTS[fault])
    failure: GatewayError | None = None
    try:
        await lab.upload(key, data)
    except GatewayError as error:
        failure = error
    if failure is not None:
        assert isinstance(failure, StorageError)
        assert operation in ("PutObject", "UploadPart")
        assert (failure.status, bool(failure.retry_after)) == (503, True)
    wanted = {_sha256(data if failure is None else b"old")}
    if fault in ("truncated", "lost"):
        wanted.add(_sha256(data))  # it took effect and nobody could tell
    assert await asyncio.to_thread(lab.shelf.sha256, key) in wanted
    if operation == "CreateMultipartUpload":
        # One whose answer never came may be there: the sweep's matter, so the journal must know of it.
        assert set(lab.journal.open) <= set(lab.journal.given)
        for upload, name in (await asyncio.to_thread(lab.shelf.multiparts)).items():
            drop = partial(
                lab.shelf.client.abort_multipart_upload, Bucket=BUCKET, Key=name, UploadId=upload
            )
            await asyncio.to_thread(drop)
        lab.journal.open.clear()
    await lab.clean()


@pytest.mark.parametrize("stop", range(0, len(SMALL), 64 * KiB))
async def test_a_client_gone_anywhere_leaves_no_object(lab: Lab, stop: int) -> None:
    with pytest.raises(ClientGone):
        await lab.upload("gone.bin", SMALL, stop=stop)
    await asyncio.sleep(0.02)
    assert "gone.bin" not in await asyncio.to_thread(lab.shelf.keys)
    await lab.clean()


@pytest.mark.parametrize("stop", range(4 * MiB, len(LARGE), 512 * KiB))
async def test_a_client_gone_in_a_later_part_leaves_no_multipart(lab: Lab, stop: int) -> None:
    with pytest.raises(ClientGone):
        await lab.upload("gone.bin", LARGE, stop=stop)
    assert "gone.bin" not in await asyncio.to_thread(lab.shelf.keys)
    await lab.clean()


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["object", "parts"])
async def test_a_wrong_digest_commits_nothing(lab: Lab, data: bytes) -> None:
    with pytest.raises(DigestMismatch):
        await lab.upload("wrong.bin", data, claims=[Digest("md5", bytes(16))])
    await asyncio.sleep(0.05)
    assert "wrong.bin" not in await asyncio.to_thread(lab.shelf.keys)
    await lab.clean()


async def test_planted_a_last_slab_released_early_is_caught(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With it the store has the whole body before it is verified, and commits it: the test above would see that."""

    def all_of_them(self: Intake, draft: object) -> list[Slab]:
        del draft
        return self._builder.sealed()

    monkeypatch.setattr(Intake, "_sendable", all_of_them)
    with pytest.raises(DigestMismatch):
        await lab.upload("early.bin", SMALL, claims=[Digest("md5", bytes(16))])
    async with asyncio.timeout(5):
        while "early.bin" not in await asyncio.to_thread(lab.shelf.keys):
            await asyncio.sleep(0.02)
    await asyncio.to_thread(lab.shelf.client.delete_object, Bucket=BUCKET, Key="early.bin")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
