"""What a server does beside requests: heartbeats, the sweep, and probing the stores until they answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

from gateway.errors import GatewayError, InternalError, SessionsUnavailable
from gateway.pipeline.owner import Owner
from gateway.sessions.heartbeat import Heartbeat
from gateway.transfer.resumable.expiry import Ended, Endings
from gateway.transfer.sweep_report import SweepReport, SweepTarget
from gateway.transfer.sweeper import Sweeper

#: Between two tries to probe a store that does not answer, and before a task that crashed is run again; in seconds.
PROBE_AGAIN: Final = 10.0
RESTART: Final = 10.0

#: How long the stores may be silent at the start before that is told, in seconds.
PATIENCE: Final = 2.0


class Reporter(Protocol):
    """Where what happened in the background is told."""

    def swept(self, report: SweepReport) -> None:
        """A sweep is done."""
        ...

    def ended(self, report: Ended) -> None:
        """Uploads that had expired were ended."""
        ...

    def waiting(self, task: str, seconds: float) -> None:
        """A background task waits for an answer, for so long by now."""
        ...

    def failed(self, task: str, error: GatewayError) -> None:
        """A background task failed; it will be tried again."""
        ...

    def crashed(self, task: str, error: Exception) -> None:
        """A background task met a bug; it will be run again, and until then the process is not ready."""
        ...


class Background:
    """``interval`` is between sweeps, in seconds; 0: the server does not sweep. ``endings`` sweeps uploads that have
    expired, before the journal is looked at."""

    def __init__(
        self,
        heartbeat: Heartbeat,
        sweeper: Sweeper,
        targets: Sequence[SweepTarget],
        interval: float,
        probe: Callable[[], Awaitable[None]],
        reporter: Reporter,
        endings: Endings | None = None,
    ) -> None:
        self._endings = endings
        self._heartbeat = heartbeat
        self._sweeper = sweeper
        self._targets = targets
        self._interval = interval
        self._probe = probe
        self._reporter = reporter
        self._crashed: set[str] = set()

    def check(self) -> None:
        """Nothing, unless a task has crashed and was not run again yet.

        Raises:
            InternalError: one has.
        """
        if self._crashed:
            raise InternalError(f"Crashed in the background: {', '.join(sorted(self._crashed))}.")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Everything runs for the length of the block; the first heartbeat is there before it begins.

        Raises:
            SessionsUnavailable: the first heartbeat cannot be written.
        """
        await self._heartbeat.beat()
        tasks = Owner()
        tasks.start(self._kept("heartbeat", self._heartbeat.run), name="heartbeat")
        tasks.start(self._kept("probe", self._probing), name="probe")
        if self._interval:
            tasks.start(self._kept("sweep", self._sweeping), name="sweep")
        try:
            yield
        finally:
            tasks.cancel()
            await tasks.join()
            try:
                await self._heartbeat.stop()
            except SessionsUnavailable as error:  # then the last beat runs out by itself
                self._reporter.failed("heartbeat", error)

    async def _kept(self, name: str, task: Callable[[], Awaitable[None]]) -> None:
        """Run a task to its end, again and again if it crashes: a bug in it must not stay unseen, nor end
        the requests."""
        while True:
            try:
                await task()
            except Exception as error:  # noqa: BLE001 - told with its traceback, and by readiness
                self._crashed.add(name)
                self._reporter.crashed(name, error)
                await asyncio.sleep(RESTART)
                self._crashed.discard(name)
            else:
                return

    async def _probing(self) -> None:
        """Until it succeeds once. Before that, stores count as capable of nothing special."""
        loop = asyncio.get_running_loop()
        while True:
            waiting = loop.call_later(PATIENCE, self._reporter.waiting, "probe", PATIENCE)
            try:
                await self._probe()
            except GatewayError as error:
                waiting.cancel()  # before the pause
                self._reporter.failed("probe", error)
                await asyncio.sleep(PROBE_AGAIN)
            else:
                return
            finally:
                waiting.cancel()

    async def _sweeping(self) -> None:
        while True:
            try:
                if self._endings is not None:
                    self._reporter.ended(await self._endings.sweep())
                self._reporter.swept(await self._sweeper.sweep(self._targets))
            except GatewayError as error:
                self._reporter.failed("sweep", error)
            await asyncio.sleep(self._interval)
