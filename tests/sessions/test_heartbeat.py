"""Heartbeats: an owner lives while its loop runs, a lost beat is made up for."""

import asyncio

from gateway.errors import SessionsUnavailable
from gateway.sessions.heartbeat import Heartbeat
from gateway.sessions.memory import MemorySessions


class Failing(MemorySessions):
    """A store of which the first beats fail: a fault that a real one cannot be asked for."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures
        self.beats = 0

    async def beat(self, owner: str, expires: float) -> None:
        self.beats += 1
        if self.beats <= self.failures:
            raise SessionsUnavailable("The session store does not answer.")
        await super().beat(owner, expires)


async def _until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_beat_lasts_its_time_to_live() -> None:
    sessions = MemorySessions()
    await Heartbeat(sessions, "me", interval=10, ttl=30, now=lambda: 100.0).beat()
    assert await sessions.owners(129.9) == {"me"}
    assert await sessions.owners(130.0) == frozenset()


async def test_it_beats_on_and_failures_are_made_up_for() -> None:
    sessions = Failing(2)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(Heartbeat(sessions, "me", 0.01, 30, lambda: 100.0).run())
        await _until(lambda: sessions.beats >= 5)
        running.cancel()
    assert await sessions.owners(100.0) == {"me"}


async def test_who_stops_is_gone_at_once() -> None:
    sessions = MemorySessions()
    heart = Heartbeat(sessions, "me", 10, 30)
    await heart.beat()
    await heart.stop()
    assert await sessions.owners(1.0) == frozenset()
