"""Timers that move, and the pace of bodies."""

import asyncio

import uvloop

from gateway.server.deadlines import Deadline, Pace


async def test_a_deadline_passes_once_at_the_time_it_was_last_set_to() -> None:
    loop = asyncio.get_running_loop()
    passed: list[float] = []
    deadline = Deadline(loop, lambda: passed.append(loop.time()))
    start = loop.time()
    deadline.set(start + 0.02)
    deadline.set(start + 0.08)
    await asyncio.sleep(0.05)
    assert passed == []
    await asyncio.sleep(0.08)
    assert len(passed) == 1
    assert passed[0] - start >= 0.079


async def test_a_deadline_may_be_set_earlier() -> None:
    loop = asyncio.get_running_loop()
    passed = asyncio.Event()
    deadline = Deadline(loop, passed.set)
    deadline.set(loop.time() + 100)
    deadline.set(loop.time() + 0.01)
    await asyncio.wait_for(passed.wait(), 2)
    deadline.cancel()


def test_a_deadline_that_is_due_now_may_be_moved_in_the_servers_loop() -> None:
    async def move() -> None:
        loop = asyncio.get_running_loop()
        passed = asyncio.Event()
        deadline = Deadline(loop, passed.set)
        deadline.set(loop.time())
        deadline.set(loop.time() + 0.01)
        await asyncio.wait_for(passed.wait(), 2)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(move())


async def test_a_cleared_or_cancelled_deadline_does_not_pass() -> None:
    loop = asyncio.get_running_loop()
    passed: list[bool] = []
    cleared = Deadline(loop, lambda: passed.append(True))
    cancelled = Deadline(loop, lambda: passed.append(True))
    cleared.set(loop.time() + 0.01)
    cancelled.set(loop.time() + 0.01)
    cleared.clear()
    cancelled.cancel()
    await asyncio.sleep(0.04)
    assert passed == []


def test_silence_is_late_after_the_idle_time() -> None:
    assert Pace(60, 1024).wait(1000.0) == 1060.0


def test_a_trickle_is_late_at_the_end_of_its_window_of_waiting() -> None:
    pace = Pace(60, 1024)
    pace.wait(0.0)
    pace.progress(10, 20.0)
    assert pace.wait(500.0) == 540.0, "the 480 seconds in between were ours"
    pace.progress(10, 530.0)
    assert pace.wait(530.0) == 540.0


def test_enough_bytes_earn_a_new_window() -> None:
    pace = Pace(60, 1024)
    pace.wait(0.0)
    pace.progress(60 * 1024, 50.0)
    assert pace.wait(50.0) == 110.0
    pace.progress(1, 65.0)
    assert pace.wait(65.0) == 125.0, "the first window is over; the next begins with nothing"


def test_without_a_minimum_only_silence_is_late() -> None:
    pace = Pace(60, 0)
    for now in range(0, 1000, 50):
        assert pace.wait(float(now)) == now + 60.0
        pace.progress(1, now + 50.0)
