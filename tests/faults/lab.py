"""A gateway in front of a real S3 that fails on order, and the questions every fault test asks of it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
from botocore.config import Config

from gateway.runtime import Runtime, open_runtime
from gateway.settings import load_settings
from gateway.storage.base import PROBE_MARK
from gateway.transfer.sweep_report import SweepReport
from gateway.transfer.sweeper import Sweeper
from tests.servers.faulty_s3 import FaultyS3
from tests.servers.fixtures import own_bucket
from tests.servers.gateway import CONFIG, GatewayProcess, running_gateway
from tests.servers.lease import S3Endpoint

#: Attempts of one call, as configured below.
ATTEMPTS = 3

FAR = """
budget = "{budget}"

[transfer]
part_size = "5MiB"

[retry]
attempts = {attempts}
base = "5ms"
cap = "300ms"
budget = 1.0
breaker_failures = 100000

[sweep]
interval = 0
grace = "{grace}"

[storage.far]
kind = "s3"
endpoint_url = "{url}"
access_key_id = "{access_key}"
secret_access_key = "{secret_key}"
connect_timeout = "{idle}"
idle_timeout = "{idle}"

[buckets.far]
storage = "far"
bucket = "{bucket}"
"""


def far_config(
    endpoint: S3Endpoint,
    bucket: str,
    *,
    url: str = "",
    idle: str = "30s",
    grace: str = "60s",
    budget: str = "64MiB",
) -> str:
    """A configuration whose bucket ``far`` is ``bucket`` of a real S3, reached at ``url``."""
    far = FAR.format(
        attempts=ATTEMPTS,
        url=url or endpoint.url,
        access_key=endpoint.access_key,
        secret_key=endpoint.secret_key,
        bucket=bucket,
        idle=idle,
        grace=grace,
        budget=budget,
    )
    # It goes on inside [memory], the section before [cors].
    return CONFIG.replace("\n[cors]", far + "\n[cors]")


def direct(endpoint: S3Endpoint) -> Any:
    """A boto3 client of the store itself."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint.url,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        region_name=endpoint.region,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 3}),
    )


@dataclass
class Shelf:
    """A bucket as the store itself shows it."""

    client: Any
    bucket: str

    def sha256(self, key: str) -> str | None:
        """Of the object; None: there is none."""
        try:
            body = self.client.get_object(Bucket=self.bucket, Key=key)["Body"]
        except self.client.exceptions.NoSuchKey:
            return None
        digest = hashlib.sha256()
        for piece in body.iter_chunks(1 << 20):
            digest.update(piece)
        return digest.hexdigest()

    def put(self, key: str, body: bytes) -> None:
        """Store an object behind the gateway's back."""
        self.client.put_object(Bucket=self.bucket, Key=key, Body=body)

    def keys(self) -> set[str]:
        """All objects; fewer than a thousand."""
        listed = self.client.list_objects_v2(Bucket=self.bucket)
        return {entry["Key"] for entry in listed.get("Contents", ())}

    def multiparts(self) -> dict[str, str]:
        """Unfinished uploads but those of probes (see gateway.storage.base): the upload's id to its key."""
        listed = self.client.list_multipart_uploads(Bucket=self.bucket)
        found = {entry["UploadId"]: entry["Key"] for entry in listed.get("Uploads", ())}
        return {name: key for name, key in found.items() if PROBE_MARK not in key}

    def warm_up(self) -> None:
        """A first multipart upload: a young Ceph makes pools at it, for seconds."""
        target = {"Bucket": self.bucket, "Key": "warm.bin"}
        target["UploadId"] = self.client.create_multipart_upload(**target)["UploadId"]
        part = self.client.upload_part(**target, PartNumber=1, Body=b"warm")
        self.client.complete_multipart_upload(
            **target, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        )
        self.client.delete_object(Bucket=self.bucket, Key="warm.bin")


