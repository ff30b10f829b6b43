"""Composition root: the only file that knows every concrete class, and how one process is put together of them."""

from collections.abc import Callable, Iterable
from typing import Final

from gateway.auth.authenticator import Authenticator, Rules
from gateway.auth.capability import UploadAccess
from gateway.auth.keys import KeyRing
from gateway.auth.policies import Policies
from gateway.drain import Drain
from gateway.pipeline.limiter import Limiter
from gateway.pipeline.pool import SlabPool
from gateway.pipeline.spool import Spool
from gateway.protocol.commands import Dialect
from gateway.protocol.cors import Cors
from gateway.protocol.dialects.chunked import ChunkedDialect
from gateway.protocol.dialects.form import FormDialect
from gateway.protocol.dialects.hmac_file_server import HmacFileServerDialect
from gateway.protocol.dialects.plain import PlainDialect
from gateway.protocol.dialects.range_put import RangePutDialect
from gateway.protocol.dialects.rufh import RufhDialect
from gateway.protocol.dialects.s3 import S3Dialect
from gateway.protocol.dialects.slot import SlotDialect
from gateway.protocol.dialects.tus import TusDialect
from gateway.protocol.routing import SlotMount
from gateway.protocol.upload_commands import UploadDialect
from gateway.runtime import Runtime
from gateway.sessions.uploads import UploadSession
from gateway.settings import LocalStorage, Settings
from gateway.transfer.ahead import ReadAhead
from gateway.transfer.deletes import Deletes
from gateway.transfer.downloads import Downloads
from gateway.transfer.exclusive import ConditionalWrites
from gateway.transfer.journal import SessionJournal
from gateway.transfer.resumable.engine import Resumables
from gateway.transfer.resumable.site import Works
from gateway.transfer.resumable.tail_cache import TailCache
from gateway.transfer.resumable.tails import LocalTails, StoreTails, TailStore
from gateway.transfer.uploads import Machinery, Uploads
from gateway.web.carry import Carrier
from gateway.web.carry_uploads import UploadCarrier
from gateway.web.endpoint import Doorway, Endpoint
from gateway.web.forms import FieldReader
from gateway.web.forwarded import TrustedProxies
from gateway.web.log import Log
from gateway.web.metrics import Metrics

DIALECTS: Final[tuple[Dialect | UploadDialect, ...]] = (
    PlainDialect(),
    SlotDialect(),
    S3Dialect(),
    TusDialect(),
    RufhDialect(),
    ChunkedDialect(),
    FormDialect(),
    RangePutDialect(),
    HmacFileServerDialect(),
)


class Confirming:
    """Holds uploads to what is allowed now, when they are finished."""

    def __init__(self, access: UploadAccess, clock: Callable[[], float]) -> None:
        self._access = access
        self._clock = clock

    def confirm(self, session: UploadSession, size: int) -> bool:
        """See :class:`gateway.transfer.resumable.completing.Authority`."""
        return self._access.confirm(session, size, self._clock())


def open_tails(settings: Settings, runtime: Runtime, clock: Callable[[], float]) -> TailStore:
    """Where bytes wait that are too few for a part: on this machine while the sessions are, too."""
    if settings.sessions.url.startswith(("redis:", "rediss:", "unix:")):
        return StoreTails(
            runtime.placements, runtime.retriers, runtime.sessions, runtime.owner, clock
        )
    careless = all(
        isinstance(store, LocalStorage) and store.durability == "process"
        for store in settings.storage.values()
    )
    return LocalTails(settings.server.data_dir / "tails", "process" if careless else "power")


class Assembly:
    """Puts together what serves requests, from the settings and from what is open already."""

    def __init__(
        self,
        settings: Settings,
        runtime: Runtime,
        *,
        keys: KeyRing,
        policies: Policies,
        drain: Drain,
        metrics: Metrics,
        log: Log,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._runtime = runtime
        self._keys = keys
        self._policies = policies
        self._drain = drain
        self._metrics = metrics
        self._log = log
        self._clock = clock

    def open_carriers(self, spool: Spool) -> tuple[Carrier, UploadCarrier]:
        """What carries bytes of objects, and what carries those of uploads over many requests."""
        settings, runtime = self._settings, self._runtime
        pool = SlabPool(settings.memory.slabs, instrument=self._metrics)
        conditional = ConditionalWrites(
            runtime.sessions, runtime.retriers, runtime.owner, self._clock
        )
        places = {name: Limiter.of(settings.transfer.max_in_flight) for name in runtime.stores}
        ahead = ReadAhead(pool=pool, places=places, streams=settings.transfer.concurrency)
        machinery = Machinery(
            pool=pool,
            spool=spool,
            places=places,
            passages=_passages(settings.transfer.max_cut_through, runtime.stores),
            retriers=runtime.retriers,
            journal=SessionJournal(runtime.sessions, runtime.owner, self._clock),
            settings=settings.transfer,
            max_wait=settings.memory.max_wait,
            instrument=self._metrics,
        )
        plain = Uploads(runtime.placements, conditional, machinery)
        carrier = Carrier(
            plain,
            Downloads(runtime.placements, runtime.retriers, self._metrics, ahead),
            Deletes(runtime.placements, runtime.retriers, conditional),
            pool,
            settings.memory.max_wait,
        )
        return carrier, self._open_uploads(machinery, conditional, plain)

    def _open_uploads(
        self, machinery: Machinery, conditional: ConditionalWrites, plain: Uploads
    ) -> UploadCarrier:
        settings, runtime = self._settings, self._runtime
        access = UploadAccess(self._keys, self._authenticator(), self._policies)
        works = Works(
            machinery=machinery,
            stores=runtime.stores,
            journal=runtime.sessions,
            tails=open_tails(settings, runtime, self._clock),
            cache=TailCache(machinery.pool, settings.memory.budget // 16),
            clock=self._clock,
        )
        engine = Resumables(
            works,
            runtime.sessions,
            runtime.placements,
            conditional,
            plain,
            Confirming(access, self._clock),
            owner=runtime.owner,
            drain=self._drain,
            ttl=settings.sessions.ttl,
        )
        return UploadCarrier(
            engine,
            access,
            interim=settings.server.interim_responses,
            clock=self._clock,
            ended=lambda: self._drain.begun,
        )

    def _authenticator(self) -> Authenticator:
        settings = self._settings
        rules = Rules(
            region=settings.server.region,
            auth=settings.auth,
            slots=settings.slots,
            anonymous=self._runtime.placements.anonymous(),
        )
        return Authenticator(self._keys, self._runtime.sessions, rules)

    def open_endpoint(self, carrier: Carrier, uploads: UploadCarrier) -> Endpoint:
        """The shell around all dialects."""
        settings = self._settings
        return Endpoint(
            Doorway(
                dialects={dialect.name: dialect for dialect in DIALECTS},
                authenticator=self._authenticator(),
                policies=self._policies,
                carrier=carrier,
                uploads=uploads,
                limits=uploads.engine.limits(),
                cors=Cors(frozenset(settings.cors.origins), int(settings.cors.max_age)),
                proxies=TrustedProxies(settings.server.trusted_proxies),
                forms=FieldReader(),
                slots=[
                    SlotMount(name, slot.base_path, slot.bucket)
                    for name, slot in settings.slots.items()
                ],
                domains=settings.server.domains,
                legacy=settings.compatibility.hmac_file_server,
                drain=self._drain,
                metrics=self._metrics,
                log=self._log,
            )
        )


def _passages(places: int, stores: Iterable[str]) -> dict[str, Limiter]:
    return {name: Limiter.of(places) for name in stores} if places else {}
