"""One process: its lifespan, and what it answers by itself; the rest is put together in :mod:`gateway.assembly`."""

import asyncio
import secrets
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Final
from urllib.parse import urlsplit

from gateway.assembly import DIALECTS, Assembly
from gateway.auth.keys import KeyRing
from gateway.auth.policies import Policies
from gateway.drain import Drain
from gateway.errors import GatewayError
from gateway.pipeline.spool import Spool
from gateway.protocol.commands import RequestHead, ResponseHead
from gateway.protocol.routing import dialect_of
from gateway.protocol.upload_paths import is_upload_path
from gateway.protocol.visits import is_visit
from gateway.runtime import Runtime, open_runtime
from gateway.server.run import Apps
from gateway.sessions.heartbeat import Heartbeat
from gateway.sessions.open import weaknesses
from gateway.settings import Settings, SettingsError
from gateway.transfer.background import PATIENCE, Background
from gateway.web import front_page, upload_page
from gateway.web.channel import Channel
from gateway.web.endpoint import Endpoint
from gateway.web.forwarded import TrustedProxies
from gateway.web.heads import forwarded, request_head
from gateway.web.log import configure as configure_log
from gateway.web.log import flush as flush_log
from gateway.web.log import get_log
from gateway.web.metrics import Metrics
from gateway.web.ops import Ops, pages
from gateway.web.report import LogReporter
from gateway.web.streams import Receive, Scope, Send

#: Seconds between heartbeats, and how long one lasts at least: a lost one must kill nobody.
BEAT: Final = 5.0
SHORTEST_LIFE: Final = 3 * BEAT


