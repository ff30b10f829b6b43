"""``kill -9`` of the gateway at random moments: what it acknowledged is whole, the rest is whole or absent, and one
``sluice sweep``, at once, leaves no multipart of ours, and others' alone."""

import asyncio
import hashlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.errors import ObjectNotFound
from gateway.model import ObjectKey
from gateway.runtime import Runtime, open_runtime
from gateway.sessions.base import Intent
from gateway.settings import load_settings
from gateway.units import KiB, MiB
from tests.faults.lab import Shelf, direct, eventually, far_config
from tests.faults.traffic import Answer, pattern_digest, upload
from tests.servers.fixtures import own_bucket
from tests.servers.gateway import GatewayProcess, running_gateway, start_gateway
from tests.servers.lease import S3Endpoint

pytestmark = pytest.mark.ci

NEAR = """
[buckets.near]
storage = "main"
"""

#: What is sent to each bucket in each round: size, bytes per second, and whether in chunks.
TRAFFIC: list[tuple[int, float | None, bool]] = [
    (40 * KiB, None, False),
    (3 * MiB, None, True),
    (11 * MiB, None, False),
    (16 * MiB, 24 * MiB, False),
    (16 * MiB, None, True),
]


@dataclass
class Sent:
    """An upload that was tried; ``answer`` when there was one."""

    bucket: str
    key: str
    size: int
    seed: int
    answer: Answer


@dataclass
class Site:
    """A place where gateways live and die. ``foreign`` is the multipart of somebody else."""

    folder: Path
    config: str
    shelf: Shelf
    foreign: str
    seeds: Iterator[int] = field(default_factory=lambda: iter(range(1_000_000)))

    async def traffic(self, gateway: GatewayProcess) -> list[Sent]:
        """All of TRAFFIC to both buckets at once."""
        return await asyncio.gather(
            *(self._send(gateway, bucket, *kind) for bucket in ("near", "far") for kind in TRAFFIC)
        )

    async def _send(
        self, gateway: GatewayProcess, bucket: str, size: int, rate: float | None, chunked: bool
    ) -> Sent:
        seed = next(self.seeds)
        key = f"killed-{seed}.bin"
        url = gateway.presign("PUT", bucket, key)
        try:
            answer = await upload(url, size, seed, rate=rate, chunked=chunked)
        except OSError:
            answer = Answer(0)
        return Sent(bucket, key, size, seed, answer)

    def sweep(self) -> str:
        """``sluice sweep``; answers what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "gateway", "sweep", "--config", "sluice.toml"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    async def check(self, sent: list[Sent], spools: int = 1) -> None:
        """After the sweep: everything is whole or absent, and nothing else is there, but the ``spools`` directories
        of processes that live, and of the last one that was killed."""
        async with open_runtime(load_settings(self.folder / "sluice.toml", {})) as runtime:
            near = runtime.stores["main"]
            for one in sent:
                if one.bucket == "far":
                    found = await asyncio.to_thread(self.shelf.sha256, one.key)
                else:
                    found = await sha256_of(near, one.key)
                whole = pattern_digest(one.size, one.seed)
                assert found == whole or (found is None and one.answer.status != 200), one
            assert [left async for left in near.list_multiparts("near", "")] == []
            assert await asyncio.to_thread(self.shelf.multiparts) == {self.foreign: "theirs.bin"}
            assert await unsettled(runtime) == []
        assert len(list((self.folder / "spool").iterdir())) <= spools


async def unsettled(runtime: Runtime) -> list[Intent]:
    """Multiparts in the journal. Not those of which only the wish is: their Create may still be on its way after a
    kill, so the sweep keeps them ("in use") for the grace."""
    return [left for left in await runtime.sessions.intents() if left.upload_id]


async def sha256_of(store: Any, name: str) -> str | None:
    """The digest of an object of the local store."""
    try:
        opened = await store.get(ObjectKey("near", name), range=None, if_match=None)
    except ObjectNotFound:
        return None
    digest, buffer = hashlib.sha256(), memoryview(bytearray(MiB))
    try:
        while count := await opened.source.read_into(buffer):
            digest.update(buffer[:count])
    finally:
        await opened.source.aclose()
    return digest.hexdigest()


@contextmanager
def site(endpoint: S3Endpoint, folder: Path) -> Iterator[Site]:
    """A site with a bucket of its own (tests of other processes share the store), and a stranger's multipart in it."""
    bucket = own_bucket(endpoint, "killed")
    client = direct(endpoint)
    theirs = client.create_multipart_upload(Bucket=bucket, Key="theirs.bin")["UploadId"]
    try:
        yield Site(folder, far_config(endpoint, bucket) + NEAR, Shelf(client, bucket), theirs)
    finally:
        client.abort_multipart_upload(Bucket=bucket, Key="theirs.bin", UploadId=theirs)
        client.close()


