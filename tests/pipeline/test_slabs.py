"""Leases: sized by their wish, never showing another's bytes, ended once."""

import pytest

from gateway.pipeline.pool import SlabPool
from gateway.units import KiB, MiB


@pytest.mark.parametrize(
    ("wish", "size"),
    [(1, 16 * KiB), (16 * KiB + 1, 32 * KiB), (500 * KiB, 512 * KiB), (9 * MiB, 4 * MiB)],
)
async def test_a_slab_is_a_power_of_two_in_bounds(wish: int, size: int) -> None:
    with SlabPool(64 * MiB).account("a") as account:
        slab = await account.take(wish)
        assert slab.size == account.held == size
        slab.release()
        assert account.held == 0


async def test_pitfall_15_a_lease_never_shows_another_ones_bytes() -> None:
    pool = SlabPool(1 * MiB)
    with pool.account("a") as alice, pool.account("b") as bob:
        slab = await alice.take(16 * KiB)
        slab.window(6)[:] = b"secret"
        slab.filled = 6
        slab.release()
        reused = await bob.take(16 * KiB)
        assert pool.statistics().reused == 1
        assert bytes(reused.data()) == b""
        reused.window(2)[:] = b"ok"
        reused.filled = 2
        assert bytes(reused.data()) == b"ok"
        assert reused.data().readonly
        reused.release()


async def test_a_slab_that_somebody_still_looks_at_is_not_reused() -> None:
    pool = SlabPool(1 * MiB)
    with pool.account("a") as account:
        slab = await account.take(16 * KiB)
        slab.window(4)[:] = b"mine"
        slab.filled = 4
        view = slab.data()
        slab.release()
        other = await account.take(16 * KiB)
        other.window(5)[:] = b"other"
        assert bytes(view) == b"mine"
        assert pool.statistics().retired == 1
        other.release()


async def test_a_lease_that_was_retained_ends_with_the_last_release() -> None:
    with SlabPool(1 * MiB).account("a") as account:
        slab = await account.take(1)
        slab.retain()
        slab.release()
        assert account.held == 16 * KiB
        slab.release()
        assert account.held == 0
        with pytest.raises(AssertionError, match="twice"):
            slab.release()


async def test_spare_slabs_are_all_there_or_none() -> None:
    pool = SlabPool(8 * MiB, 4 * MiB)
    with pool.account("a") as account:
        assert account.spare(2 * MiB + 1) == []
        assert account.held == 0
        slabs = account.spare(2 * MiB)
        assert sum(slab.size for slab in slabs) == account.held == 2 * MiB
        assert account.spare(1) == []
        for slab in slabs:
            slab.release()
        assert [slab.size for slab in account.spare(100 * KiB)] == [128 * KiB]
        assert pool.statistics().used == 128 * KiB
