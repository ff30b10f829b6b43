"""What runs below HTTP, open: for the server, ``sluice sweep`` and ``sluice check``."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import assert_never

from gateway.sessions.base import Sessions
from gateway.sessions.open import open_sessions
from gateway.sessions.owner import this_owner
from gateway.settings import LocalStorage, MemoryStorage, S3Storage, Settings
from gateway.settings.sections import StorageSection
from gateway.storage.base import ObjectStore
from gateway.storage.local import LocalStore
from gateway.storage.memory import MemoryStore
from gateway.storage.retry import Retrier
from gateway.telemetry import Instrument
from gateway.transfer.placement import Placements
from gateway.transfer.sweeper import Sweeper, SweepTarget


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
        """Answer when the sessions and every configured bucket can be used.

        Raises:
            GatewayError: the first that cannot.
        """
        await self.sessions.ping()
        for store, bucket, _ in self.placements.areas():
            await store.ping(bucket)

    async def probe(self) -> None:
        """Find out what each store really does, on the first bucket configured on it.

        Raises:
            GatewayError: a store cannot be probed.
        """
        probed: set[str] = set()
        for store, bucket, prefix in self.placements.areas():
            if store.name not in probed:
                await store.probe(bucket, f"{prefix}.sluice-probe/")
                probed.add(store.name)


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
        targets = [
            SweepTarget(store.name, bucket, prefix) for store, bucket, prefix in placements.areas()
        ]
        sweeper = Sweeper(stores, sessions, instrument, settings.sweep.grace)
        yield Runtime(
            stores=stores,
            retriers={name: Retrier(name, settings.retry, instrument) for name in stores},
            sessions=sessions,
            placements=placements,
            sweeper=sweeper,
            targets=targets,
            owner=this_owner(),
        )
