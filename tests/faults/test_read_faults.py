"""Downloads whose backend breaks mid-body: the client gets the right bytes, once, whatever happens behind."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from gateway.adapt.read_ahead import SMALLEST_WINDOW
from gateway.units import KiB, MiB
from tests.faults.lab import FaultLab, fault_lab
from tests.faults.traffic import pattern
from tests.servers.faulty_s3 import Break, answer
from tests.servers.lease import S3Endpoint

pytestmark = [pytest.mark.ci, pytest.mark.asyncio(loop_scope="module")]

BODY = b"".join(pattern(20 * MiB, 5))
KEY = "large.bin"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(
    moto_s3: S3Endpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[FaultLab]:
    folder = tmp_path_factory.mktemp("reads")
    async with fault_lab(moto_s3, folder, "read-faults", idle="1500ms", single_stream=True) as lab:
        await asyncio.to_thread(lab.shelf.put, KEY, BODY)
        yield lab


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ahead_lab(
    moto_s3: S3Endpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[FaultLab]:
    """As it is installed: whether it reads ahead depends on the machine's load."""
    folder = tmp_path_factory.mktemp("ahead")
    async with fault_lab(moto_s3, folder, "ahead-faults", idle="1500ms") as lab:
        await asyncio.to_thread(lab.shelf.put, KEY, BODY)
        yield lab


@pytest.fixture(autouse=True)
def _healthy(lab: FaultLab) -> None:
    lab.proxy.heal()


def ranges(lab: FaultLab) -> list[str | None]:
    """What each GetObject asked for."""
    asked = [one for one in lab.proxy.requests if one.operation == "GetObject"]
    return [request.headers.get("range") for request in asked]


@pytest.mark.parametrize("how", ["reset", "truncated", "silent"])
async def test_a_download_goes_on_where_its_backend_broke(lab: FaultLab, how: str) -> None:
    chance = random.Random()
    offsets = sorted(chance.randrange(1, len(BODY)) for _ in range(2 if how == "silent" else 6))
    done = 0
    for number, offset in enumerate(offsets, start=1):
        # Each break is told in bytes of its own answer: from where the last one ended.
        lab.proxy.fail("GetObject", Break(offset - done, how), nth=number)
        done = offset

    response = await lab.request("GET", KEY)

    assert response.status_code == 200
    assert hashlib.sha256(response.content).digest() == hashlib.sha256(BODY).digest(), offsets
    asked = ranges(lab)
    assert len(asked) == len(offsets) + 1
    assert all(one is not None for one in asked[1:])
    etags = {one.headers.get("if-match") for one in lab.proxy.requests[1:]}
    assert etags == {f'"{hashlib.md5(BODY).hexdigest()}"'}


@pytest.mark.parametrize("how", ["reset", "truncated", "silent"])
async def test_a_download_goes_on_whether_or_not_it_reads_ahead(
    ahead_lab: FaultLab, how: str
) -> None:
    ahead_lab.proxy.heal()
    chance = random.Random()
    # No window is smaller, so the first break is met in any case.
    offsets = [chance.randrange(1, SMALLEST_WINDOW) for _ in range(2 if how == "silent" else 6)]
    for number, offset in enumerate(offsets, start=1):
        ahead_lab.proxy.fail("GetObject", Break(offset, how), nth=number)

    response = await ahead_lab.request("GET", KEY)

    assert response.status_code == 200
    assert hashlib.sha256(response.content).digest() == hashlib.sha256(BODY).digest(), offsets
    asked = ranges(ahead_lab)
    assert len(asked) > 1
    assert all(one is not None for one in asked[1:])
    etags = {one.headers.get("if-match") for one in ahead_lab.proxy.requests[1:]}
    assert etags == {f'"{hashlib.md5(BODY).hexdigest()}"'}


async def test_a_range_goes_on_inside_its_bounds(lab: FaultLab) -> None:
    lab.proxy.fail("GetObject", Break(3 * MiB, "reset"))

    response = await lab.request("GET", KEY, range=f"bytes={MiB}-{9 * MiB - 1}")

    assert response.status_code == 206
    assert response.content == BODY[MiB : 9 * MiB]
    assert ranges(lab)[1] is not None
    assert str(ranges(lab)[1]).endswith(f"-{9 * MiB - 1}")


async def test_a_download_never_mixes_two_versions(lab: FaultLab) -> None:
    def replaced(request: object) -> None:
        lab.shelf.put("changing.bin", bytes(2 * MiB))

    await asyncio.to_thread(lab.shelf.put, "changing.bin", BODY[: 2 * MiB])
    lab.proxy.fail("GetObject", Break(MiB, "reset"))
    lab.proxy.fail("GetObject", replaced, nth=2)

    with pytest.raises(httpx.RemoteProtocolError):
        await lab.request("GET", "changing.bin")


async def test_a_backend_that_gives_nothing_more_ends_the_download_visibly(lab: FaultLab) -> None:
    lab.proxy.fail("GetObject", Break(MiB, "reset"))
    lab.proxy.fail("GetObject", answer(500, "InternalError"), nth=2, times=None)

    with pytest.raises(httpx.RemoteProtocolError):
        await lab.request("GET", KEY)
    assert lab.proxy.calls.count("GetObject") <= 1 + 4 * 3


async def test_a_client_that_leaves_a_download_leaves_nothing_held(lab: FaultLab) -> None:
    url = lab.gateway.presign("GET", "far", KEY)
    for _ in range(5):
        async with lab.http.stream("GET", url) as response:
            async for _piece in response.aiter_bytes(64 * KiB):
                break
    await lab.nothing_is_left()
