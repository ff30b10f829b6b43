"""Tasks beside requests: they survive errors, and their crashes are seen."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.errors import GatewayError, InternalError, SessionsUnavailable, StorageUnavailable
from gateway.sessions.heartbeat import Heartbeat
from gateway.sessions.memory import MemorySessions
from gateway.transfer import background
from gateway.transfer.background import Background
from gateway.transfer.resumable.expiry import Ended, Endings
from gateway.transfer.sweep_report import SweepReport
from gateway.transfer.sweeper import Sweeper


class Reports:
    def __init__(self) -> None:
        self.sweeps: list[SweepReport] = []
        self.waits: list[str] = []
        self.failures: list[tuple[str, str]] = []
        self.crashes: list[tuple[str, str]] = []
        self.endings = 0

    def swept(self, report: SweepReport) -> None:
        self.sweeps.append(report)

    def waiting(self, task: str, seconds: float) -> None:
        self.waits.append(task)

    def failed(self, task: str, error: GatewayError) -> None:
        self.failures.append((task, error.code))

    def crashed(self, task: str, error: Exception) -> None:
        self.crashes.append((task, type(error).__name__))

    def ended(self, report: Ended) -> None:
        self.endings += 1


def planned(*outcomes: Exception | None) -> Callable[[], Awaitable[None]]:
    """Raises or returns, call by call; the last one repeats."""
    left = list(outcomes)

    async def call() -> None:
        outcome = left.pop(0) if len(left) > 1 else left[0]
        if outcome is not None:
            raise outcome

    return call


class Endless(Endings):
    """Ends nothing, but says how often it was asked."""

    def __init__(self, reports: Reports) -> None:
        self.reports = reports

    async def sweep(self) -> Ended:
        return Ended()


class Rig:
    def __init__(self, probe: Callable[[], Awaitable[None]], interval: float = 0.001) -> None:
        self.sessions = MemorySessions()
        self.reports = Reports()
        self.sweeper = Sweeper({}, self.sessions)
        self.endings = Endless(self.reports)
        self.background = Background(
            Heartbeat(self.sessions, "me", 0.001, 60.0),
            self.sweeper,
            [],
            interval,
            probe,
            self.reports,
            self.endings,
        )

    async def until(self, done: Callable[[], Any]) -> None:
        async with asyncio.timeout(5):
            while not done():
                await asyncio.sleep(0.001)


async def test_a_store_is_probed_until_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "PROBE_AGAIN", 0.0)
    away = StorageUnavailable("away")
    rig = Rig(planned(away, away, None))
    async with rig.background.running():
        await rig.until(lambda: len(rig.reports.failures) == 2)
        await asyncio.sleep(0.01)
        rig.background.check()

    assert rig.reports.failures == [("probe", "storage-unavailable")] * 2


async def test_a_store_that_does_not_answer_is_told_of_once_a_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background, "PATIENCE", 0.005)
    answered = asyncio.Event()
    rig = Rig(lambda: answered.wait())  # type: ignore[arg-type, return-value]
    async with rig.background.running():
        await rig.until(lambda: rig.reports.waits)
        await asyncio.sleep(0.02)
        answered.set()
    assert rig.reports.waits == ["probe"]


async def test_a_store_that_answers_in_time_is_not_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "PATIENCE", 0.01)
    rig = Rig(planned(StorageUnavailable("away")))
    async with rig.background.running():
        await rig.until(lambda: rig.reports.failures)
        await asyncio.sleep(0.03)
    assert rig.reports.waits == []


async def test_sweeps_go_on_after_the_sessions_were_away(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(planned(None))
    outcomes = planned(SessionsUnavailable("away"), None)

    async def sweep(targets: Any) -> SweepReport:
        await outcomes()
        return SweepReport()

    monkeypatch.setattr(rig.sweeper, "sweep", sweep)
    async with rig.background.running():
        await rig.until(lambda: len(rig.reports.sweeps) > 2)

    assert rig.reports.failures == [("sweep", "sessions-unavailable")]


async def test_a_server_may_leave_sweeping_to_others() -> None:
    rig = Rig(planned(None), interval=0.0)
    async with rig.background.running():
        await asyncio.sleep(0.02)

    assert rig.reports.sweeps == []


async def test_a_crash_is_told_makes_it_unready_and_ends_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background, "RESTART", 0.05)
    rig = Rig(planned(ZeroDivisionError("a bug"), None))
    async with rig.background.running():
        await rig.until(lambda: rig.reports.crashes)
        with pytest.raises(InternalError, match="probe"):
            rig.background.check()
        await rig.until(lambda: not rig.background._crashed)
        rig.background.check()
        assert rig.reports.sweeps

    assert rig.reports.crashes == [("probe", "ZeroDivisionError")]


async def test_the_first_heartbeat_is_there_before_the_first_request_and_ends_with_the_block() -> (
    None
):
    rig = Rig(planned(None))
    async with rig.background.running():
        assert await rig.sessions.owners(0.0) == {"me"}

    assert await rig.sessions.owners(1.0) == frozenset()


async def test_sessions_that_are_away_at_the_end_break_no_shutdown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig(planned(None))
    async with rig.background.running():
        monkeypatch.setattr(rig.sessions, "beat", away)

    assert rig.reports.failures == [("heartbeat", "sessions-unavailable")]


async def away(owner: str, expires: float) -> None:
    raise SessionsUnavailable("away")


async def test_without_a_first_heartbeat_nothing_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(planned(None))
    monkeypatch.setattr(rig.sessions, "beat", away)
    with pytest.raises(SessionsUnavailable):
        async with rig.background.running():
            raise AssertionError("it began")


async def test_expired_uploads_are_ended_before_each_sweep() -> None:
    rig = Rig(planned(None))
    async with rig.background.running():
        await rig.until(lambda: rig.reports.endings >= 2)
