"""Slow clients wake a few per turn of the event loop, so that a turn is short for whoever is fast."""

import asyncio
import random

import pytest
import uvloop

from gateway.pipeline.naps import PER_TURN, Naps


async def test_a_nap_lasts_as_long_as_was_asked_for() -> None:
    loop, naps = asyncio.get_running_loop(), Naps()
    began = loop.time()
    await naps.nap(0.05)
    assert 0.04 <= loop.time() - began < 5.0
    assert len(naps) == 0


async def test_the_first_due_is_the_first_awake() -> None:
    naps, awake = Naps(), list[float]()

    async def sleep(seconds: float) -> None:
        await naps.nap(seconds)
        awake.append(seconds)

    seconds = [0.02 * number for number in range(8)]
    await asyncio.gather(*(sleep(each) for each in random.sample(seconds, len(seconds))))
    assert awake == seconds


@pytest.mark.parametrize("seconds", [0.0, 0.01])
async def test_of_all_that_are_due_a_few_wake_in_each_turn(seconds: float) -> None:
    naps, woken, most = Naps(), 0, 0

    async def sleep() -> None:
        nonlocal woken
        await naps.nap(seconds)
        woken += 1

    sleepers = [asyncio.create_task(sleep()) for _ in range(50 * PER_TURN)]
    before = 0
    while woken < len(sleepers):
        await asyncio.sleep(0)
        most, before = max(most, woken - before), woken
    assert most == PER_TURN
    await asyncio.gather(*sleepers)


def test_the_gateways_event_loop_wakes_everybody_too() -> None:
    """Its timers that are due at once are no timers."""

    async def run() -> None:
        naps, rng = Naps(), random.Random(7)
        waits = [rng.choice((1e-9, 0.0, rng.random() / 20)) for _ in range(20 * PER_TURN)]
        async with asyncio.timeout(10):
            await asyncio.gather(*(naps.nap(seconds) for seconds in waits))
        assert len(naps) == 0

    uvloop.run(run())


async def test_who_is_gone_takes_nobodys_turn() -> None:
    naps = Naps()
    gone = [asyncio.ensure_future(naps.nap(0.01)) for _ in range(3 * PER_TURN)]
    last = asyncio.ensure_future(naps.nap(0.01))
    await asyncio.sleep(0)
    for task in gone:
        task.cancel()
    await asyncio.gather(last, *gone, return_exceptions=True)
    assert all(task.cancelled() for task in gone)
    assert len(naps) == 0
