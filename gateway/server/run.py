"""Running the gateway: uvicorn's server with our front, our drain phase and our signals."""

import asyncio
import contextlib
import ctypes
import gc
import signal
import socket
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, TypeAlias, cast

import uvicorn

from gateway.drain import Drain
from gateway.server import open_files
from gateway.server.exchange import AsgiApp, Direct
from gateway.server.handshakes import FrontServer
from gateway.server.http_protocol import Front, FrontFactory
from gateway.server.listeners import Listeners, open_listeners
from gateway.server.refusals import Render, render_refusal
from gateway.server.rules import Rules
from gateway.settings import Settings
from gateway.settings.sections import ServerSection

#: After connections were cut, how long their requests may take to clean up.
CLEAN_UP: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Apps:
    """What a process serves: the gateway, its metrics where they have a listener of their own,
    how the front words a refusal that it gives by itself, and the gateway's entry beside ASGI."""

    main: AsgiApp
    metrics: AsgiApp | None = None
    render: Render = render_refusal
    direct: Direct | None = None


#: Container objects that may be made before the collector looks for cycles, and young collections per older one.
#: A request makes some hundred of them and hardly a cycle; Python's default of 700 spends a tenth of a small
#: request's time on looking.
GARBAGE: Final = (20_000, 20, 20)

#: Builds them, once in each process. With workers it must be importable (a module's function).
MakeApps: TypeAlias = Callable[[Settings, Drain], Apps]


def serve(settings: Settings, make_apps: MakeApps, *, on_listening: Callable[[str], None]) -> int:
    """Serve until told to stop; answer the process's exit status.

    ``on_listening`` is called once with the URL when requests are taken. The first SIGTERM or
    SIGINT drains: new requests get 503, running ones finish, within ``server.drain`` seconds;
    the second ends at once.

    Raises:
        ListenError: the address cannot be had.
    """
    open_files.allow(open_files.wanted(settings))
    listeners = open_listeners(settings.server)
    try:
        if settings.server.workers > 1:
            from gateway.server.workers import Supervisor

            return Supervisor(settings, make_apps, listeners, on_listening).run()
        return run_worker(settings, make_apps, listeners, lambda: on_listening(listeners.url))
    finally:
        listeners.close()


def run_worker(
    settings: Settings,
    make_apps: MakeApps,
    listeners: Listeners,
    ready: Callable[[], None],
    parent: int | None = None,
) -> int:
    """Serve in this process; ``parent`` is a descriptor whose end of file means to drain."""
    server = DrainingServer(settings.server, make_apps, settings, listeners, ready, parent)
    try:
        server.run(sockets=listeners.acceptors())
    except SystemExit as error:  # uvicorn's way to say that the application did not start
        return error.code if isinstance(error.code, int) else 1
    return 0


class DrainingServer(FrontServer):
    """uvicorn closes its listener at the first signal; we answer 503 for a while before that."""

    def __init__(
        self,
        section: ServerSection,
        make_apps: MakeApps,
        settings: Settings,
        listeners: Listeners,
        ready: Callable[[], None],
        parent: int | None = None,
    ) -> None:
        self.drain = Drain()
        self._section = section
        self._apps = make_apps(settings, self.drain)
        self._rules = Rules.of(section)
        super().__init__(self._configure(self._apps.main, section, lifespan=True))
        self._listeners = listeners
        self._ready = ready
        self._parent = parent
        self._cut_at: float | None = None

    def _configure(
        self, app: AsgiApp, section: ServerSection | None, *, lifespan: bool
    ) -> uvicorn.Config:
        direct = self._apps.direct if app is self._apps.main else None
        front = FrontFactory(self._rules, self.drain, self._apps.render, direct)
        return uvicorn.Config(
            cast("Any", app),
            http=cast("Any", front),
            loop="uvloop",
            ws="none",
            interface="asgi3",
            lifespan="on" if lifespan else "off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            ssl_certfile=section.tls_cert if section else None,
            ssl_keyfile=section.tls_key if section else None,
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on the main socket, then for metrics, then say so."""
        await super().startup(sockets)
        if self._apps.metrics is not None and self._listeners.metrics is not None:
            config = self._configure(self._apps.metrics, None, lifespan=False)
            config.load()
            server = await asyncio.get_running_loop().create_server(
                lambda: config.http_protocol_class(config, self.server_state, {}),  # type: ignore[call-arg]
                sock=self._listeners.metrics,
            )
            self.servers.append(server)
        _settle_garbage_collection()
        self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Ours do not raise the signal again: a drained exit is a success."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        signals = [signal.SIGTERM] if self._parent is not None else [signal.SIGTERM, signal.SIGINT]
        for number in signals:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        if self._parent is not None:
            # A terminal sends SIGINT to the whole group; the supervisor's SIGTERM is the one meant.
            loop.add_reader(self._parent, self._orphaned)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)
            if self._parent is not None:
                loop.remove_reader(self._parent)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """First: drain. Second: end at once."""
        del sig, frame
        if not self.drain.begun:
            self._cut_at = asyncio.get_running_loop().time() + self._section.drain
            self.drain.begin()
        else:
            self.force_exit = self.should_exit = True

    def _orphaned(self) -> None:
        assert self._parent is not None
        asyncio.get_running_loop().remove_reader(self._parent)
        if not self.drain.begun:
            self.handle_exit(signal.SIGTERM, None)

    async def on_tick(self, counter: int) -> bool:
        """Leave the main loop when a drain is over: nothing runs any more, or time is up."""
        over = await super().on_tick(counter)
        if over or self._cut_at is None:
            return over
        return not self.server_state.tasks or self._time_left() <= 0

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Flush what is left until the drain's end, then cut it."""
        loop = asyncio.get_running_loop()
        cut = loop.call_later(0 if self.force_exit else self._time_left(), self._cut)
        self.config.timeout_graceful_shutdown = int(self._time_left()) + CLEAN_UP
        try:
            await super().shutdown(sockets)
        finally:
            cut.cancel()

    def _time_left(self) -> float:
        if self._cut_at is None:
            return 0.0
        return max(0.0, self._cut_at - asyncio.get_running_loop().time())

    def _cut(self) -> None:
        for connection in list(self.server_state.connections):
            cast("Front", connection).abort()
        for task in list(self.server_state.tasks):
            task.cancel()


def _settle_garbage_collection() -> None:
    """What was made by now (code, mostly) stays: never look at it again."""
    gc.collect()
    gc.freeze()
    with contextlib.suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
    gc.set_threshold(*GARBAGE)
