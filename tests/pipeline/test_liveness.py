"""Many uploads, little memory: whatever the order of events, all complete and nothing is held afterwards.

The harness drives randomised schedules against a tiny budget. It is itself tested: bugs are planted (a pool
without its reserve, a slab lost at a part's end, a lease given back twice, parts in the wrong order) and must
be caught.
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path

import pytest

from gateway.errors import ClientGone, GatewayError, StorageUnavailable
from gateway.model import MultipartRef, ObjectKey, Part, PartReceipt
from gateway.pipeline.parts import Draft, PartBuilder
from gateway.pipeline.pool import SlabPool
from gateway.pipeline.slabs import Slab
from gateway.units import KiB, MiB
from tests.pipeline.fakes import Bench, MemoryPartStore, TrickleSource, spool_in

PART = 128 * KiB
#: A schedule that has not ended after this is a hang. The longest takes a fifth of it.
HANG = 5.0


class Fickle(TrickleSource):
    """Gives between one byte and all that fits, now and then after a pause of some turns of the loop."""

    def __init__(
        self, data: bytes, rand: random.Random, *, known: bool, fails_at: int | None
    ) -> None:
        super().__init__(data, 1, known=known)
        self._rand = rand
        self._fails_at = fails_at

    async def read_into(self, view: memoryview, /) -> int:
        for _ in range(self._rand.choice((0, 0, 1, 5, 20))):
            await asyncio.sleep(0)
        if self._fails_at is not None and self.given >= self._fails_at:
            raise ClientGone("gone")
        self._step = self._rand.choice((1 * KiB, 5000, 16 * KiB, MiB))
        return await super().read_into(view)


async def run_schedule(bench: Bench, seed: int, uploads: int = 12, *, faults: bool = True) -> None:
    """Carry out ``uploads`` at once; check every outcome, the budget at all times and that all was returned.

    Raises:
        TimeoutError: they hang.
        AssertionError: an object is wrong, or something is still held.
    """
    rand = random.Random(seed)

    async def wobble(operation: str, number: int) -> None:
        for _ in range(rand.choice((0, 1, 3, 30))):
            await asyncio.sleep(0)
        if faults and rand.random() < 0.03:
            raise StorageUnavailable("503")

    bench.store.before = wobble
    # A busy machine that stood still while a client was read from made it a slow one, whose bytes are left to gather:
    # a schedule of turns of the loop was none any more, and took longer than the limit.
    bench.clock = count(step=1e-6).__next__

    async def one(number: int) -> None:
        size = rand.choice((0, 1, PART - 1, PART, PART + 1, 3 * PART + 17, 5 * PART))
        key, data = ObjectKey("b", f"{seed}-{number}"), os.urandom(size)
        known = rand.random() < 0.6
        fails_at = rand.randrange(size) if faults and size and rand.random() < 0.2 else None
        source = Fickle(data, rand, known=known, fails_at=fails_at)
        sink = bench.sink(
            size if known else None,
            key=key,
            principal=rand.choice("ab"),
            attempts=2,
            preferred=PART,
        )
        try:
            await bench.upload(source, sink)
        except (ClientGone, StorageUnavailable):
            assert faults
            assert key not in bench.store.objects or bench.store.objects[key] == data
        else:
            assert bench.store.objects[key] == data

    async def together() -> None:
        tasks = [asyncio.ensure_future(one(number)) for number in range(uploads)]
        try:
            if faults:
                await asyncio.sleep(0)
                tasks[rand.randrange(uploads)].cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            for task in tasks:
                task.cancel()
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    await asyncio.wait_for(together(), HANG)
    statistics = bench.pool.statistics()
    assert statistics.peak <= statistics.budget
    assert statistics.used + statistics.free <= statistics.budget
    bench.store.uploads = {k: v for k, v in bench.store.uploads.items() if not faults}
    bench.assert_clean(journal=not faults)


def tiny(pool: type[SlabPool] = SlabPool, **options: int) -> Bench:
    """Room for the parts of two uploads, and one in reserve."""
    return Bench(pool=pool(768 * KiB, options.get("reserve", PART + 16 * KiB)))


@pytest.mark.parametrize("seed", range(12))
async def test_all_complete_whatever_the_order_of_events(seed: int) -> None:
    await run_schedule(tiny(), seed)


@pytest.mark.parametrize("seed", range(4))
async def test_all_complete_with_a_spool_as_well(seed: int, tmp_path: Path) -> None:
    async with spool_in(tmp_path) as spool:
        bench = Bench(pool=SlabPool(768 * KiB, PART + 16 * KiB, patience=0.0), spool=spool)
        await run_schedule(bench, seed, faults=seed % 2 == 1)


# --- planted bugs: the harness must see each of them ---


async def test_planted_a_pool_without_its_reserve_hangs_and_is_caught() -> None:
    class NoRightOfWay(SlabPool):
        def __init__(self, budget: int, reserve: int) -> None:
            super().__init__(budget, reserve)
            self.budget._by_right = lambda: None  # type: ignore[method-assign]

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(run_schedule(tiny(NoRightOfWay), 1, 24, faults=False), 0.5)


async def test_planted_a_first_part_held_back_hangs_and_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The trap that every such pipeline falls into once: keep the first full part until the second has bytes."""
    from gateway.pipeline import sink as module

    send = module.PartSink._send
    held: dict[module.PartSink, Draft] = {}

    async def put(self: module.PartSink) -> None:
        draft = self._intake.draft
        if draft.room:
            return
        self._intake._memory.end_part()
        done = self._intake.cut()
        before = held.pop(self, None)
        held[self] = done
        if before is not None:
            await send(self, before)

    monkeypatch.setattr(module.PartSink, "put", put)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(run_schedule(tiny(), 2, 24, faults=False), 0.5)


