"""What a server does beside requests: heartbeats, the sweep, and probing the stores until they answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

from gateway.errors import GatewayError
from gateway.sessions.heartbeat import Heartbeat
from gateway.transfer.sweeper import Sweeper, SweepReport, SweepTarget

#: Between two tries to probe a store that does not answer, in seconds.
PROBE_AGAIN: Final = 10.0


class Reporter(Protocol):
    """Where what happened in the background is told."""

    def swept(self, report: SweepReport) -> None:
        """A sweep is done."""
        ...

    def failed(self, task: str, error: GatewayError) -> None:
        """A background task failed; it will be tried again."""
        ...


class Background:
    """``interval`` is between sweeps, in seconds; 0: the server does not sweep."""

    def __init__(
        self,
        heartbeat: Heartbeat,
        sweeper: Sweeper,
        targets: Sequence[SweepTarget],
        interval: float,
        probe: Callable[[], Awaitable[None]],
        reporter: Reporter,
    ) -> None:
        self._heartbeat = heartbeat
        self._sweeper = sweeper
        self._targets = targets
        self._interval = interval
        self._probe = probe
        self._reporter = reporter

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Everything runs for the length of the block; the first heartbeat is there before it begins.

        Raises:
            SessionsUnavailable: the first heartbeat cannot be written.
        """
        await self._heartbeat.beat()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._heartbeat.run()), group.create_task(self._probing())]
            if self._interval:
                tasks.append(group.create_task(self._sweeping()))
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
        await self._heartbeat.stop()

    async def _probing(self) -> None:
        """Until it succeeds once. Before that, stores count as capable of nothing special."""
        while True:
            try:
                await self._probe()
            except GatewayError as error:
                self._reporter.failed("probe", error)
                await asyncio.sleep(PROBE_AGAIN)
            else:
                return

    async def _sweeping(self) -> None:
        while True:
            try:
                self._reporter.swept(await self._sweeper.sweep(self._targets))
            except GatewayError as error:
                self._reporter.failed("sweep", error)
            await asyncio.sleep(self._interval)
