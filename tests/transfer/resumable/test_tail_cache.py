"""Remembered segments: charged to the budget, and the first to go."""

from gateway.pipeline.slabs import SlabPool
from gateway.transfer.resumable.tail_cache import TailCache
from gateway.units import KiB, MiB


def views(size: int) -> list[memoryview]:
    return [memoryview(bytes(size))]


async def test_what_is_kept_is_charged_and_given_back() -> None:
    pool = SlabPool(8 * MiB)
    cache = TailCache(pool, MiB)
    await cache.keep("u", "a", views(1000))
    assert (pool.budget.used, cache.size, len(cache.get("u", "a") or b"")) == (1000, 1000, 1000)
    cache.drop("u", "a")
    cache.drop("u", "never")
    assert (pool.budget.used, pool.statistics().accounts, cache.get("u", "a")) == (0, 0, None)


async def test_the_oldest_make_room_and_what_is_too_large_is_not_kept() -> None:
    pool = SlabPool(8 * MiB)
    cache = TailCache(pool, 100 * KiB)
    for name in "abc":
        await cache.keep("u", name, views(40 * KiB))
    assert cache.get("u", "a") is None
    assert cache.get("u", "b") is not None
    await cache.keep("u", "d", views(200 * KiB))
    await cache.keep("u", "e", views(0))
    assert cache.get("u", "d") is None
    assert cache.size == 80 * KiB
    cache.clear()


async def test_it_takes_nothing_while_memory_is_short_and_gives_all_up_when_asked() -> None:
    pool = SlabPool(8 * MiB)
    cache = TailCache(pool, 8 * MiB)
    await cache.keep("u", "a", views(MiB))
    with pool.account("body") as body:
        await body.take_room(3 * MiB)
        await cache.keep("u", "b", views(MiB))
        assert cache.get("u", "b") is None
        assert (cache.spillable(), cache.sending(), cache.due()) == (MiB, False, float("inf"))
        cache.spill()
        assert pool.budget.used == 3 * MiB
        body.leave_room(3 * MiB)


async def test_a_pool_without_a_place_for_one_more_is_no_error() -> None:
    pool = SlabPool(MiB, 512 * KiB)
    cache = TailCache(pool, MiB)
    accounts = [pool.account(str(index)) for index in range(16)]
    for account in accounts:
        account.open()
    await cache.keep("u", "a", views(10))
    assert cache.get("u", "a") is None
    for account in accounts:
        account.close()