async def test_planted_a_slab_lost_at_the_end_of_a_part_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cut = PartBuilder.cut

    def lossy(self: PartBuilder) -> Draft:
        draft = cut(self)
        if len(draft.slabs) > 1:
            draft.slabs.pop().release()
        return draft

    monkeypatch.setattr(PartBuilder, "cut", lossy)
    with pytest.raises((AssertionError, GatewayError)):
        await run_schedule(tiny(), 3, faults=False)


async def test_planted_a_lease_given_back_twice_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    release = Slab.release

    def twice(self: Slab) -> None:
        release(self)
        release(self)

    monkeypatch.setattr(Slab, "release", twice)
    with pytest.raises(AssertionError, match="twice"):
        await run_schedule(tiny(), 4, faults=False)


async def test_planted_parts_in_the_wrong_order_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    upload: Callable[..., Awaitable[PartReceipt]] = MemoryPartStore.upload_part

    async def swapped(self: MemoryPartStore, ref: MultipartRef, part: Part) -> PartReceipt:
        number = {1: 2, 2: 1}.get(part.number, part.number)
        await upload(self, ref, Part(number, part.offset, part.size, part.views))
        return PartReceipt(part.number, part.offset, part.size, "x")

    monkeypatch.setattr(MemoryPartStore, "upload_part", swapped)
    with pytest.raises((AssertionError, GatewayError)):
        await run_schedule(tiny(), 5, faults=False)


# --- the figures of the acceptance ---


class Stalls(TrickleSource):
    """Sends 160 KiB and then nothing more."""

    async def read_into(self, view: memoryview, /) -> int:
        if self.given >= 160 * KiB:
            await asyncio.Event().wait()
        return await super().read_into(view)


async def test_two_hundred_trickling_uploads_complete_in_a_tiny_budget(tmp_path: Path) -> None:
    """200 × 16 MiB under 64 MiB, all trickling, scaled down."""
    async with spool_in(tmp_path, 512 * MiB) as spool:
        store = MemoryPartStore()
        bench = Bench(pool=SlabPool(8 * MiB, 1 * MiB, patience=0.05), store=store, spool=spool)
        data = os.urandom(512 * KiB)

        async def one(number: int) -> None:
            source = TrickleSource(data, 48 * KiB, 0.05, known=number % 2 == 0)
            sink = bench.sink(
                len(data) if number % 2 == 0 else None,
                key=ObjectKey("b", str(number)),
                preferred=256 * KiB,
            )
            await bench.upload(source, sink)

        await asyncio.wait_for(asyncio.gather(*(one(number) for number in range(200))), 30)
        assert all(stored == data for stored in store.objects.values())
        assert len(store.objects) == 200
        assert bench.pool.statistics().peak <= 8 * MiB
        bench.assert_clean()


async def test_pitfall_23_a_fast_client_passes_stalled_ones(tmp_path: Path) -> None:
    """Slow clients fill the memory and stop; the spool takes what they hold."""
    async with spool_in(tmp_path) as spool:
        bench = Bench(pool=SlabPool(4 * MiB, 1 * MiB, patience=0.05), spool=spool)

        async def slow(number: int) -> None:
            sink = bench.sink(4 * PART, key=ObjectKey("b", str(number)), preferred=512 * KiB)
            await bench.upload(Stalls(bytes(4 * PART), 16 * KiB), sink)

        tasks = [asyncio.ensure_future(slow(number)) for number in range(24)]
        await asyncio.sleep(0.3)
        data = os.urandom(4 * MiB)
        sink = bench.sink(len(data), principal="bob", preferred=512 * KiB)
        await asyncio.wait_for(bench.upload(TrickleSource(data, MiB), sink), 3)
        assert bench.spool is not None
        assert bench.spool.used > 0
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        bench.assert_clean()


async def test_no_more_parts_begin_than_could_be_completed(tmp_path: Path) -> None:
    """Stalled clients: those whose part would not fit the spool with the others' are not read from at all."""
    async with spool_in(tmp_path, 2 * MiB) as spool:
        bench = Bench(pool=SlabPool(2 * MiB, 512 * KiB, patience=0.0), spool=spool)
        sources = [Stalls(bytes(MiB), 16 * KiB) for _ in range(12)]
        tasks = [
            asyncio.ensure_future(bench.upload(source, bench.sink(MiB, preferred=384 * KiB)))
            for source in sources
        ]
        await asyncio.sleep(0.1)
        assert [source.given > 0 for source in sources] == [True] * 5 + [False] * 7
        for task in tasks[:2]:
            task.cancel()
        await asyncio.sleep(0.05)
        assert sum(source.given > 0 for source in sources) == 7
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        bench.assert_clean()


async def test_a_client_that_was_fast_does_not_wait_to_begin_its_next_part(tmp_path: Path) -> None:
    async with spool_in(tmp_path, 400 * KiB) as spool:
        bench = Bench(pool=SlabPool(4 * MiB, 512 * KiB), spool=spool)
        gone = await spool.begin("slow", 16 * KiB)
        data = os.urandom(2 * MiB)
        sink = bench.sink(len(data), preferred=384 * KiB)
        task = asyncio.ensure_future(bench.upload(TrickleSource(data, MiB), sink))
        while not bench.store.calls["upload_part"]:
            await asyncio.sleep(0)
        filler = asyncio.ensure_future(spool.begin("slow", 400 * KiB))
        await asyncio.wait_for(task, 5)
        gone()
        (await filler)()
        bench.assert_clean()
