"""Places in flight."""

import asyncio

import pytest

from gateway.adapt.concurrency import Limit
from gateway.adapt.samples import Outcome, PartSample
from gateway.pipeline.limiter import Limiter


def congestion(now: float) -> PartSample:
    return PartSample(size=1, started=now, finished=now, in_flight=1, outcome=Outcome.CONGESTED)


async def test_callers_wait_for_a_place_and_principals_take_turns() -> None:
    limiter, order = Limiter.of(1), []
    assert await limiter.acquire("x") == 1

    async def use(name: str) -> None:
        await limiter.acquire(name[0])
        order.append(name)
        limiter.release()

    tasks = [asyncio.ensure_future(use(name)) for name in ("a1", "a2", "a3", "b1")]
    await asyncio.sleep(0)
    statistics = limiter.statistics()
    assert (statistics.limit, statistics.in_flight, statistics.waiting) == (1, 1, 4)
    limiter.release()
    await asyncio.gather(*tasks)
    assert order == ["a1", "b1", "a2", "a3"]
    assert limiter.statistics().in_flight == 0


@pytest.mark.parametrize("granted", [True, False])
async def test_a_wait_that_is_cancelled_takes_no_place(granted: bool) -> None:
    limiter = Limiter.of(1)
    await limiter.acquire("a")
    waiting = asyncio.ensure_future(limiter.acquire("b"))
    behind = asyncio.ensure_future(limiter.acquire("c"))
    await asyncio.sleep(0)
    if granted:
        limiter.release()
    waiting.cancel()
    if not granted:
        limiter.release()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await behind == 1
    limiter.release()
    assert limiter.statistics().in_flight == 0


async def test_a_cancelled_wait_leaves_the_queue() -> None:
    limiter = Limiter.of(1)
    await limiter.acquire("a")
    waiting = asyncio.ensure_future(limiter.acquire("b"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert limiter.statistics().waiting == 0


async def test_congestion_narrows_the_places_for_all_uploads() -> None:
    limiter = Limiter.of(10)
    limiter.on_sample(congestion(1.0), 10)
    assert limiter.statistics().limit == 7
    for _ in range(7):
        await limiter.acquire("a")
    waiting = asyncio.ensure_future(limiter.acquire("a"))
    await asyncio.sleep(0)
    assert not waiting.done()
    limiter.release()
    await waiting


async def test_a_limit_that_grows_lets_callers_in() -> None:
    limiter = Limiter(Limit(1, maximum=4))
    await limiter.acquire("a")
    waiting = asyncio.ensure_future(limiter.acquire("a"))
    await asyncio.sleep(0)
    for moment in (1.0, 2.0):
        limiter.on_sample(PartSample(size=9, started=moment - 1, finished=moment, in_flight=9), 1)
    assert await waiting == 2


def test_a_place_is_given_back_once() -> None:
    with pytest.raises(AssertionError, match="twice"):
        Limiter.of(1).release()


async def test_a_spare_place_is_one_of_the_free_half_that_nobody_waits_for() -> None:
    limiter = Limiter.of(4)
    assert [limiter.spare() for _ in range(3)] == [True, True, False]
    limiter.release()
    assert limiter.spare()
    for _ in range(2):
        await limiter.acquire("a")
    waiting = asyncio.ensure_future(limiter.acquire("b"))
    await asyncio.sleep(0)
    limiter.on_sample(congestion(1.0), 4)
    assert not limiter.spare()
    for _ in range(3):
        limiter.release()
    await waiting
    assert limiter.statistics().in_flight == 2