class Gateway:
    """The ASGI application of one process: lifespan, the operators' pages, and the endpoint."""

    def __init__(self, settings: Settings, drain: Drain) -> None:
        configure_log(settings.log)
        self._settings = settings
        self._log = get_log()
        self._drain = drain
        self._metrics = Metrics(settings.memory.slabs)
        self._keys = KeyRing.open(
            settings, lambda problem: self._log.error("keys", problem=problem)
        )
        self._policies = Policies.open(settings, self._keys.list())
        self._runtime: Runtime | None = None
        self._background: Background | None = None
        self._endpoint: Endpoint | None = None
        ops = Ops(drain, self._metrics, self._check)
        own_listener = bool(settings.server.metrics_listen)
        self._proxies = TrustedProxies(settings.server.trusted_proxies)
        self._ops = pages(
            [
                *ops.routes(metrics=not own_listener),
                *upload_page.routes(),
                *front_page.routes(metrics=not own_listener),
            ]
        )
        self.metrics_app = pages([ops.metrics_route()]) if own_listener else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Paths under ``/-/`` are the operators', but those of uploads; the rest are objects, and ``/`` the service
        unless a person looks there."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        raw_path = scope.get("raw_path") or b""
        if _is_operators(raw_path) or (
            raw_path == b"/" and self._is_visit(request_head(scope, self._proxies))
        ):
            await self._ops(scope, receive, send)
            return
        assert self._endpoint is not None
        await self._endpoint(scope, receive, send)

    def direct(self, head: RequestHead, channel: Channel) -> Coroutine[None, None, None] | None:
        """The same for a request that our own front has read, without ASGI; None for what is the operators'."""
        # What is not an object's sorts before this, and no name of a bucket does: one comparison for each request.
        if head.raw_path < b"/." and (
            _is_operators(head.raw_path)
            or (head.raw_path == b"/" and self._is_visit(forwarded(head, self._proxies)))
        ):
            return None
        assert self._endpoint is not None
        return self._endpoint.serve(head, channel)

    def _is_visit(self, head: RequestHead) -> bool:
        return is_visit(head, self._settings.server.domains)

    async def _check(self) -> None:
        """What readiness asks.

        Raises:
            GatewayError: a store, the sessions, or a task in the background fails.
        """
        assert self._runtime is not None
        assert self._background is not None
        self._background.check()
        await self._runtime.check()

    async def _live(self, receive: Receive, send: Send) -> None:
        """ASGI's lifespan. What keeps us from starting is told in a line; a bug with its traceback."""
        await receive()
        async with AsyncExitStack() as stack:
            stack.callback(flush_log)
            waiting = asyncio.get_running_loop().call_later(PATIENCE, self._tell_of_waiting)
            try:
                await self._open(stack)
            except (GatewayError, SettingsError, OSError) as error:
                await send({"type": "lifespan.startup.failed", "message": _told(error)})
                return
            finally:
                waiting.cancel()
            await send({"type": "lifespan.startup.complete"})
            self._drain.watch(self._tell_of_draining)
            # A second signal ends us by cancellation. That is an end like the other, not a fault with a traceback.
            with suppress(asyncio.CancelledError):
                await receive()
        await send({"type": "lifespan.shutdown.complete"})

    def _tell_of_waiting(self) -> None:
        """Who starts us must not have to guess."""
        place = urlsplit(self._settings.sessions.url)
        sessions = f"{place.scheme}://{place.hostname or ''}{place.path}"  # without a password
        self._log.warning(
            "waiting",
            task="start",
            seconds=PATIENCE,
            detail=f"still opening the sessions ({sessions}) and {_stores(self._settings)}",
        )

    def _tell_of_draining(self) -> None:
        """Else Ctrl-C seems to do nothing while an upload runs."""
        self._log.info(
            "draining",
            seconds=self._settings.server.drain,
            detail="running requests may finish, new ones are refused; a second signal ends at once",
        )

    async def _open(self, stack: AsyncExitStack) -> None:
        settings = self._settings
        runtime = await stack.enter_async_context(open_runtime(settings, self._metrics))
        for weakness in await weaknesses(runtime.sessions):
            self._log.warning("sessions", problem=weakness)
        spool = Spool(settings.memory.spool, settings.memory.spool_limit, self._metrics)
        await spool.start()
        stack.push_async_callback(spool.aclose)
        assembly = Assembly(
            settings,
            runtime,
            keys=self._keys,
            policies=self._policies,
            drain=self._drain,
            metrics=self._metrics,
            log=self._log,
            clock=runtime.sessions.now,
        )
        carrier, uploads = assembly.open_carriers(spool)
        life = max(settings.sweep.grace, SHORTEST_LIFE)
        self._background = Background(
            Heartbeat(runtime.sessions, runtime.owner, BEAT, life, runtime.sessions.now),
            runtime.sweeper,
            runtime.targets,
            settings.sweep.interval,
            runtime.probe,
            LogReporter(self._log, _stores(settings)),
            uploads.engine.endings,
        )
        await stack.enter_async_context(self._background.running())
        self._endpoint = assembly.open_endpoint(carrier, uploads)
        self._runtime = runtime


def _is_operators(raw_path: bytes) -> bool:
    return raw_path == b"/-" or (raw_path.startswith(b"/-/") and not is_upload_path(raw_path))


def _stores(settings: Settings) -> str:
    """The stores and where they are, for people."""
    return ", ".join(f"storage.{name} ({store.place})" for name, store in settings.storage.items())


def _told(error: GatewayError | SettingsError | OSError) -> str:
    return f"{error.code}: {error.detail}" if isinstance(error, GatewayError) else str(error)


def make_apps(settings: Settings, drain: Drain) -> Apps:
    """What one process serves. Importable by name, so that workers can be spawned."""
    gateway = Gateway(settings, drain)
    return Apps(
        main=gateway,
        metrics=gateway.metrics_app,
        render=render_refusal,
        direct=gateway.direct,
    )


def render_refusal(head: RequestHead | None, error: GatewayError) -> ResponseHead:
    """How the front words what it refuses by itself, before any dialect was asked: as the dialect would."""
    head = head or RequestHead("GET", b"/")
    dialect = next(dialect for dialect in DIALECTS if dialect.name == dialect_of(head, ()))
    return dialect.render_error(head, error, secrets.token_hex(8))
