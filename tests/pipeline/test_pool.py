"""The pool: bounded, reused, fairly shared, and given back."""

import asyncio
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Overloaded
from gateway.pipeline.pool import SlabPool
from gateway.pipeline.slabs import Account, Slab
from gateway.units import KiB, MiB


def resident() -> int:
    """Bytes of this process in memory."""
    found = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * KiB


async def fill(pool: SlabPool, account: Account, size: int) -> list[Slab]:
    """As many slabs of a size as general memory holds, all of their bytes touched."""
    slabs: list[Slab] = []
    while pool.statistics().used + size <= pool.budget.general:
        slabs.append(await account.take(size))
        with slabs[-1].window(size) as window:
            window[:] = bytes(size)
    return slabs


async def test_resident_memory_follows_the_budget() -> None:
    """All classes in turn, each filling the budget: what is free goes back to the kernel, not to malloc."""
    pool, before, peak = SlabPool(32 * MiB, kept=0.02), resident(), 0
    with pool.account("a") as account:
        for size in (16 * KiB, 1 * MiB, 64 * KiB, 512 * KiB, 16 * KiB):
            slabs = await fill(pool, account, size)
            peak = max(peak, resident() - before)
            while slabs:
                slabs.pop().release()
    assert peak < 32 * MiB + 8 * MiB
    assert pool.statistics().free > 16 * MiB
    async with asyncio.timeout(10):
        while pool.statistics().free:
            await asyncio.sleep(0.01)
    assert resident() - before < 8 * MiB


async def test_room_can_be_taken_at_once_and_drops_free_slabs_that_leave_none() -> None:
    pool = SlabPool(4 * MiB, 0)
    with pool.account("a") as account:
        (await account.take(512 * KiB)).release()
        assert pool.statistics().free == 512 * KiB
        assert pool.charge_at_once(account.claim, 3 * MiB)
        assert (pool.statistics().used, pool.statistics().free) == (3 * MiB, 512 * KiB)
        assert not pool.charge_at_once(account.claim, 2 * MiB)
        assert pool.charge_at_once(account.claim, MiB)
        assert (pool.statistics().used, pool.statistics().free) == (4 * MiB, 0)
        account.leave_room(4 * MiB)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 2 * MiB)), max_size=60))
def test_used_and_free_never_exceed_the_budget(steps: list[tuple[bool, int]]) -> None:
    async def run() -> None:
        pool = SlabPool(4 * MiB)
        with pool.account("a") as account:
            held: list[Slab] = []
            for take, size in steps:
                fits = pool.statistics().used + pool.class_of(size) <= pool.budget.general
                if take and fits:
                    held.append(await account.take(size))
                elif held:
                    held.pop(size % len(held)).release()
                statistics = pool.statistics()
                assert statistics.used == sum(slab.size for slab in held)
                assert statistics.used + statistics.free <= statistics.budget
                assert statistics.peak <= statistics.budget
            for slab in held:
                slab.release()

    asyncio.run(run())


async def test_many_bodies_share_what_may_wait_for_clients() -> None:
    """A fast one among many slow ones gets a large slab; all at once they do not."""
    pool = SlabPool(64 * MiB)
    accounts = [pool.account(str(number)) for number in range(200)]
    for account in accounts:
        account.open()
    small = [await account.take(16 * KiB) for account in accounts]
    large = await accounts[0].take(1 * MiB)
    assert large.size == 1 * MiB
    wishes = [await account.take(1 * MiB) for account in accounts]
    assert wishes[-1].size == 32 * KiB
    assert sum(slab.size for slab in wishes) <= pool.budget.general // 4 + 200 * 32 * KiB
    for slab in (*small, large, *wishes):
        slab.seal()
    last = await accounts[0].take(1 * MiB)
    assert last.size == 1 * MiB
    for slab in (last, *small, large, *wishes):
        slab.release()
    for account in accounts:
        account.close()


async def test_slow_clients_slabs_leave_a_fast_client_a_large_one() -> None:
    """However many wait for bytes that gather: half of their share more is for slabs larger than those."""
    pool = SlabPool(64 * MiB)
    accounts = [pool.account("everybody") for _ in range(700)]
    for account in accounts:
        account.open()
    slow = [await account.take(128 * KiB) for account in accounts]
    assert slow[-1].size == 16 * KiB
    assert sum(slab.size for slab in slow) >= pool.budget.general // 4
    assert pool.class_of(128 * KiB) == 16 * KiB
    large = [await accounts[0].take(1 * MiB) for _ in range(8)]
    assert [slab.size for slab in large] == [1 * MiB] * 6 + [16 * KiB] * 2
    for slab in large:
        slab.release()
    assert pool.class_of(1 * MiB) == 1 * MiB
    for slab in slow:
        slab.release()
    for account in accounts:
        account.close()


