"""The receiving half of a sink, as memory pressure sees it."""

import asyncio
from pathlib import Path

import pytest

from gateway.adapt.part_size import PartPlan
from gateway.pipeline.intake import Intake
from gateway.pipeline.slabs import SlabPool
from gateway.pipeline.spool import Spool
from gateway.units import KiB, MiB
from tests.pipeline.fakes import spool_in

PART = 64 * KiB


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def intake(
    clock: Clock, spool: Spool | None = None, *, length: int | None = None, owed: bool = False
) -> tuple[Intake, SlabPool]:
    pool = SlabPool(1 * MiB)
    made = Intake(
        PartPlan(length, PART, PART, None, 9),
        pool.account("a"),
        spool,
        owed=lambda: owed,
        clock=clock,
    )
    made.open()
    return made, pool


async def take(upload: Intake, clock: Clock, size: int, seconds: float) -> None:
    """The client sends ``size`` bytes in so many seconds."""
    while size:
        window = await upload.admit(None)
        assert window is not None
        read = min(size, len(window))
        clock.now += seconds * read / size
        slab = upload.filled(read)
        if slab is not None:
            slab.release()
        size -= read


async def test_a_part_is_due_when_its_client_will_have_sent_the_rest() -> None:
    clock = Clock()
    upload, _ = intake(clock)
    await take(upload, clock, 16 * KiB, 1.0)
    assert upload.due() == pytest.approx(3.0)
    await upload.admit(None)
    clock.now += 3.0
    assert upload.due() == pytest.approx(12.0)
    await upload.close()


async def test_nothing_is_due_where_nothing_is_missing() -> None:
    clock = Clock()
    upload, _ = intake(clock, length=16 * KiB)
    await upload.admit(16 * KiB)
    upload.filled(16 * KiB)
    assert await upload.admit(0) is None
    assert upload.due() == 0.0
    await upload.close()


async def test_a_client_that_never_sent_is_due_never() -> None:
    clock = Clock()
    upload, _ = intake(clock)
    await upload.admit(None)
    clock.now += 1.0
    assert upload.due() == float("inf")
    await upload.close()


async def test_our_own_pauses_are_counted_and_not_held_against_the_client() -> None:
    clock = Clock()
    upload, _ = intake(clock)
    await take(upload, clock, 16 * KiB, 1.0)
    clock.now += 60.0
    await take(upload, clock, 16 * KiB, 1.0)
    assert upload.paused == pytest.approx(60.0)
    assert upload.due() == pytest.approx(2.0)
    await upload.close()


async def test_only_sealed_slabs_spill_and_only_once_at_a_time(tmp_path: Path) -> None:
    async with spool_in(tmp_path) as spool:
        clock = Clock()
        upload, pool = intake(clock, spool, owed=True)
        assert upload.sending()
        assert upload.spillable() == 0
        await take(upload, clock, 36 * KiB, 1.0)
        assert upload.spillable() == 32 * KiB
        upload.spill()
        upload.spill()
        assert upload.spillable() == 0
        while spool.used < 32 * KiB or pool.statistics().used > 16 * KiB:
            await asyncio.sleep(0.001)
        assert upload.spillable() == 0
        await upload.close()
        assert (pool.statistics().used, spool.used) == (0, 0)


async def test_without_a_spool_nothing_spills() -> None:
    clock = Clock()
    upload, pool = intake(clock)
    await take(upload, clock, 36 * KiB, 1.0)
    upload.spill()
    assert upload.spillable() == 0
    assert pool.statistics().used == 48 * KiB
    await upload.close()


async def test_a_window_that_somebody_keeps_retires_the_slab() -> None:
    clock = Clock()
    upload, pool = intake(clock)
    window = await upload.admit(None)
    assert window is not None
    with memoryview(window):
        upload.filled(1)
        await upload.close()
    assert pool.statistics().retired == 1
