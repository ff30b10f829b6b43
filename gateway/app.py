"""Composition root: the only file that knows every concrete class."""

import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final, assert_never

from starlette.applications import Starlette

from gateway.auth.authenticator import Authenticator, Rules
from gateway.auth.keys import KeyRing
from gateway.auth.policies import Policies
from gateway.drain import Drain
from gateway.errors import GatewayError
from gateway.pipeline.limiter import Limiter
from gateway.pipeline.slabs import SlabPool
from gateway.pipeline.spool import Spool
from gateway.protocol.commands import Dialect, RequestHead, ResponseHead
from gateway.protocol.cors import Cors
from gateway.protocol.dialects.plain import PlainDialect
from gateway.protocol.dialects.s3 import S3Dialect
from gateway.protocol.dialects.slot import SlotDialect
from gateway.protocol.routing import SlotMount
from gateway.server.run import Apps
from gateway.sessions.base import SessionStore
from gateway.sessions.heartbeat import Heartbeat
from gateway.sessions.open import open_sessions
from gateway.sessions.owner import this_owner
from gateway.settings import LocalStorage, MemoryStorage, S3Storage, Settings
from gateway.settings.sections import StorageSection
from gateway.storage.base import ObjectStore
from gateway.storage.local import LocalStore
from gateway.storage.memory import MemoryStore
from gateway.storage.retry import Retrier
from gateway.storage.s3 import S3Store
from gateway.telemetry import Instrument
from gateway.transfer.background import Background
from gateway.transfer.deletes import Deletes
from gateway.transfer.downloads import Downloads
from gateway.transfer.exclusive import ConditionalWrites
from gateway.transfer.journal import SessionJournal
from gateway.transfer.placement import Placements
from gateway.transfer.sweeper import Sweeper, SweepTarget
from gateway.transfer.uploads import Machinery, Uploads
from gateway.web.carry import Carrier
from gateway.web.endpoint import Doorway, Endpoint
from gateway.web.forwarded import TrustedProxies
from gateway.web.log import configure as configure_log
from gateway.web.log import get_log
from gateway.web.metrics import Metrics
from gateway.web.ops import Ops
from gateway.web.report import LogReporter
from gateway.web.streams import Receive, Scope, Send

#: Seconds between heartbeats; ``sweep.grace`` is how long one lasts.
BEAT: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What runs below HTTP, open: for the server, ``sluice sweep`` and ``sluice check``."""

    stores: Mapping[str, ObjectStore]
    retriers: Mapping[str, Retrier]
    sessions: SessionStore
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


def open_store(name: str, section: StorageSection, instrument: Instrument) -> ObjectStore:
    """The store that a ``[storage.<name>]`` section describes."""
    match section:
        case S3Storage():
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
            store = open_store(name, section, instrument)
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


class Gateway:
    """The ASGI application of one process: lifespan, the operators' pages, and the endpoint."""

    def __init__(self, settings: Settings, drain: Drain) -> None:
        configure_log(settings.log)
        self._settings = settings
        self._log = get_log()
        self.drain = drain
        self.metrics = Metrics(settings.memory.budget)
        self._keys = KeyRing.open(
            settings, lambda problem: self._log.error("keys", problem=problem)
        )
        self._policies = Policies.open(settings, self._keys.list())
        self._runtime: Runtime | None = None
        self._endpoint: Endpoint | None = None
        ops = Ops(drain, self.metrics, self._check)
        own_listener = bool(settings.server.metrics_listen)
        self._ops = Starlette(routes=ops.routes(metrics=not own_listener), lifespan=self._lifespan)
        self.metrics_app = Starlette(routes=[ops.metrics_route()]) if own_listener else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Paths under ``/-/`` are ours; the rest are objects."""
        raw_path: bytes = scope.get("raw_path") or b""
        if scope["type"] != "http" or raw_path == b"/-" or raw_path.startswith(b"/-/"):
            await self._ops(scope, receive, send)
            return
        assert self._endpoint is not None
        await self._endpoint(scope, receive, send)

    async def _check(self) -> None:
        assert self._runtime is not None
        await self._runtime.check()

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        settings = self._settings
        async with AsyncExitStack() as stack:
            runtime = await stack.enter_async_context(open_runtime(settings, self.metrics))
            spool = Spool(settings.memory.spool, settings.memory.spool_limit, self.metrics)
            await spool.start()
            stack.push_async_callback(spool.aclose)
            self._endpoint = self._open_endpoint(runtime, spool)
            self._runtime = runtime
            heartbeat = Heartbeat(runtime.sessions, runtime.owner, BEAT, settings.sweep.grace)
            background = Background(
                heartbeat,
                runtime.sweeper,
                runtime.targets,
                settings.sweep.interval,
                runtime.probe,
                LogReporter(self._log),
            )
            await stack.enter_async_context(background.running())
            yield

    def _open_endpoint(self, runtime: Runtime, spool: Spool) -> Endpoint:
        settings = self._settings
        pool = SlabPool(settings.memory.budget, instrument=self.metrics)
        conditional = ConditionalWrites(
            runtime.sessions, runtime.retriers, runtime.owner, time.time
        )
        machinery = Machinery(
            pool=pool,
            spool=spool,
            places={name: Limiter.of(settings.transfer.max_in_flight) for name in runtime.stores},
            retriers=runtime.retriers,
            journal=SessionJournal(runtime.sessions, runtime.owner, time.time),
            settings=settings.transfer,
            instrument=self.metrics,
        )
        carrier = Carrier(
            Uploads(runtime.placements, conditional, machinery),
            Downloads(runtime.placements, runtime.retriers, self.metrics),
            Deletes(runtime.placements, runtime.retriers, conditional),
            pool,
        )
        rules = Rules(
            region=settings.server.region,
            auth=settings.auth,
            slots=settings.slots,
            anonymous=runtime.placements.anonymous(),
        )
        return Endpoint(
            Doorway(
                dialects={dialect.name: dialect for dialect in DIALECTS},
                authenticator=Authenticator(self._keys, runtime.sessions, rules),
                policies=self._policies,
                carrier=carrier,
                cors=Cors(frozenset(settings.cors.origins), int(settings.cors.max_age)),
                proxies=TrustedProxies(settings.server.trusted_proxies),
                slots=[
                    SlotMount(name, slot.base_path, slot.bucket)
                    for name, slot in settings.slots.items()
                ],
                domains=settings.server.domains,
                drain=self.drain,
                metrics=self.metrics,
                log=self._log,
            )
        )


DIALECTS: Final[tuple[Dialect, ...]] = (PlainDialect(), SlotDialect(), S3Dialect())


def make_apps(settings: Settings, drain: Drain) -> Apps:
    """What one process serves. Importable by name, so that workers can be spawned."""
    gateway = Gateway(settings, drain)
    return Apps(main=gateway, metrics=gateway.metrics_app, render=render_refusal)


def render_refusal(head: RequestHead | None, error: GatewayError) -> ResponseHead:
    """How the front words what it refuses by itself, before any dialect was asked: as the dialect would."""
    head = head or RequestHead("GET", b"/")
    amazon = (
        any(name.startswith(b"x-amz-") for name, _ in head.headers) or b"X-Amz-" in head.raw_query
    )
    dialect: Dialect = S3Dialect() if amazon else PlainDialect()
    return dialect.render_error(head, error, secrets.token_hex(8))