@dataclass
class FaultLab:
    """All of it, running. ``runtime`` is a sweeper's, as ``sluice sweep`` has it, beside the gateway's own."""

    gateway: GatewayProcess
    proxy: FaultyS3
    shelf: Shelf
    runtime: Runtime
    http: httpx.AsyncClient

    async def request(
        self, method: str, key: str, body: bytes = b"", **headers: str
    ) -> httpx.Response:
        """A presigned request to the bucket ``far``."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.request(
            method, self.gateway.presign(method, "far", key), content=body, headers=names
        )

    async def sweep(self) -> SweepReport:
        """What ``sluice sweep`` does once the grace of a Create that may still be on its way is over."""
        sweeper = Sweeper(self.runtime.stores, self.runtime.sessions, grace=0.0)
        return await sweeper.sweep(self.runtime.targets)

    async def nothing_is_left(self) -> None:
        """Heal the store, sweep, and look: no multipart, no intent, no memory, no spool."""
        self.proxy.heal()
        await eventually(self.idle, 30)
        report = await self.sweep()
        assert report == SweepReport(aborted=report.aborted), report
        assert await asyncio.to_thread(self.shelf.multiparts) == {}
        assert await self.runtime.sessions.intents() == []

    async def idle(self) -> bool:
        """Whether no request runs and nothing is held."""
        metrics = await gauges(self.http, self.gateway.url)
        names = ("requests_running", "memory_used_bytes", "spool_used_bytes")
        return not any(metrics[f"sluice_{name}"] for name in names)


async def gauges(http: httpx.AsyncClient, url: str) -> dict[str, float]:
    """The metrics without labels."""
    text = (await http.get(f"{url}/-/metrics")).text
    pairs = (line.split() for line in text.splitlines() if line[:1] not in ("#", ""))
    return {pair[0]: float(pair[1]) for pair in pairs if "{" not in pair[0]}


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def fault_lab(
    endpoint: S3Endpoint,
    folder: Path,
    bucket: str,
    *,
    idle: str,
    budget: str = "64MiB",
    single_stream: bool = False,
    sessions: str = "",
    part_size: str = "5MiB",
) -> AsyncIterator[FaultLab]:
    """One for the length of the block, its store probed. The bucket, whose name begins with ``bucket``, is its own: its
    tests look at all that is in it. ``single_stream``: no read-ahead, which asks for more as the machine is slow, so
    that calls can be counted. ``sessions``: their URL; SQLite's when it is empty."""
    bucket = await asyncio.to_thread(own_bucket, endpoint, bucket)
    shelf = Shelf(await asyncio.to_thread(direct, endpoint), bucket)
    await asyncio.to_thread(shelf.warm_up)
    async with FaultyS3(endpoint.url) as proxy:
        config = far_config(endpoint, bucket, url=proxy.url, idle=idle, grace="15s", budget=budget)
        if single_stream:
            config = config.replace("\n[transfer]\n", "\n[transfer]\nconcurrency = 1\n")
        if sessions:
            config = config.replace("sqlite:///{folder}/sessions.db", sessions)
        config = config.replace('part_size = "5MiB"', f'part_size = "{part_size}"')
        context = running_gateway(folder, config)
        gateway = await asyncio.to_thread(context.__enter__)
        try:
            settings = load_settings(folder / "sluice.toml", {})
            async with open_runtime(settings) as runtime, httpx.AsyncClient(timeout=60) as http:
                lab = FaultLab(gateway, proxy, shelf, runtime, http)
                await eventually(lambda: _probed(lab), 90)
                yield lab
                shelf.client.close()
        finally:
            await asyncio.to_thread(context.__exit__, None, None, None)


async def _probed(lab: FaultLab) -> bool:
    """Whether a probe has ended and did not fail: its last acts are to remove what it made."""
    # Only failures are followed by another run; that one takes its time is told as well.
    runs = lab.gateway.logs().count('"task": "probe", "error"') + 1
    writes = {request.target.partition("?")[0] for request in lab.proxy.requests}
    begun = sum(target.endswith("-access") for target in writes)
    removed = lab.proxy.calls.count("DeleteObject") >= begun
    if begun != runs or not removed:
        return False
    # On a busy machine a store may write what its client has given up, and removed, long ago.
    left = await asyncio.to_thread(lab.shelf.keys)
    for key in left:
        assert PROBE_MARK in key, key
        await asyncio.to_thread(lab.shelf.client.delete_object, Bucket=lab.shelf.bucket, Key=key)
    return not left
