"""What runs below HTTP, open: for the server, ``sluice sweep`` and ``sluice check``."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final, assert_never

from gateway.errors import NotFound, StorageRejected
from gateway.sessions.base import Sessions
from gateway.sessions.open import open_sessions
from gateway.sessions.owner import this_owner
from gateway.settings import LocalStorage, MemoryStorage, S3Storage, Settings, StorageSection
from gateway.storage.base import ObjectStore
from gateway.storage.local import LocalStore
from gateway.storage.memory import MemoryStore
from gateway.storage.retry import Retrier
from gateway.telemetry import Instrument
from gateway.transfer.placement import Placements
from gateway.transfer.sweep_report import SweepTarget
from gateway.transfer.sweeper import Sweeper

#: Where probing writes in a bucket; what it writes there it removes.
PROBED: Final = ".sluice-probe/"
#: In how many buckets that nobody configured a probe is tried.
TRIED: Final = 3


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """Stores and sessions of one process, started."""

    stores: Mapping[str, ObjectStore]
    retriers: Mapping[str, Retrier]
    sessions: Sessions
    placements: Placements
    sweeper: Sweeper
    targets: Sequence[SweepTarget]
    owner: str

    async def check(self) -> None:
        """Answer when the sessions and every configured bucket can be used, and the store that buckets are passed
        through to answers: which buckets it has is clients' business.

        Raises:
            GatewayError: the first that cannot.
        """
        await self.sessions.ping()
        for store, bucket, _ in self.placements.areas():
            await store.ping(bucket)
        if self.placements.passed_to is not None:
            await self.placements.passed_to.list_buckets()

    async def probe(self) -> None:
        """Find out what each store really does, on the first bucket configured on it; on a store that none is
        configured on, in the first of its own buckets that lets us.

        Raises:
            GatewayError: a store cannot be probed.
        """
        probed: set[str] = set()
        for store, bucket, prefix in self.placements.areas():
            if store.name not in probed:
                await store.probe(bucket, prefix + PROBED)
                probed.add(store.name)
        passed_to = self.placements.passed_to
        if passed_to is not None and passed_to.name not in probed:
            await probe_any(passed_to, await self.placements.passed_through())


async def probe_any(store: ObjectStore, buckets: Sequence[str]) -> str | None:
    """Probe a store in the first bucket that it lets us use; answer which, None where there is no bucket.

    Raises:
        GatewayError: it cannot be probed: not in any of the first few buckets.
    """
    tried = buckets[:TRIED]
    for bucket in tried:
        try:
            await store.probe(bucket, PROBED)
        except (StorageRejected, NotFound):
            if bucket == tried[-1]:
                raise
        else:
            return bucket
    return None


def open_store(name: str, section: StorageSection) -> ObjectStore:
    """The store that a ``[storage.<name>]`` section describes."""
    match section:
        case S3Storage():
            # Only who has an S3 waits for its SDK: that is most of the time a process takes to start.
            from gateway.storage.s3 import S3Store

            return S3Store(name, section)
        case LocalStorage():
            return LocalStore(name, section)
        case MemoryStorage():
            return MemoryStore(name)
        case _:
            assert_never(section)


@asynccontextmanager
async def open_runtime(
    settings: Settings, instrument: Instrument | None = None
) -> AsyncIterator[Runtime]:
    """Open stores and sessions for the length of the block.

    Raises:
        SessionsUnavailable: the session store cannot be used.
        StorageError: a store cannot be opened (a folder that cannot be written, say).
    """
    instrument = instrument or Instrument()
    async with AsyncExitStack() as stack:
        stores: dict[str, ObjectStore] = {}
        for name, section in settings.storage.items():
            store = open_store(name, section)
            await store.start()
            stack.push_async_callback(store.aclose)
            stores[name] = store
        sessions = open_sessions(settings.sessions.url, settings.sessions.timeout)
        await sessions.start()
        stack.push_async_callback(sessions.aclose)
        placements = Placements(settings, stores)
        sweeper = Sweeper(stores, sessions, instrument, settings.sweep.grace, sessions.now)
        yield Runtime(
            stores=stores,
            retriers={name: Retrier(name, settings.retry, instrument) for name in stores},
            sessions=sessions,
            placements=placements,
            sweeper=sweeper,
            targets=_targets(placements),
            owner=this_owner(),
        )


def _targets(placements: Placements) -> list[SweepTarget]:
    targets = [
        SweepTarget(store.name, bucket, prefix) for store, bucket, prefix in placements.areas()
    ]
    if placements.passed_to is not None:
        targets.append(SweepTarget(placements.passed_to.name, None, without=placements.named()))
    return targets
