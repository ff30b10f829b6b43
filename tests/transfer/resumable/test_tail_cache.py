"""Remembered segments: in the slabs in which they came, and the first to go."""

import asyncio
from collections.abc import Sequence

from gateway.model import ByteRange
from gateway.pipeline.pool import SlabPool
from gateway.pipeline.slabs import Slab
from gateway.transfer.resumable.tail_cache import TailCache
from gateway.units import KiB, MiB

SMALL = 16 * KiB


async def slabs(pool: SlabPool, *pieces: bytes) -> list[Slab]:
    """A segment as a request leaves it: its account is closed, its slabs are about to be released."""
    made = []
    with pool.account("request") as account:
        for piece in pieces:
            slab = await account.take(len(piece))
            slab.window(len(piece))[:] = piece
            slab.filled = len(piece)
            made.append(slab)
    return made


def release(slabs: Sequence[Slab]) -> None:
    for slab in slabs:
        slab.release()


async def test_what_is_kept_stays_charged_and_is_given_back() -> None:
    pool = SlabPool(8 * MiB)
    cache = TailCache(pool, MiB)
    made = await slabs(pool, b"a" * SMALL, b"bcd")
    cache.keep("u", "a", made)
    release(made)
    assert (pool.budget.used, cache.size) == (2 * SMALL, 2 * SMALL)
    cache.drop("u", "a")
    cache.drop("u", "never")
    assert (pool.budget.used, pool.statistics().accounts, pool.statistics().retired) == (0, 0, 0)


async def test_any_piece_of_it_can_be_borrowed_and_outlives_its_being_forgotten() -> None:
    pool = SlabPool(8 * MiB)
    cache = TailCache(pool, MiB)
    data = bytes(range(250)) * 100
    made = await slabs(pool, data[:SMALL], data[SMALL:])
    cache.keep("u", "a", made)
    release(made)
    assert cache.borrow("u", "b", ByteRange(0, 1)) is None
    for span in (ByteRange(0, len(data)), ByteRange(5, 9), ByteRange(SMALL - 1, SMALL + 1)):
        found = cache.borrow("u", "a", span)
        assert found is not None
        views, give_back = found
        assert b"".join(views) == data[span.start : span.stop]
        give_back()
    found = cache.borrow("u", "a", ByteRange(0, 5))
    assert found is not None
    cache.clear()
    assert bytes(found[0][0]) == data[:5]
    assert pool.budget.used > 0
    found[1]()
    assert (pool.budget.used, pool.statistics().retired) == (0, 0)


async def test_the_oldest_make_room_and_what_is_too_large_is_not_kept() -> None:
    pool = SlabPool(8 * MiB)
    cache = TailCache(pool, 2 * SMALL)
    for name in "abc":
        made = await slabs(pool, b"x" * SMALL)
        cache.keep("u", name, made)
        release(made)
    assert cache.borrow("u", "a", ByteRange(0, 1)) is None
    large = await slabs(pool, *[b"x" * SMALL] * 3)
    cache.keep("u", "d", large)
    cache.keep("u", "e", [])
    release(large)
    assert cache.size == pool.budget.used == 2 * SMALL
    cache.clear()


async def test_what_takes_the_place_of_all_others_can_still_be_reclaimed() -> None:
    pool = SlabPool(8 * MiB)
    cache = TailCache(pool, SMALL)
    for name in "ab":
        made = await slabs(pool, b"x" * SMALL)
        cache.keep("u", name, made)
        release(made)
    assert (cache.size, pool.statistics().accounts) == (SMALL, 1)
    async with asyncio.timeout(5):
        with pool.account("body") as body:
            await body.take_room(pool.budget.general)
            assert cache.size == 0
            body.leave_room(pool.budget.general)
    assert (pool.budget.used, pool.statistics().accounts) == (0, 0)


async def test_it_keeps_nothing_while_memory_is_short_and_gives_all_up_when_asked() -> None:
    pool = SlabPool(8 * MiB)
    cache = TailCache(pool, 8 * MiB)
    first, second = await slabs(pool, b"x"), await slabs(pool, b"y")
    cache.keep("u", "a", first)
    with pool.account("body") as body:
        await body.take_room(4 * MiB)
        cache.keep("u", "b", second)
        assert cache.borrow("u", "b", ByteRange(0, 1)) is None
        assert (cache.spillable(), cache.sending(), cache.due()) == (SMALL, False, float("inf"))
        release([*first, *second])
        cache.spill()
        assert pool.budget.used == 4 * MiB
        body.leave_room(4 * MiB)


async def test_a_pool_without_a_place_for_one_more_is_no_error() -> None:
    pool = SlabPool(MiB, 512 * KiB)
    cache = TailCache(pool, MiB)
    made = await slabs(pool, b"x")
    accounts = [pool.account(str(index)) for index in range(16)]
    for account in accounts:
        account.open()
    cache.keep("u", "a", made)
    assert cache.borrow("u", "a", ByteRange(0, 1)) is None
    release(made)
    for account in accounts:
        account.close()
