"""The end of all runs: what is left when everything has expired and the sweeps have come by."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis.asyncio

from gateway.pipeline.pool import SlabPool
from gateway.pipeline.spool import Spool
from gateway.runtime import Runtime, open_runtime
from gateway.settings import Settings, load_settings
from gateway.storage.base import PROBE_MARK
from gateway.transfer.journal import SessionJournal
from gateway.transfer.resumable.expiry import Endings
from gateway.transfer.resumable.site import Works
from gateway.transfer.resumable.tail_cache import TailCache
from gateway.transfer.resumable.tails import StoreTails
from gateway.transfer.sweeper import Sweeper
from gateway.transfer.uploads import Machinery
from gateway.units import MiB
from tests.chaos.outside import Outside


@dataclass(frozen=True)
class Left:
    """What the store and the sessions hold: ``before`` and ``after`` all uploads expired. ``keys`` of Redis by kind."""

    uploads: int
    objects: tuple[str, ...]
    multiparts: tuple[str, ...]
    intents: tuple[str, ...]
    records: tuple[str, ...]
    failed: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether it is nothing."""
        return not (self.objects or self.multiparts or self.intents or self.records or self.failed)


async def sweep(fleet: Outside) -> Left:
    """End what is unfinished, forget what is finished, and look what is left. The gateways have ended before."""
    settings = load_settings(fleet.members[0].folder / "sluice.toml", {})
    async with open_runtime(settings) as runtime:
        uploads, failed = 0, []
        # What is unfinished ends, then the tombstones go; twice, as what could not be cleaned is tried again.
        for later in (1, 2, 3, 4):
            ended = await _endings(settings, runtime, later * 2 * settings.sessions.ttl).sweep()
            uploads += len(ended.expired)
            failed = [f"{upload}: {error}" for upload, error in ended.failed]
        sweeper = Sweeper(runtime.stores, runtime.sessions, grace=0.0)
        report = await sweeper.sweep(runtime.targets)
        failed += [str(each) for each in report.failed]
        intents = tuple(str(each) for each in await runtime.sessions.intents())
        stored = fleet.shelf.keys()
        return Left(
            uploads=uploads,
            objects=tuple(sorted(key for key in stored if PROBE_MARK not in key)),
            multiparts=tuple(fleet.shelf.multiparts().values()),
            intents=intents,
            records=await _records(settings.sessions.url),
            failed=tuple(failed),
        )


async def _records(url: str) -> tuple[str, ...]:
    """Keys of uploads that are still in Redis, but for marks and leases, which run out by themselves."""
    async with redis.asyncio.Redis.from_url(url, decode_responses=True) as client:
        keys: list[Any] = await client.keys("*")
    passing = (":mark:", ":lease:")
    return tuple(sorted(k for k in keys if "upload" in k and not any(p in k for p in passing)))


def _endings(settings: Settings, runtime: Runtime, later: float) -> Endings:
    """As a gateway's, whose clock is ``later`` seconds ahead."""

    def clock() -> float:
        return time.time() + later

    pool = SlabPool(64 * MiB)
    machinery = Machinery(
        pool=pool,
        spool=Spool(Path(settings.memory.spool), 64 * MiB),
        places={},
        retriers=runtime.retriers,
        journal=SessionJournal(runtime.sessions, runtime.owner, clock),
    )
    works = Works(
        machinery=machinery,
        stores=runtime.stores,
        journal=runtime.sessions,
        tails=StoreTails(
            runtime.placements, runtime.retriers, runtime.sessions, runtime.owner, clock
        ),
        cache=TailCache(pool, MiB),
        clock=clock,
    )
    return Endings(works, runtime.sessions, runtime.placements, settings.sessions.ttl)