async def kill_again_and_again(here: Site, rounds: int, chance: random.Random) -> None:
    acknowledged = 0
    for _ in range(rounds):
        gateway = await asyncio.to_thread(start_gateway, here.folder, here.config)
        spools = list((here.folder / "spool").iterdir())
        assert len(spools) == 1, "a start removes what the dead have left"
        traffic = asyncio.create_task(here.traffic(gateway))
        await asyncio.sleep(chance.uniform(0.02, 1.5))
        await asyncio.to_thread(gateway.kill)
        sent = await traffic

        report = await asyncio.to_thread(here.sweep)

        assert " 1 not ours, 0 failed" in report
        await here.check(sent)
        acknowledged += sum(one.answer.status == 200 for one in sent)
    print(f"{acknowledged} of {rounds * 2 * len(TRAFFIC)} uploads were acknowledged")


async def test_two_kills_lose_nothing_and_leave_nothing(
    moto_s3: S3Endpoint, tmp_path: Path
) -> None:
    with site(moto_s3, tmp_path) as here:
        await kill_again_and_again(here, 2, random.Random())


@pytest.mark.s3
@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_fifty_kills_lose_nothing_and_leave_nothing(rgw: S3Endpoint, tmp_path: Path) -> None:
    with site(rgw, tmp_path) as here:
        await kill_again_and_again(here, 50, random.Random())


def workers_of(gateway: GatewayProcess) -> set[int]:
    """The pids of its workers."""
    children = Path(f"/proc/{gateway.pid}/task/{gateway.pid}/children").read_text().split()
    return {
        int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    }


async def test_a_killed_worker_is_replaced_and_its_uploads_swept_while_others_go_on(
    moto_s3: S3Endpoint, tmp_path: Path
) -> None:
    with site(moto_s3, tmp_path) as here:
        config = here.config.replace("[server]", "[server]\nworkers = 2", 1)
        with running_gateway(tmp_path, config) as gateway:
            before = workers_of(gateway)
            assert len(before) == 2
            victim = min(before)
            traffic = asyncio.create_task(here.traffic(gateway))
            await asyncio.sleep(0.25)
            os.kill(victim, signal.SIGKILL)
            sent = await traffic

            async def replaced() -> bool:
                now = await asyncio.to_thread(workers_of, gateway)
                return len(now) == 2 and victim not in now

            await eventually(replaced)
            assert before - {victim} <= workers_of(gateway)

            async def swept() -> bool:
                """A worker's own upload is in use until a moment after its answer."""
                report = await asyncio.to_thread(here.sweep)
                assert " 1 not ours, 0 failed" in report
                async with open_runtime(load_settings(here.folder / "sluice.toml", {})) as runtime:
                    return not await unsettled(runtime)

            await eventually(swept, 30)
            await here.check(sent, spools=3)
            again = await here.traffic(gateway)
            assert {one.answer.status for one in again} == {200}


async def test_workers_of_a_killed_supervisor_finish_their_uploads_and_end(
    moto_s3: S3Endpoint, tmp_path: Path
) -> None:
    with site(moto_s3, tmp_path) as here:
        config = here.config.replace("[server]", "[server]\nworkers = 2", 1)
        gateway = await asyncio.to_thread(start_gateway, tmp_path, config)
        workers = workers_of(gateway)
        url = gateway.presign("PUT", "far", "orphaned.bin")
        running = asyncio.create_task(upload(url, 6 * MiB, 1, rate=6 * MiB))
        await asyncio.sleep(0.3)
        gateway.kill()

        assert (await running).status == 200

        async def ended() -> bool:
            return not any(Path(f"/proc/{pid}").exists() for pid in workers)

        await eventually(ended)
        found = await asyncio.to_thread(here.shelf.sha256, "orphaned.bin")
        assert found == pattern_digest(6 * MiB, 1)


async def test_a_drain_finishes_what_runs_and_sends_new_requests_elsewhere(
    moto_s3: S3Endpoint, tmp_path: Path
) -> None:
    with site(moto_s3, tmp_path) as here, running_gateway(tmp_path, here.config) as gateway:
        urls = {bucket: gateway.presign("PUT", bucket, "drained.bin") for bucket in ("near", "far")}
        running = [
            asyncio.create_task(upload(url, 6 * MiB, 1, rate=4 * MiB)) for url in urls.values()
        ]
        await asyncio.sleep(0.4)

        gateway.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.2)
        async with httpx.AsyncClient() as http:
            refused = await http.put(urls["far"], content=b"late")
            ready = await http.get(f"{gateway.url}/-/readyz")

        assert (refused.status_code, ready.status_code) == (503, 503)
        assert int(refused.headers["retry-after"]) >= 1
        assert [answer.status for answer in await asyncio.gather(*running)] == [200, 200]
        assert await asyncio.to_thread(gateway.process.wait, 5) == 0
        found = await asyncio.to_thread(here.shelf.sha256, "drained.bin")
        assert found == pattern_digest(6 * MiB, 1)
        assert list((tmp_path / "spool").iterdir()) == []
