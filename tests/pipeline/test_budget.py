"""Bytes, turns, and the right of way."""

import asyncio

import pytest

from gateway.errors import Overloaded
from gateway.pipeline.budget import Budget, Claim


async def waits(budget: Budget, claim: Claim, size: int, **how: bool) -> "asyncio.Future[None]":
    """A charge that is under way."""
    task = asyncio.ensure_future(budget.charge(claim, size, **how))
    await asyncio.sleep(0)
    return task


async def test_memory_is_given_until_it_is_out_and_again_when_it_comes_back() -> None:
    budget, a, b = Budget(100, 20), Claim("a"), Claim("b")
    await budget.charge(a, 80)
    waiting = await waits(budget, b, 10)
    assert (budget.used, budget.waiting, budget.wanted, waiting.done()) == (80, 1, 10, False)
    budget.credit(a, 10)
    await waiting
    assert (budget.used, a.held, b.held, budget.peak, budget.returned) == (80, 70, 10, 80, 10)


async def test_a_large_wish_is_not_overtaken_by_small_ones() -> None:
    budget, a, b, c = Budget(100, 0), Claim("a"), Claim("b"), Claim("c")
    await budget.charge(a, 90)
    large, small = await waits(budget, b, 50), await waits(budget, c, 5)
    budget.credit(a, 10)
    await asyncio.sleep(0)
    assert not large.done()
    assert not small.done()
    budget.credit(a, 40)
    await asyncio.gather(large, small)


async def test_principals_take_turns_for_memory() -> None:
    budget, holder = Budget(100, 0), Claim("h")
    await budget.charge(holder, 100)
    order: list[str] = []

    async def charge(principal: str) -> None:
        await budget.charge(Claim(principal), 10)
        order.append(principal)

    tasks = [asyncio.ensure_future(charge(principal)) for principal in "aaabc"]
    await asyncio.sleep(0)
    for _ in range(5):
        budget.credit(holder, 10)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert order == ["a", "b", "c", "a", "a"]
    await asyncio.gather(*tasks)


async def test_the_oldest_unfinished_part_may_use_the_reserve_until_it_is_complete() -> None:
    budget, old, young, done = Budget(100, 20), Claim("a"), Claim("b"), Claim("c")
    for claim in (old, young):
        budget.start_part(claim)
    await budget.charge(done, 80)
    second, first = await waits(budget, young, 10), await waits(budget, old, 10)
    await asyncio.sleep(0)
    # Whoever waits first gets the right, and keeps it to the end of its part.
    assert budget.elder is young
    await second
    await budget.charge(young, 10)
    assert budget.used == 100
    budget.end_part(young)
    assert budget.elder is old
    budget.credit(young, 20)
    await first
    assert not budget.waiting


async def test_a_part_that_is_complete_on_disk_goes_before_older_unfinished_ones() -> None:
    budget, owner = Budget(100, 20), Claim("h")
    elder, old, complete = Claim("a"), Claim("b"), Claim("c")
    for claim in (elder, old, complete):
        budget.start_part(claim)
    await budget.charge(owner, 80)
    await budget.charge(elder, 20)
    unfinished = await waits(budget, old, 10)
    room = await waits(budget, complete, 10, complete=True)
    budget.end_part(elder)
    assert budget.elder is complete
    budget.credit(elder, 20)
    await room
    unfinished.cancel()
    with pytest.raises(asyncio.CancelledError):
        await unfinished


async def test_what_has_no_part_has_no_right_of_way() -> None:
    budget, download, owner = Budget(100, 20), Claim("a"), Claim("b")
    await budget.charge(owner, 80)
    waiting = await waits(budget, download, 10)
    assert not waiting.done()
    assert budget.elder is None
    budget.credit(owner, 80)
    await waiting


@pytest.mark.parametrize("granted", [True, False])
async def test_a_wait_that_is_cancelled_leaves_nothing(granted: bool) -> None:
    budget, a, b, c = Budget(100, 0), Claim("a"), Claim("b"), Claim("c")
    await budget.charge(a, 100)
    waiting, behind = await waits(budget, b, 60), await waits(budget, c, 40)
    if granted:
        budget.credit(a, 60)
    waiting.cancel()
    if not granted:
        budget.credit(a, 60)  # its turn comes between the cancellation and its being heard
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await behind
    assert (b.held, c.held, budget.used, budget.waiting) == (0, 40, 80, 0)


async def test_more_than_there_is_at_all_is_refused() -> None:
    budget, claim = Budget(100, 20), Claim("a")
    with pytest.raises(Overloaded):
        await budget.charge(claim, 81)
    budget.start_part(claim)
    with pytest.raises(Overloaded):
        await budget.charge(claim, 101)
    await budget.charge(claim, 100)


async def test_no_more_comes_back_than_was_taken() -> None:
    with pytest.raises(AssertionError, match="come back"):
        Budget(100, 0).credit(Claim("a"), 1)


@pytest.mark.parametrize("reserve", [-1, 100])
def test_a_reserve_leaves_general_memory(reserve: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Budget(100, reserve)


async def test_spare_memory_is_of_the_free_half_and_nobody_waits() -> None:
    budget, a, b = Budget(100, 20), Claim("a"), Claim("b")
    assert not budget.spare(a, 41)
    assert budget.spare(a, 40)
    assert not budget.spare(a, 1)
    assert (budget.used, a.held) == (40, 40)
    waiting = await waits(budget, b, 60)
    budget.credit(a, 10)
    assert not budget.spare(a, 1), "somebody waits"
    budget.credit(a, 10)
    await waiting
    assert (budget.used, a.held, b.held) == (80, 20, 60)
