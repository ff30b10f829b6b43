"""Memory: what is in transit stays inside its budget, whoever sends and however slowly."""

import asyncio
import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.units import GiB, KiB, MiB
from tests.faults.traffic import pattern_digest, upload
from tests.servers.fixtures import own_bucket
from tests.servers.gateway import CONFIG, GatewayProcess, running_gateway
from tests.servers.lease import S3Endpoint

BUDGET = """
[memory]
budget = "64MiB"
spool = "{folder}/spool"
"""

S3_STORE = """
[storage.far]
kind = "s3"
endpoint_url = "{url}"
access_key_id = "{access_key}"
secret_access_key = "{secret_key}"

[buckets.far]
storage = "far"
bucket = "{bucket}"
"""


def s3_config(endpoint: S3Endpoint, bucket: str) -> str:
    """A configuration whose bucket ``far`` lies in a real S3."""
    base = CONFIG.replace('[memory]\nspool = "{folder}/spool"', BUDGET)
    far = S3_STORE.format(
        url=endpoint.url,
        access_key=endpoint.access_key,
        secret_key=endpoint.secret_key,
        bucket=bucket,
    )
    return base + far


@pytest.fixture(scope="module")
def gateway(rgw: S3Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    bucket = own_bucket(rgw, "memory")
    with running_gateway(tmp_path_factory.mktemp("gateway"), s3_config(rgw, bucket)) as process:
        yield process


def curl_put(gateway: GatewayProcess, size: int, key: str, *options: str) -> str:
    """PUT ``size`` bytes with curl from a pipe; answers the status."""
    url = gateway.presign("PUT", "far", key)
    producer = subprocess.Popen(["head", "-c", str(size), "/dev/zero"], stdout=subprocess.PIPE)
    done = subprocess.run(
        ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", *options, "-T", "-", url],
        stdin=producer.stdout,
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    assert producer.stdout is not None
    producer.stdout.close()
    producer.wait(10)
    return done.stdout


def digest_back(gateway: GatewayProcess, bucket: str, key: str) -> str:
    digest = hashlib.sha256()
    with httpx.stream("GET", gateway.presign("GET", bucket, key), timeout=120) as response:
        assert response.status_code == 200
        for piece in response.iter_bytes(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def zeros(size: int) -> str:
    digest, block = hashlib.sha256(), bytes(1 << 20)
    for _ in range(size // len(block)):
        digest.update(block)
    return digest.hexdigest()


@pytest.mark.s3
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("known", [True, False], ids=["known length", "unknown length"])
def test_four_gibibytes_go_through_a_64_mib_budget(gateway: GatewayProcess, known: bool) -> None:
    size = 4 * GiB
    options = ["-H", f"Content-Length: {size}", "-H", "Transfer-Encoding:"] if known else []

    assert curl_put(gateway, size, "large.bin", *options) == "200"

    assert digest_back(gateway, "far", "large.bin") == zeros(size)
    httpx.delete(gateway.presign("DELETE", "far", "large.bin"), timeout=60)
    print(f"peak RSS {gateway.rss() / MiB:.0f} MiB")
    assert gateway.rss() <= 160 * MiB


async def many(
    gateway: GatewayProcess, count: int, size: int, rate: float | None, bucket: str
) -> None:
    urls = [gateway.presign("PUT", bucket, f"many-{i}") for i in range(count)]
    answers = await asyncio.gather(*(upload(url, size, i, rate=rate) for i, url in enumerate(urls)))

    assert [answer.status for answer in answers] == [200] * count
    for i in range(0, count, max(1, count // 20)):
        assert digest_back(gateway, bucket, f"many-{i}") == pattern_digest(size, i)


@pytest.mark.s3
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("rate", [None, 320 * KiB], ids=["fast", "trickling"])
async def test_two_hundred_uploads_share_a_64_mib_budget(
    gateway: GatewayProcess, rate: float | None
) -> None:
    await many(gateway, 200, 16 * MiB, rate, "far")

    print(f"peak RSS {gateway.rss() / MiB:.0f} MiB")
    assert gateway.rss() <= 160 * MiB


async def test_twenty_trickling_uploads_share_a_small_budget(tmp_path: Path) -> None:
    config = CONFIG.replace(
        'spool = "{folder}/spool"', 'spool = "{folder}/spool"\nbudget = "16MiB"'
    )
    with running_gateway(tmp_path, config) as gateway:
        await many(gateway, 20, 10 * MiB, 4 * MiB, "demo")
