"""Every call to the store, failing in every way: the right object or none, and nothing left behind.

The faults come from a proxy between a whole gateway and a real S3. Each key holds an older object before, which must
still be there, whole, whenever the client is told that its upload failed.
"""

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio

from gateway.units import KiB, MiB
from tests.faults.lab import ATTEMPTS, FaultLab, fault_lab
from tests.faults.traffic import pattern
from tests.servers.faulty_s3 import Behaviour, Fault, answer
from tests.servers.lease import S3Endpoint

pytestmark = [pytest.mark.ci, pytest.mark.asyncio(loop_scope="module")]

FAULTS: dict[str, Behaviour] = {
    "500": answer(500, "InternalError"),
    "503": answer(503, "SlowDown"),
    "silence": Fault.SILENCE,
    "deaf": Fault.DEAF,
    "reset": Fault.RESET,
    "slow": Fault.SLOW,
    "truncated": Fault.TRUNCATED,
    "lost": Fault.LOST,
}

#: Faults whose call takes effect: who publishes finds its object there.
EXECUTED = {"slow", "truncated", "lost"}

SMALL = b"".join(pattern(100 * KiB, 1))
LARGE = b"".join(pattern(6 * MiB, 2))
OLD = b"what was there before"

#: One silent attempt lasts this long: above what a loaded machine takes to answer.
IDLE = "3s"

#: The quick tier leaves out what takes seconds by its nature: waiting for silence again and again.
QUICK = ("500", "reset", "truncated", "lost")
ONCE = [
    pytest.param(fault, marks=() if fault in (*QUICK, "silence") else pytest.mark.slow)
    for fault in FAULTS
]
ALWAYS = [pytest.param(fault, marks=() if fault in QUICK else pytest.mark.slow) for fault in FAULTS]


@dataclass(frozen=True)
class Case:
    """``operation`` is hit by ``method`` with ``body``; ``calls`` of it are made in a request without faults."""

    operation: str
    method: str
    body: bytes = b""
    calls: int = 1


WRITES = [
    Case("PutObject", "PUT", SMALL),
    Case("CreateMultipartUpload", "PUT", LARGE),
    Case("UploadPart", "PUT", LARGE, calls=2),
    Case("CompleteMultipartUpload", "PUT", LARGE),
]
READS = [Case("HeadObject", "HEAD"), Case("GetObject", "GET")]


