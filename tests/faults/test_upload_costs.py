"""What resumable uploads cost, counted at the store's own socket: calls, bytes, seconds, memory and disk."""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import httpx
import pytest

from gateway.units import KiB, MiB
from loadtests import accounting
from tests.conformance.sluice import bearer
from tests.faults.lab import FaultLab, eventually, fault_lab
from tests.redis_server import running_redis
from tests.servers.faulty_s3 import Fault
from tests.servers.lease import S3Endpoint
from tests.servers.line import half_open

pytestmark = pytest.mark.ci

TUS = {"Tus-Resumable": "1.0.0"}
APPEND = TUS | {"Content-Type": "application/offset+octet-stream"}
IETF = {"Upload-Draft-Interop-Version": "8"}
_NUMBERS = count()


@dataclass
class Meter:
    """An upload, and what it makes the store do. ``fleet``: what is too little for a part waits in the store."""

    lab: FaultLab
    fleet: bool

    async def begin(self, key: str, length: int) -> str:
        """Its path."""
        made = await self.lab.http.post(
            f"{self.lab.gateway.url}/-/uploads/far/{key}",
            headers=[*TUS.items(), ("Upload-Length", str(length)), bearer("far", "me")],
        )
        assert made.status_code == 201, made.text
        return str(made.headers["location"])

    async def send(self, path: str, data: bytes, step: int) -> None:
        """All of it, in PATCHes of ``step`` bytes."""
        for at in range(0, len(data), step):
            answer = await self.lab.http.patch(
                self.lab.gateway.url + path,
                content=data[at : at + step],
                headers=APPEND | {"Upload-Offset": str(at)},
            )
            assert answer.status_code == 204, answer.text

    def calls(self) -> list[str]:
        """What the store was asked since the last time."""
        asked = list(self.lab.proxy.calls)
        self.lab.proxy.calls.clear()
        return asked


@pytest.fixture(params=["local", "fleet"])
async def meter(
    request: pytest.FixtureRequest, moto_s3: S3Endpoint, tmp_path: Path
) -> AsyncIterator[Meter]:
    fleet = request.param == "fleet"
    async with metered(moto_s3, tmp_path, fleet=fleet) as found:
        yield found


@asynccontextmanager
async def metered(store: S3Endpoint, folder: Path, *, fleet: bool) -> AsyncIterator[Meter]:
    """A gateway of one machine, or of a fleet."""
    with running_redis(folder, durable=True) as redis:
        sessions = redis.url() if fleet else ""
        bucket = f"costs-{next(_NUMBERS)}"
        async with fault_lab(
            store, folder, bucket, idle="60s", sessions=sessions, budget="512MiB", part_size="8MiB"
        ) as lab:
            lab.proxy.heal()
            yield Meter(lab, fleet)


async def test_twelve_patches_of_1_mib_cost_8_calls_here_and_20_in_a_fleet(meter: Meter) -> None:
    data = os.urandom(12 * MiB)
    path = await meter.begin("twelve.bin", len(data))
    meter.calls()
    await meter.send(path, data, MiB)
    calls = meter.calls()
    print(f"{len(calls)} calls: {sorted(calls)}")
    assert len(calls) <= (12 + 8 if meter.fleet else 8), calls
    stored = await asyncio.to_thread(meter.lab.shelf.sha256, "twelve.bin")
    assert stored == hashlib.sha256(data).hexdigest()


async def test_a_question_during_a_stale_patch_takes_50_ms_and_no_call(meter: Meter) -> None:
    """Of clients silent for a moment and for seconds, in both protocols. The least of three, so that what else runs on
    the machine does not count."""
    for silence, headers in ((0.3, TUS), (0.3, IETF), (2.5, TUS), (2.5, IETF)):
        urls = [
            meter.lab.gateway.url + await meter.begin(f"stale-{number}.bin", MiB)
            for number in range(3)
        ]
        hanging = [half_open(url, 0, os.urandom(300 * KiB), MiB) for url in urls]
        await asyncio.sleep(silence)
        await meter.lab.http.get(f"{meter.lab.gateway.url}/-/livez")  # a connection that is up
        meter.calls()
        took = [await _ask(meter, url, headers) for url in urls]
        print(f"HEAD took {[round(1000 * each, 1) for each in took]} ms after {silence} s")
        assert min(took) <= 0.050
        for connection in hanging:
            connection.close()


async def _ask(meter: Meter, url: str, headers: dict[str, str]) -> float:
    """Seconds that a HEAD takes, which calls no store; what it tells is then accepted."""
    began = time.perf_counter()
    answer = await meter.lab.http.head(url, headers=headers)
    took = time.perf_counter() - began
    assert answer.status_code in (200, 204)
    assert meter.calls() == []
    offset = int(answer.headers["upload-offset"])
    told = APPEND | {"Upload-Offset": str(offset)}
    rest = os.urandom(MiB - offset)
    assert (await meter.lab.http.patch(url, content=rest, headers=told)).status_code == 204
    meter.calls()
    return took


def disk(folder: Path) -> int:
    """Bytes of all files that a gateway has."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


async def test_one_client_before_a_store_that_stands_still_costs_32_mib(
    moto_s3: S3Endpoint, tmp_path: Path
) -> None:
    """With the defaults: two parts of 8 MiB that the store does not take, and a third that is begun."""
    async with metered(moto_s3, tmp_path, fleet=False) as meter:
        lab = meter.lab
        # All modules are there then, and little of the memory.
        warm = await meter.begin("warm.bin", 9 * MiB)
        await meter.send(warm, os.urandom(9 * MiB), 300 * KiB)
        await eventually(lab.idle)
        meter.calls()
        memory, files = accounting.memory(lab.gateway.pid), disk(lab.gateway.folder)
        lab.proxy.fail("UploadPart", Fault.DEAF, times=None)
        path = await meter.begin("stuck.bin", 512 * MiB)
        sending = asyncio.create_task(_pour(lab.gateway.url + path, 512 * MiB))
        grown, more = 0, 0
        for _ in range(40):
            await asyncio.sleep(0.1)
            grown = max(grown, accounting.memory(lab.gateway.pid) - memory)
            more = max(more, disk(lab.gateway.folder) - files)
        assert not sending.done()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        print(f"memory grew by {grown / MiB:.1f} MiB, disk by {more / MiB:.1f} MiB")
        assert meter.calls().count("UploadPart") == 2
        assert 8 * MiB < grown + more <= 32 * MiB


async def _pour(url: str, size: int) -> None:
    async def body() -> AsyncIterator[bytes]:
        piece = os.urandom(MiB)
        for _ in range(size // MiB):
            yield piece

    async with httpx.AsyncClient(timeout=60) as http:
        told = APPEND | {"Upload-Offset": "0", "Content-Length": str(size)}
        await http.patch(url, content=body(), headers=told)
