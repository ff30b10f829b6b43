"""The receiving half of a sink, as memory pressure sees it."""

import asyncio
from pathlib import Path

import pytest

from gateway.adapt.part_size import PartPlan
from gateway.pipeline.intake import Intake
from gateway.pipeline.naps import Naps
from gateway.pipeline.pool import SlabPool
from gateway.pipeline.spool import Spool
from gateway.units import KiB, MiB
from tests.pipeline.fakes import PART, spool_in


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def intake(
    clock: Clock,
    spool: Spool | None = None,
    *,
    length: int | None = None,
    owed: bool = False,
    naps: Naps | None = None,
) -> tuple[Intake, SlabPool]:
    pool = SlabPool(1 * MiB)
    made = Intake(
        PartPlan(length, PART, PART, None, 300),
        pool.account("a"),
        spool,
        owed=lambda: owed,
        naps=naps,
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


class TimedNaps(Naps):
    """Naps on a clock that is moved by hand."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.napped = 0.0

    async def nap(self, seconds: float) -> None:
        self._clock.now += seconds
        self.napped += seconds


class Line:
    """A client behind a line of ``rate`` bytes per second, with ``most`` bytes of them in our kernel at most. Bytes
    arrive in segments; each that arrives while somebody reads costs a turn."""

    def __init__(self, clock: Clock, rate: float, most: int = 128 * KiB) -> None:
        self._clock = clock
        self._rate = rate
        self._most = most
        self._since = clock.now
        self._there = 0.0
        self.arrivals = 0

    def _gather(self) -> None:
        came = (self._clock.now - self._since) * self._rate
        self._there, self._since = min(self._there + came, self._most), self._clock.now

    def wait(self, seconds: float) -> None:
        """We have something else to do."""
        self._clock.now += seconds

    def read(self, size: int, *, prompt: bool) -> int:
        self._gather()
        got = 0
        while not got or (got < size and not prompt):
            if self._there < 1:
                self.arrivals += 1
                self._clock.now += 4 * KiB / self._rate
                self._gather()
            taken = min(int(self._there), size - got)
            self._there -= taken
            got += taken
        return got


async def receive(upload: Intake, line: Line, size: int) -> None:
    """What the pump does, for so many bytes."""
    while size > 0:
        window = await upload.admit(size)
        if window is None:
            upload.cut().release()
            continue
        line.wait(0.002)  # a turn of the event loop
        read = line.read(len(window), prompt=upload.prompt)
        if (slab := upload.filled(read)) is not None:
            slab.release()
        size -= read


async def test_a_slow_client_is_left_alone_again_and_again() -> None:
    """Else each of its segments wakes us, and with thousands of them a fast client waits for its turn."""
    clock = Clock()
    naps = TimedNaps(clock)
    upload, _ = intake(clock, naps=naps)
    line, began = Line(clock, 64 * KiB), clock.now
    await receive(upload, line, 4 * MiB)
    seconds = clock.now - began
    assert seconds == pytest.approx(64.0, rel=0.05)
    assert naps.napped > 0.9 * seconds
    assert line.arrivals < 100
    await upload.close()


async def test_a_fast_client_that_was_taken_for_slow_is_found_out() -> None:
    """Turns of a quarter of a second made it look slow; the kernel never has more than 96 KiB of it."""
    clock = Clock()
    naps = TimedNaps(clock)
    upload, _ = intake(clock, naps=naps)
    await take(upload, clock, 64 * KiB, 1.0)
    upload.cut().release()
    began = clock.now
    await receive(upload, Line(clock, 100 * MiB, 96 * KiB), 16 * MiB)
    assert clock.now - began < 1.5
    assert naps.napped < 1.2
    await upload.close()


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