@pytest.fixture(
    scope="module",
    params=["moto", pytest.param("ceph", marks=[pytest.mark.s3, pytest.mark.slow])],
)
def endpoint(request: pytest.FixtureRequest) -> S3Endpoint:
    name = {"moto": "moto_s3", "ceph": "rgw"}[request.param]
    found: S3Endpoint = request.getfixturevalue(name)
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(
    endpoint: S3Endpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[FaultLab]:
    folder = tmp_path_factory.mktemp("matrix")
    async with fault_lab(endpoint, folder, "fault-matrix", idle=IDLE) as lab:
        yield lab


@pytest.fixture(autouse=True)
def _healthy(lab: FaultLab) -> None:
    """Faults and counts of the test before are forgotten."""
    lab.proxy.heal()


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def refusal(response: httpx.Response) -> tuple[int, str]:
    """Status and S3 code: timeouts, too, are SlowDown there, as S3's clients repeat that."""
    code = re.search("<Code>(.*)</Code>", response.text)
    return response.status_code, code[1] if code else ""


async def write(lab: FaultLab, case: Case, **headers: str) -> tuple[httpx.Response, str | None]:
    """PUT over an older object; answers the response and the SHA-256 of what is then there, all cleaned up."""
    key = f"{case.operation}.bin"
    await asyncio.to_thread(lab.shelf.put, key, OLD)
    response = await lab.request(case.method, key, case.body, **headers)
    attempts = lab.proxy.calls.count(case.operation)
    told = f"{attempts} attempts on the wire, then {response.status_code}"
    assert attempts <= ATTEMPTS * case.calls, told
    await lab.nothing_is_left()
    return response, await asyncio.to_thread(lab.shelf.sha256, key)


@pytest.mark.parametrize("fault", ONCE)
@pytest.mark.parametrize("case", WRITES, ids=lambda case: case.operation)
async def test_a_write_survives_one_fault(lab: FaultLab, case: Case, fault: str) -> None:
    lab.proxy.fail(case.operation, FAULTS[fault])

    response, stored = await write(lab, case)

    assert response.status_code == 200
    assert stored == sha256(case.body)


@pytest.mark.parametrize("fault", ALWAYS)
@pytest.mark.parametrize("case", WRITES, ids=lambda case: case.operation)
async def test_pitfall_33_a_write_that_goes_on_failing_stores_all_or_nothing(
    lab: FaultLab, case: Case, fault: str
) -> None:
    lab.proxy.fail(case.operation, FAULTS[fault], times=None)

    response, stored = await write(lab, case)

    publishes = case.operation in ("PutObject", "CompleteMultipartUpload")
    if fault == "slow" or (publishes and fault in EXECUTED):
        assert response.status_code == 200
        assert stored == sha256(case.body)
    else:
        assert refusal(response) == (503, "SlowDown")
        assert int(response.headers["retry-after"]) >= 1
        assert stored == sha256(OLD)


@pytest.mark.parametrize("times", [1, None], ids=["once", "for ever"])
@pytest.mark.parametrize("fault", ALWAYS)
async def test_a_failing_abort_leaves_nothing_to_the_sweep_s_eye(
    lab: FaultLab, fault: str, times: int | None
) -> None:
    lab.proxy.fail("AbortMultipartUpload", FAULTS[fault], times=times)
    case = Case("AbortMultipartUpload", "PUT", LARGE)
    wrong = base64.b64encode(hashlib.md5(SMALL).digest()).decode()

    response, stored = await write(lab, case, content_md5=wrong)

    assert response.status_code == 400
    assert stored == sha256(OLD)


@pytest.mark.parametrize("fault", ALWAYS)
@pytest.mark.parametrize("case", READS, ids=lambda case: case.operation)
async def test_a_read_survives_one_fault(lab: FaultLab, case: Case, fault: str) -> None:
    await asyncio.to_thread(lab.shelf.put, "read.bin", SMALL)
    lab.proxy.fail(case.operation, FAULTS[fault])

    response = await lab.request(case.method, "read.bin")

    lab.proxy.heal()
    assert response.status_code == 200
    assert response.headers["content-length"] == str(len(SMALL))
    assert response.content == (SMALL if case.method == "GET" else b"")


@pytest.mark.parametrize("fault", [p for p in ALWAYS if p.values[0] not in ("slow", "truncated")])
@pytest.mark.parametrize("case", READS, ids=lambda case: case.operation)
async def test_pitfall_33_a_read_that_goes_on_failing_is_refused(
    lab: FaultLab, case: Case, fault: str
) -> None:
    await asyncio.to_thread(lab.shelf.put, "read.bin", SMALL)
    lab.proxy.fail(case.operation, FAULTS[fault], times=None)

    response = await lab.request(case.method, "read.bin")

    attempts = lab.proxy.calls.count(case.operation)
    lab.proxy.heal()
    assert response.status_code == 503
    assert case.method == "HEAD" or refusal(response) == (503, "SlowDown")
    assert attempts <= ATTEMPTS


@pytest.mark.parametrize("fault", ALWAYS)
async def test_a_conditional_write_survives_a_fault_of_the_look_before(
    lab: FaultLab, fault: str
) -> None:
    lab.proxy.fail("HeadObject", FAULTS[fault])

    response, stored = await write(
        lab, Case("PutObject", "PUT", SMALL), if_match=f'"{hashlib.md5(OLD).hexdigest()}"'
    )

    assert response.status_code == 200
    assert stored == sha256(SMALL)


async def test_an_object_whose_fate_cannot_be_known_is_not_called_stored(lab: FaultLab) -> None:
    lab.proxy.fail("PutObject", Fault.LOST, times=None)
    lab.proxy.fail("HeadObject", answer(500, "InternalError"), times=None)

    response, _ = await write(lab, Case("PutObject", "PUT", SMALL))

    assert response.status_code == 503


@pytest.mark.parametrize("case", WRITES, ids=lambda case: case.operation)
async def test_a_store_that_asks_for_more_time_than_we_wait_is_asked_once(
    lab: FaultLab, case: Case
) -> None:
    lab.proxy.fail(case.operation, answer(503, "SlowDown", retry_after=30), times=None)

    # A part that is being sent when another is refused was asked for as well.
    response = await lab.request("PUT", "patient.bin", case.body)

    assert lab.proxy.calls.count(case.operation) <= case.calls
    await lab.nothing_is_left()
    assert response.status_code == 503
    assert response.headers["retry-after"] == "30"
    assert await asyncio.to_thread(lab.shelf.sha256, "patient.bin") is None
