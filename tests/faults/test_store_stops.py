"""One client before a store that stands still costs 32 MiB of memory and disk at most, whenever the store stops."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gateway.units import GiB, MiB
from loadtests import accounting
from loadtests.bench import subjects
from loadtests.processes import Server, running_module
from loadtests.signing import head, presigned, signed
from loadtests.wire import Pattern, UnexpectedAnswer, Wire
from tests.faults.lab import eventually, fault_lab
from tests.faults.test_upload_costs import disk
from tests.faults.traffic import upload
from tests.servers.faulty_s3 import Fault
from tests.servers.lease import S3Endpoint

pytestmark = pytest.mark.ci

MOST = 32 * MiB
SIZE = 8 * GiB
#: Seconds for which the client goes on when the store has stopped.
WATCHED = 4.0


@contextmanager
def before_a_null_store(folder: Path) -> Iterator[tuple[Server, Server]]:
    """A gateway with the defaults, all modules loaded, and its store, which a signal can stop."""
    with (
        running_module("null", "loadtests.null_s3", folder) as store,
        subjects.sluice(folder, store.port) as gateway,
    ):
        size = 20 * MiB
        length = (b"content-length", b"%d" % size)
        with Wire(gateway.port) as wire:
            wire.put(presigned("PUT", _path("warm"), gateway.port, [length]), Pattern(), size)
        yield store, gateway


def _path(key: str) -> str:
    return f"/{subjects.BUCKET}/{key}"


def _plain(wire: Wire, port: int) -> bytes:
    return presigned("PUT", _path("big"), port, [(b"content-length", b"%d" % SIZE)])


def _tus(wire: Wire, port: int) -> bytes:
    version = (b"tus-resumable", b"1.0.0")
    told = [version, (b"upload-length", b"%d" % SIZE), (b"content-length", b"0")]
    made = wire.ask(signed("POST", f"/-/uploads{_path('big')}", port, told), expect=201)
    path = made.headers["location"].partition(f":{port}")[2] or made.headers["location"]
    more = [
        (b"host", b"127.0.0.1:%d" % port), version, (b"upload-offset", b"0"),
        (b"content-type", b"application/offset+octet-stream"), (b"content-length", b"%d" % SIZE),
    ]  # fmt: skip
    return head("PATCH", path.encode(), more)


@pytest.mark.parametrize("begin", [_plain, _tus], ids=["put", "tus"])
def test_a_store_that_stops_in_the_middle_of_an_upload_costs_32_mib(
    tmp_path: Path, begin: Callable[[Wire, int], bytes]
) -> None:
    """Growth from the moment at which it stops."""
    with before_a_null_store(tmp_path) as (store, gateway), Wire(gateway.port, timeout=20) as wire:
        request = begin(wire, gateway.port)
        sending = threading.Thread(target=_pour, args=(wire, request), daemon=True)
        sending.start()
        time.sleep(1.0)
        assert sending.is_alive()
        os.kill(store.pid, signal.SIGSTOP)
        try:
            memory, files = accounting.memory(gateway.pid), disk(tmp_path)
            grown = _growth(gateway, tmp_path, memory, files)
            alive = sending.is_alive()
        finally:
            os.kill(store.pid, signal.SIGCONT)
        wire.cut()
        sending.join(20)
    print(f"grew by {grown / MiB:.1f} MiB")
    assert alive
    assert grown <= MOST


def _growth(gateway: Server, folder: Path, memory: int, files: int) -> int:
    """The most by which memory and disk together grow over what they were."""
    grown, until = 0, time.monotonic() + WATCHED
    while time.monotonic() < until:
        time.sleep(0.1)
        more = accounting.memory(gateway.pid) - memory + disk(folder) - files
        grown = max(grown, more)
    return grown


def _pour(wire: Wire, request: bytes) -> None:
    with suppress(OSError, UnexpectedAnswer):
        wire.begin(request, Pattern(), SIZE)


async def test_a_put_before_a_store_that_takes_no_part_costs_32_mib(
    moto_s3: S3Endpoint, tmp_path: Path
) -> None:
    """It stands still from the start: three parts of 8 MiB are with it, and no more is asked for."""
    async with fault_lab(
        moto_s3, tmp_path, "still", idle="60s", budget="512MiB", part_size="8MiB"
    ) as lab:
        answered = await upload(lab.gateway.presign("PUT", "far", "warm.bin"), 9 * MiB, 1)
        assert answered.status == 200
        await eventually(lab.idle)
        lab.proxy.heal()
        lab.proxy.fail("UploadPart", Fault.DEAF, times=None)
        memory, files = accounting.memory(lab.gateway.pid), disk(lab.gateway.folder)
        url = lab.gateway.presign("PUT", "far", "stuck.bin")
        sending = asyncio.create_task(upload(url, 512 * MiB, 2))
        grown = 0
        for _ in range(40):
            await asyncio.sleep(0.1)
            more = accounting.memory(lab.gateway.pid) - memory + disk(lab.gateway.folder) - files
            grown = max(grown, more)
        assert not sending.done()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        print(f"grew by {grown / MiB:.1f} MiB")
        assert lab.proxy.calls.count("UploadPart") == 3
        assert grown <= MOST
