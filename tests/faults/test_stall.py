"""A store that stalls in the middle: the client is stopped, and goes on when the store does."""

import asyncio
from pathlib import Path

import pytest

from gateway.units import MiB
from tests.faults.lab import fault_lab
from tests.faults.traffic import pattern_digest, upload
from tests.servers.faulty_s3 import Fault
from tests.servers.lease import S3Endpoint

pytestmark = pytest.mark.ci

SIZE = 56 * MiB
BUDGET = 24 * MiB

#: What the kernel may hold on both sides of two connections.
SOCKETS = 16 * MiB


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault.SILENCE, id="silent"),
        pytest.param(Fault.DEAF, id="deaf", marks=pytest.mark.slow),
    ],
)
async def test_a_store_that_stalls_stops_the_client_until_it_goes_on(
    moto_s3: S3Endpoint, tmp_path: Path, fault: Fault
) -> None:
    async with fault_lab(moto_s3, tmp_path, "stall", idle="5s", budget="24MiB") as lab:
        lab.proxy.heal()
        lab.proxy.fail("UploadPart", fault, times=None)
        sent: list[int] = []
        url = lab.gateway.presign("PUT", "far", "stalled.bin")
        running = asyncio.create_task(upload(url, SIZE, 3, progress=sent))
        async with asyncio.timeout(15):
            while lab.proxy.calls.count("UploadPart") < 2:
                await asyncio.sleep(0.05)
        await asyncio.sleep(1.5)
        stopped_at = sent[0]
        await asyncio.sleep(1)

        assert sent[0] == stopped_at <= BUDGET + SOCKETS
        assert not running.done()

        lab.proxy.heal()
        assert (await running).status == 200
        await lab.nothing_is_left()
        found = await asyncio.to_thread(lab.shelf.sha256, "stalled.bin")
        assert found == pattern_digest(SIZE, 3)