async def test_free_memory_takes_what_the_budget_leaves() -> None:
    pool = SlabPool(64 * MiB)
    with pool.account("a") as account:
        for slab in [await account.take(1 * MiB) for _ in range(48)]:
            slab.release()
        assert pool.statistics().free == 48 * MiB
        large = [await account.take(4 * MiB) for _ in range(8)]
        facts = pool.statistics()
        assert (facts.used, facts.free) == (32 * MiB, 32 * MiB)
        for slab in large:
            slab.release()


async def test_a_fast_client_after_a_crowd_gets_its_memory_once() -> None:
    """The crowd's small slabs make room for the large ones, and those stay."""
    pool = SlabPool(32 * MiB)
    with pool.account("a") as account:
        for slab in [await account.take(16 * KiB) for _ in range(1536)]:
            slab.release()
        for _ in range(20):
            part = [await account.take(1 * MiB) for _ in range(12)]
            part += [await account.take(4 * MiB)]
            for slab in part:
                slab.release()
    facts = pool.statistics()
    assert facts.allocated == 1536 + 13
    assert facts.used + facts.free == facts.budget


async def test_what_comes_back_to_a_full_budget_serves_who_waits_for_its_like() -> None:
    pool = SlabPool(4 * MiB, 0)
    with pool.account("a") as alice, pool.account("b") as bob:
        slabs = [await alice.take(512 * KiB) for _ in range(2)]
        for slab in slabs:
            slab.seal()
        await alice.take_room(3 * MiB)
        waiting = [asyncio.ensure_future(bob.take(512 * KiB)) for _ in range(2)]
        await asyncio.sleep(0)
        for slab in slabs:
            slab.release()
        for slab in [await each for each in waiting]:
            slab.release()
        facts = pool.statistics()
        assert (facts.allocated, facts.reused) == (2, 2)
        alice.leave_room(3 * MiB)


async def test_too_many_bodies_are_refused_with_a_time_to_come_back() -> None:
    pool = SlabPool(1 * MiB)
    accounts = [pool.account("a") for _ in range(24)]
    for account in accounts:
        account.open()
    with pytest.raises(Overloaded) as caught:
        pool.account("b").open()
    assert caught.value.retry_after == 1
    accounts[0].close()
    pool.account("b").open()


async def test_room_beside_slabs_is_charged_as_well() -> None:
    pool = SlabPool(1 * MiB, 256 * KiB)
    with pool.account("a") as account:
        account.start_part()
        await account.take_room(300 * KiB)
        assert pool.statistics().used == account.held == 300 * KiB
        account.leave_room(300 * KiB)
        with pytest.raises(Overloaded):
            await account.take_room(2 * MiB)


async def test_free_slabs_make_room_for_what_is_no_slab() -> None:
    pool = SlabPool(1 * MiB, 256 * KiB)
    with pool.account("a") as account:
        slabs = [await account.take(16 * KiB) for _ in range(32)]
        for slab in slabs:
            slab.release()
        assert pool.statistics().free == 512 * KiB
        account.start_part()
        await account.take_room(900 * KiB)
        facts = pool.statistics()
        assert facts.used + facts.free <= facts.budget
        account.leave_room(900 * KiB)


async def test_memory_that_is_given_back_is_told() -> None:
    from gateway.telemetry import Instrument

    held: list[int] = []

    class Facts(Instrument):
        def memory_held(self, used: int, waiting: int) -> None:
            held.append(used)

    pool = SlabPool(1 * MiB, 256 * KiB, Facts())
    with pool.account("a") as account:
        slab = await account.take(16 * KiB)
        await account.take_room(1000)
        account.leave_room(1000)
        slab.release()
    assert held == [16 * KiB, 16 * KiB + 1000, 16 * KiB, 0]


async def test_a_wait_for_memory_is_told() -> None:
    from gateway.telemetry import Instrument

    waited: list[float] = []

    class Facts(Instrument):
        def memory_waited(self, seconds: float) -> None:
            waited.append(seconds)

    pool = SlabPool(128 * KiB, 64 * KiB, Facts())
    with pool.account("a") as account:
        slabs = [await account.take(1) for _ in range(4)]
        task = asyncio.ensure_future(account.take(1))
        await asyncio.sleep(0.01)
        assert pool.statistics().waiting == 1
        slabs.pop().release()
        slabs.append(await task)
        for slab in slabs:
            slab.release()
    assert len(waited) == 1
    assert waited[0] > 0.005


def test_the_largest_part_fits_the_reserve() -> None:
    assert SlabPool(64 * MiB).part_cap == 16 * MiB - 16 * KiB
    assert SlabPool(64 * MiB, 1000).part_cap == 0
