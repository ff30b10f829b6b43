"""Free memory: what was used last is taken, what has lain longest goes, and what nobody takes goes in the end."""

import asyncio
import mmap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pipeline.free import FreeMemory
from gateway.units import KiB, MiB

SIZES = (16 * KiB, 32 * KiB, 64 * KiB)


def buffer(size: int = 16 * KiB) -> mmap.mmap:
    return mmap.mmap(-1, size)


async def test_the_buffer_that_was_used_last_is_taken_first() -> None:
    free, first, second = FreeMemory(), buffer(), buffer()
    free.put(first, len(first))
    free.put(second, len(second))
    assert free.size == 32 * KiB
    assert free.take(32 * KiB) is None
    assert free.take(16 * KiB) is second
    assert free.take(16 * KiB) is first
    assert free.take(16 * KiB) is None
    assert free.size == 0


async def test_what_has_lain_longest_goes_first_whatever_its_size() -> None:
    free = FreeMemory()
    kept = {size: [buffer(size), buffer(size)] for size in SIZES}
    for size in reversed(SIZES):
        free.put(kept[size][0], size)
    for size in SIZES:
        free.put(kept[size][1], size)
    free.shrink(free.size - 1)  # the oldest, of 64 KiB
    assert free.size == (16 + 32 + 16 + 32 + 64) * KiB
    free.shrink(112 * KiB)  # the first ones of 32 and of 16 KiB
    assert [free.take(size) for size in SIZES] == [kept[size][1] for size in SIZES]
    assert free.size == 0


@given(st.lists(st.tuples(st.sampled_from("ptts"), st.sampled_from(SIZES)), max_size=80))
def test_it_is_a_list_by_age(steps: list[tuple[str, int]]) -> None:
    """Against the plain thing: one list in the order of putting."""

    async def run() -> None:
        free = FreeMemory()
        known: list[mmap.mmap] = []
        for step, size in steps:
            if step == "p":
                known.append(buffer(size))
                free.put(known[-1], size)
            elif step == "t":
                taken = next((each for each in reversed(known) if len(each) == size), None)
                assert free.take(size) is taken
                known = [each for each in known if each is not taken]
            else:
                while sum(map(len, known)) > 2 * size:
                    known.pop(0)
                free.shrink(2 * size)
            assert free.size == sum(map(len, known))

    asyncio.run(run())


@pytest.fixture(name="looks")
def counted_looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes that were left after each look."""
    seen: list[int] = []
    look = FreeMemory._look

    def counted(self: FreeMemory) -> None:
        look(self)
        seen.append(self.size)

    monkeypatch.setattr(FreeMemory, "_look", counted)
    return seen


async def until(free: FreeMemory, size: int) -> None:
    async with asyncio.timeout(10):
        while free.size > size:
            await asyncio.sleep(0.005)


async def test_what_nobody_takes_goes_and_what_is_used_stays() -> None:
    free, used = FreeMemory(kept=0.05), buffer()
    for _ in range(8):
        free.put(buffer(64 * KiB), 64 * KiB)
    free.put(used, len(used))
    async with asyncio.timeout(10):
        while free.size > len(used):
            assert free.take(len(used)) is used
            free.put(used, len(used))
            await asyncio.sleep(0.001)
    await until(free, 0)


async def test_nothing_is_looked_for_where_nothing_lies(looks: list[int]) -> None:
    free = FreeMemory(kept=0.01)
    free.put(buffer(), 16 * KiB)
    await until(free, 0)
    known = len(looks)
    await asyncio.sleep(0.05)
    assert len(looks) == known
    free.put(buffer(), 16 * KiB)
    await until(free, 0)
    assert len(looks) > known


async def test_much_memory_goes_a_little_at_a_time(looks: list[int]) -> None:
    """Unmapping all of it at once would hold the event loop."""
    free = FreeMemory(kept=0.01)
    for _ in range(9):
        free.put(buffer(MiB), MiB)
    free.put(buffer(), 16 * KiB)
    await until(free, 0)
    steps = [
        before - after for before, after in zip([9 * MiB + 16 * KiB, *looks], looks, strict=False)
    ]
    assert max(steps) == 4 * MiB
    assert sum(steps) == 9 * MiB + 16 * KiB
