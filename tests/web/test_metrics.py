"""The metrics: each moves, and none grows a label with what clients send."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import prometheus_client
import pytest

from gateway.errors import StorageUnavailable
from gateway.model import (
    Attributes,
    MultipartListing,
    MultipartRef,
    ObjectKey,
    Opened,
    Part,
    PartReceipt,
)
from gateway.storage.memory import MemoryStore
from gateway.telemetry import Instrument
from gateway.units import KiB, MiB
from gateway.web.books import Waiting
from gateway.web.metrics import Metrics
from gateway.web.streams import Message
from tests.protocol.signatures.wire import botocore_presigned
from tests.transfer.far import eager
from tests.web import lab
from tests.web.test_endpoint import Broken

PART = 256 * KiB


class Trouble(MemoryStore):
    """A store where everything that can go wrong does once."""

    def __init__(self) -> None:
        super().__init__("main")
        self.once = {"part", "get"}
        self.abort_fails = False

    async def upload_part(self, ref: MultipartRef, part: Part) -> PartReceipt:
        if "part" in self.once:
            self.once.remove("part")
            raise StorageUnavailable("a bad moment")
        return await super().upload_part(ref, part)

    async def get(self, key: ObjectKey, **more: Any) -> Opened:
        opened = await super().get(key, **more)
        if "get" not in self.once:
            return opened
        self.once.remove("get")
        source = Broken(opened.source, StorageUnavailable("it broke"))
        return Opened(opened.info, opened.range, source)

    async def abort_multipart(self, ref: MultipartRef) -> None:
        if self.abort_fails:
            raise StorageUnavailable("not now")
        await super().abort_multipart(ref)

    async def list_multiparts(self, bucket: str, prefix: str) -> AsyncIterator[MultipartListing]:
        async for found in super().list_multiparts(bucket, prefix):
            yield found


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of gauges that were set or changed: many are back at zero in the end."""
    names: set[str] = set()

    def record(self: Any, name: str, value: Any) -> None:
        if name != "_metric" and value and isinstance(self._metric, prometheus_client.Gauge):
            names.add(self._metric._name)
        object.__setattr__(self, name, value)

    monkeypatch.setattr(Waiting, "__setattr__", record)
    return names


def paused(gate: asyncio.Event, *pieces: bytes) -> Any:
    """A body whose last piece waits for the gate."""
    left = list(pieces)

    async def receive() -> Message:
        if len(left) == 1:
            await gate.wait()
        piece = left.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(left)}

    return receive


async def start_uploads(client: lab.Client, count: int, gate: asyncio.Event) -> list[Any]:
    """Uploads that hold most of a part each and then wait."""

    async def nothing(message: Any) -> None: ...

    tasks = []
    for number in range(count):
        path = f"/photos/slow{number}"
        wire = botocore_presigned("PUT", path.encode(), now=time.time())
        length = [("content-length", str(PART))]
        scope = client.scope("PUT", f"{path}?{wire.query.decode()}", length)
        pieces = [bytes(PART // 4)] * 4
        tasks.append(asyncio.create_task(client.app(scope, paused(gate, *pieces), nothing)))
    return tasks


async def test_pitfall_21_every_metric_moves_in_one_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: set[str]
) -> None:
    store = Trouble()
    await store.create_multipart(ObjectKey("photos", "foreign"), Attributes())
    monkeypatch.setattr(
        "gateway.pipeline.intake._FAST", 0.0
    )  # a burst is no proof of a fast client
    monkeypatch.setattr("gateway.runtime.open_store", lambda name, section: store)
    sections: dict[str, Any] = {
        "memory": {"budget": "1MiB", "spool": tmp_path / "spool"},
        "transfer": {"part_size": PART // 2, "max_cut_through": 6},
        "retry": {"attempts": 2, "base": 0.001, "breaker_failures": 2, "breaker_cooldown": 0.01},
    }
    async with lab.gateway(tmp_path, **sections) as client:
        await client.signed("PUT", "/public/a", bytes(3 * PART), now=time.time())
        with eager():
            await client.send("GET", "/public/a")
        await client.send("GET", "/photos/a")
        gate = asyncio.Event()
        slow = await start_uploads(client, 20, gate)
        deadline = time.monotonic() + 10
        while (
            not moved >= {"sluice_spool_used_bytes", "sluice_passages"}
            and time.monotonic() < deadline
        ):
            await asyncio.sleep(0.02)
        gate.set()
        await asyncio.gather(*slow)
        store.abort_fails = True
        gone: list[dict[str, Any]] = [
            {"type": "http.request", "body": bytes(2 * PART), "more_body": True},
            {"type": "http.disconnect"},
        ]
        wire = botocore_presigned("PUT", b"/photos/gone", now=time.time())
        length = [("content-length", str(MiB))]
        await client.send("PUT", f"/photos/gone?{wire.query.decode()}", gone, length)
        text = (await client.send("GET", "/-/metrics")).body.decode()

    registry = Metrics(1).registry
    still = {metric.name for metric in registry.collect() if not _moved(text, metric.name, moved)}
    assert still == set()


def _moved(text: str, name: str, gauges: set[str]) -> bool:
    samples = [
        line
        for line in text.splitlines()
        if line.startswith((f"{name}_total", f"{name}_sum", f"{name}_count"))
    ]
    return name in gauges or any(float(line.rpartition(" ")[2]) > 0 for line in samples)


def test_every_fact_of_the_instrument_is_counted() -> None:
    facts = {name for name, _ in inspect.getmembers(Instrument, inspect.isfunction)}

    assert {name for name in facts if name not in vars(Metrics)} == set()


async def test_case_95_labels_hold_nothing_that_clients_send(tmp_path: Path) -> None:
    async with lab.gateway(tmp_path) as client:
        for number in range(30):
            await client.signed("PUT", f"/photos/key{number}", b"x", now=time.time())
            await client.send("GET", f"/bucket{number}/key{number}?q{number}=1")
            await client.send(f"METHOD{number}", "/photos/a", headers=[("origin", f"o{number}")])
        text = (await client.send("GET", "/-/metrics")).body.decode()
        for word in ("key1", "bucket1", "photos", "METHOD1", "q1", "o1", "SLUICEEXAMPLEKEY01"):
            assert word not in text
        before = len(text.splitlines())
        for number in range(100, 110):
            await client.send("GET", f"/bucket{number}/key{number}")
        after = (await client.send("GET", "/-/metrics")).body.decode()
        assert len(after.splitlines()) == before


def test_names_follow_prometheus_rules() -> None:
    for metric in Metrics(1).registry.collect():
        assert metric.name.startswith("sluice_")
        assert metric.documentation
        assert metric.type != "histogram" or metric.name.endswith("_seconds")
        assert not metric.name.endswith(("_milliseconds", "_kb", "_mb"))


def test_several_workers_show_one_exposition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))

    # This process keeps its values in memory; what is merged are the (absent) workers' files.
    assert Metrics(1).text() == b""
