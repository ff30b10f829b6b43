"""The client gone in the middle of its body, anywhere: no object, no multipart, nothing held."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from gateway.units import KiB, MiB
from tests.faults.lab import FaultLab, fault_lab
from tests.faults.traffic import upload
from tests.protocol.forms import content_type, form, signed
from tests.servers.gateway import KEY_ID, SECRET
from tests.servers.lease import S3Endpoint

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIZE = 12 * MiB

#: Uploads at a time.
ABREAST = 8


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(
    moto_s3: S3Endpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[FaultLab]:
    folder = tmp_path_factory.mktemp("gone")
    async with fault_lab(moto_s3, folder, "client-gone", idle="20s") as lab:
        yield lab


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ceph_lab(
    rgw: S3Endpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[FaultLab]:
    folder = tmp_path_factory.mktemp("gone-ceph")
    async with fault_lab(rgw, folder, "client-gone", idle="20s") as lab:
        yield lab


async def cut_at(lab: FaultLab, points: Iterable[int], *, chunked: bool) -> None:
    """Uploads that end at each of the points, several at a time; then look what is there."""
    places = asyncio.Semaphore(ABREAST)

    async def one(point: int) -> int:
        url = lab.gateway.presign("PUT", "far", f"gone-{point}.bin")
        async with places:
            answer = await upload(
                url, SIZE, stop_after=point, chunked=chunked, reset=bool(point & 64 * KiB)
            )
        return answer.status

    statuses = await asyncio.gather(*(one(point) for point in points))

    assert set(statuses) == {0}
    await lab.nothing_is_left()
    assert await asyncio.to_thread(lab.shelf.keys) == set()


@pytest.mark.parametrize("chunked", [False, True], ids=["known length", "chunked"])
async def test_a_client_gone_at_any_mebibyte_leaves_nothing(lab: FaultLab, chunked: bool) -> None:
    await cut_at(lab, range(64 * KiB, SIZE, 960 * KiB), chunked=chunked)


@pytest.mark.s3
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("chunked", [False, True], ids=["known length", "chunked"])
async def test_a_client_gone_at_any_64_kib_leaves_nothing(
    ceph_lab: FaultLab, chunked: bool
) -> None:
    points = list(range(0, SIZE, 64 * KiB))
    random.Random(7).shuffle(points)
    assert len(points) == 192
    await cut_at(ceph_lab, points, chunked=chunked)


@pytest.mark.parametrize("chunked", [False, True], ids=["known length", "chunked"])
async def test_a_client_gone_in_the_middle_of_a_form_leaves_nothing(
    lab: FaultLab, chunked: bool
) -> None:
    where = [{"bucket": "far"}, {"key": "gone.bin"}]
    fields = signed(where, {"key": "gone.bin"}, key_id=KEY_ID, secret=SECRET)
    body = form(fields, bytes(SIZE))
    for cut in (500, 6 * MiB, len(body) - 40, len(body) - 5):
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
        where_to = urlsplit(lab.gateway.url)
        _, writer = await asyncio.open_connection(where_to.hostname, where_to.port)
        head = f"POST /far HTTP/1.1\r\nHost: {where_to.netloc}\r\n{framing}\r\n"
        head += ": ".join(content_type()) + "\r\n\r\n"
        begin = f"{len(body):x}\r\n".encode() if chunked else b""
        writer.write(head.encode() + begin + body[:cut])
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    await lab.nothing_is_left()
    assert await asyncio.to_thread(lab.shelf.keys) == set()


async def test_a_gateway_that_lost_clients_aborts_their_uploads_without_any_sweep(
    lab: FaultLab,
) -> None:
    url = lab.gateway.presign("PUT", "far", "gone.bin")
    await upload(url, SIZE, stop_after=11 * MiB)

    async with asyncio.timeout(20):
        while lab.proxy.calls.count("AbortMultipartUpload") == 0 or not await lab.idle():
            await asyncio.sleep(0.05)
    assert await asyncio.to_thread(lab.shelf.multiparts) == {}
    assert await lab.runtime.sessions.intents() == []
    lab.proxy.heal()
