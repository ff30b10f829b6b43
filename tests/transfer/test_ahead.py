"""A download over several connections: in order, of one version, out of memory that nobody misses."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.adapt.concurrency import FIRST, Limit
from gateway.adapt.samples import Outcome, PartSample
from gateway.errors import StorageCorrupt, StorageUnavailable
from gateway.model import Attributes, ByteRange, From
from gateway.pipeline.limiter import Limiter
from gateway.pipeline.pool import SlabPool
from gateway.settings.sections import RetrySection
from gateway.storage.retry import Retrier
from gateway.transfer import ahead
from gateway.transfer.ahead import AheadSource, ReadAhead
from gateway.transfer.placement import Placement
from gateway.transfer.window import Window
from gateway.units import KiB, MiB
from tests.transfer.far import WINDOW, Clock, FarStore, Fault, eager
from tests.transfer.lab import KEY, Facts


def pattern(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


@dataclass
class World:
    """One store, one budget, and downloads out of them."""

    store: FarStore
    pool: SlabPool = field(default_factory=lambda: SlabPool(8 * MiB))
    places: Limiter = field(default_factory=lambda: Limiter.of(64))
    streams: int = 8
    facts: Facts = field(default_factory=Facts)

    async def holding(self, data: bytes) -> "World":
        await self.store.put(KEY, [memoryview(data)], Attributes())
        return self

    async def download(self, span: ByteRange | None = None) -> AheadSource:
        opened = await self.store.get(KEY, range=span and From(span.start, span.stop))
        assert opened.range is not None
        quick = RetrySection(attempts=3, base=0.0, cap=0.0, budget=1.0, breaker_failures=1000)
        means = ReadAhead(
            pool=self.pool,
            places={"main": self.places},
            streams=self.streams,
            clock=self.store.clock,
            cpu=self.store.clock.cpu,
        )
        return AheadSource(
            means,
            "alice",
            Placement(self.store, KEY, None),  # type: ignore[arg-type]
            opened.info.etag,
            opened.range,
            opened.source,
            Retrier("main", quick, self.facts),
            self.facts,
        )

    def assert_clean(self) -> None:
        statistics = self.pool.statistics()
        assert (statistics.used, statistics.accounts, statistics.waiting) == (0, 0, 0)
        assert self.places.statistics().in_flight == 0
        assert self.store.open == 0


async def drain(
    source: AheadSource,
    step: int = 10_000,
    client: Callable[[int], Awaitable[None]] | None = None,
    most: int = 1 << 40,
    into: bytearray | None = None,
) -> bytes:
    """Read as a client does that is told of each piece; stop after ``most`` bytes."""
    taken, view = bytearray(), memoryview(bytearray(step))
    while len(taken) < most and (count := await source.read_into(view)):
        taken += view[:count]
        if into is not None:
            into += view[:count]
        if client is not None:
            await client(count)
    return bytes(taken)


async def whole(world: World, **how: Any) -> bytes:
    source = await world.download()
    try:
        async with asyncio.timeout(20):
            return await drain(source, **how)
    finally:
        await source.aclose()


faults = st.lists(
    st.one_of(
        st.none(),
        st.builds(Fault, st.sampled_from(["reset", "truncated"]), st.integers(1, 50_000)),
    ),
    max_size=12,
)
refusals = st.lists(
    st.tuples(st.integers(1, 8), st.sampled_from(["refused", "throttled"])), max_size=2
)


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 300_000),
    windows=st.lists(st.integers(3_000, 80_000), min_size=1, max_size=5),
    planned=faults,
    refused=refusals,
    budget=st.sampled_from([64 * KiB, 100 * KiB, 256 * KiB, MiB, 16 * MiB]),
    places=st.integers(1, 20),
    streams=st.integers(2, 12),
    step=st.integers(2000, 100_000),
    view=st.integers(1500, 70_000),
    leaves=st.none() | st.integers(0, 300_000),
    seed=st.integers(0, 1000),
)
def test_every_byte_comes_once_in_order_whatever_fails_on_the_way(
    size: int,
    windows: list[int],
    planned: list[Fault | None],
    refused: list[tuple[int, str]],
    budget: int,
    places: int,
    streams: int,
    step: int,
    view: int,
    leaves: int | None,
    seed: int,
) -> None:
    data = pattern(size)

    async def run() -> None:
        store = FarStore(Clock(), step=step, seed=seed)
        world = World(store, SlabPool(budget), Limiter.of(places), streams)
        await world.holding(data)
        source = await world.download()
        store.faults.extend(planned)  # type: ignore[arg-type]
        for at, kind in refused:
            store.faults.insert(at, Fault(kind))
        most = size if leaves is None else leaves
        try:
            async with asyncio.timeout(20):
                taken = await drain(source, view, most=most)
        finally:
            await source.aclose()
        assert taken == data[: len(taken)]
        assert len(taken) >= min(most, size)
        world.assert_clean()

    with eager(windows):
        asyncio.run(run())


async def test_windows_follow_each_other_without_gap_and_name_the_version() -> None:
    world = await World(FarStore(Clock())).holding(data := pattern(MiB))
    with eager():
        assert await whole(world) == data
    store = world.store
    etag = (await store.head(KEY)).etag
    spans = sorted((span.start, span.stop) for span in store.ranges[1:] if span is not None)
    assert store.ranges[0] is None
    assert set(store.matches[1:]) == {etag}
    assert all(stop == start for (_, stop), (start, _) in pairwise(spans))
    assert spans[-1][1] == len(data)
    assert store.peak > 3
    assert world.facts.widened == 1
    world.assert_clean()


async def test_a_range_is_read_ahead_like_a_whole_object() -> None:
    world = await World(FarStore(Clock())).holding(data := pattern(MiB))
    with eager():
        source = await world.download(ByteRange(1000, 900_000))
        assert source.length == 899_000
        assert await drain(source) == data[1000:900_000]
        await source.aclose()
    assert (source.length, world.store.peak > 3) == (0, True)
    world.assert_clean()


@pytest.mark.parametrize("honours", [True, False], ids=["If-Match honoured", "If-Match ignored"])
@pytest.mark.parametrize("moment", [0, 50_000, 300_000])
@pytest.mark.parametrize("after", [pattern(MiB, 2), b"short", None], ids=["same size", "short", ""])
async def test_case_72_windows_of_two_versions_are_never_mixed(
    honours: bool, moment: int, after: bytes | None
) -> None:
    world = await World(FarStore(Clock())).holding(data := pattern(MiB))
    world.store.honours = honours
    taken = bytearray()
    with eager():
        source = await world.download()
        await drain(source, most=moment, into=taken)
        if after is None:
            await world.store.delete(KEY)
        else:
            await world.holding(after)
        with pytest.raises(StorageCorrupt, match="replaced or removed"):
            await drain(source, into=taken)
        await source.aclose()
    assert taken == data[: len(taken)]
    assert len(taken) < len(data)
    world.assert_clean()


async def test_many_downloads_over_a_tiny_budget_all_end() -> None:
    store = FarStore(Clock())
    world = await World(store, SlabPool(256 * KiB)).holding(data := pattern(300_000))
    with eager():
        taken = await asyncio.gather(*(whole(world) for _ in range(6)))
    assert all(each == data for each in taken)
    assert world.pool.budget.peak <= world.pool.budget.general // 2
    world.assert_clean()


async def test_without_memory_or_place_it_stays_one_stream() -> None:
    for pool, places in ((SlabPool(48 * KiB), Limiter.of(64)), (SlabPool(MiB), Limiter.of(1))):
        world = await World(FarStore(Clock()), pool, places).holding(data := pattern(300_000))
        if places.statistics().limit == 1:
            await places.acquire("busy")
        with eager():
            assert await whole(world) == data
        assert world.store.ranges == [None]
        assert world.facts.widened == 0


async def test_a_pool_that_admits_nobody_more_is_no_reason_to_fail() -> None:
    pool = SlabPool(256 * KiB)
    others = [pool.account("bob") for _ in range(6)]
    for other in others:
        other.open()
    world = await World(FarStore(Clock()), pool).holding(data := pattern(300_000))
    with eager():
        assert await whole(world) == data
    assert world.store.ranges == [None]


async def test_what_was_read_ahead_makes_way_for_who_needs_the_memory() -> None:
    world = await World(FarStore(Clock()), SlabPool(MiB, 0)).holding(data := pattern(600_000))
    with eager():
        source = await world.download()
        taken = await drain(source, most=20_000)
        for _ in range(50):
            await asyncio.sleep(0)
        assert world.pool.budget.used >= 3 * WINDOW
        with world.pool.account("bob") as account:
            async with asyncio.timeout(5):
                await account.take_room(MiB)
            taken += await drain(source, most=200_000)
            assert world.pool.budget.used == MiB, "nothing is read ahead while memory is out"
            account.leave_room(MiB)
        taken += await drain(source)
        await source.aclose()
    assert taken == data
    world.assert_clean()


@pytest.mark.parametrize("ran", [True, False])
async def test_a_window_may_be_dropped_before_its_task_ran(ran: bool) -> None:
    world = await World(FarStore(Clock())).holding(data := pattern(300_000))
    with eager():
        source = await world.download()
        taken = await drain(source, most=1)
        if ran:
            await asyncio.sleep(0)
        assert source.spillable() >= WINDOW
        assert (source.sending(), source.due()) == (False, float("inf"))
        source.spill()
        source.spill()
        assert source.spillable() == 0
        taken += await drain(source)
        await source.aclose()
        await source.aclose()
    assert taken == data
    world.assert_clean()


async def test_a_client_that_leaves_takes_everything_with_it() -> None:
    world = await World(FarStore(Clock(), step=100)).holding(pattern(MiB))
    with eager():
        source = await world.download()
        reading = asyncio.ensure_future(drain(source))
        for _ in range(300):
            await asyncio.sleep(0)
        assert world.store.open > 3
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await source.aclose()
    world.assert_clean()


async def test_for_a_slow_client_little_is_held() -> None:
    world = await World(FarStore(Clock())).holding(data := pattern(MiB))
    held: list[int] = []

    async def slow(count: int) -> None:
        world.store.clock.now += 10
        for _ in range(100):
            await asyncio.sleep(0)
        held.append(world.pool.budget.used)

    with eager():
        assert await whole(world, client=slow) == data
    assert 2 * WINDOW <= max(held) <= FIRST * WINDOW
    assert held[-2] <= 4 * WINDOW
    world.assert_clean()


async def test_a_failure_ahead_of_its_turn_is_asked_again_in_its_turn() -> None:
    world = await World(FarStore(Clock())).holding(data := pattern(MiB))
    with eager():
        source = await world.download()
        world.store.faults.extend([Fault("refused")] * 6)  # more than one call survives
        assert await drain(source) == data
        await source.aclose()
    world.assert_clean()


async def test_what_fails_in_its_turn_ends_the_download() -> None:
    world = await World(FarStore(Clock())).holding(data := pattern(MiB))
    with eager():
        source = await world.download()
        world.store.faults.extend([Fault("refused")] * 1000)
        taken = bytearray()
        with pytest.raises(StorageUnavailable):
            await drain(source, into=taken)
        await source.aclose()
    assert taken == data[: len(taken)]
    world.assert_clean()


async def test_a_throttling_store_gets_fewer_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    cuts: list[tuple[int, int]] = []

    class Watched(Limit):
        def on_sample(self, sample: PartSample) -> None:
            before = self.value
            super().on_sample(sample)
            if sample.outcome is Outcome.CONGESTED:
                cuts.append((before, self.value))

    monkeypatch.setattr(ahead, "Limit", Watched)
    world = await World(FarStore(Clock())).holding(data := pattern(MiB))
    with eager():
        source = await world.download()
        world.store.faults.append(Fault("throttled"))
        assert await drain(source) == data
        await source.aclose()
    assert cuts == [(FIRST, int(FIRST * 0.7))]
    world.assert_clean()


async def test_a_bug_while_reading_ahead_surfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await World(FarStore(Clock())).holding(pattern(MiB))

    async def broken(window: Window) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Window, "fill", broken)
    with eager(), pytest.raises(ZeroDivisionError):
        await whole(world)
    world.assert_clean()


class TestOnlyWhenOneStreamIsTheBottleneck:
    """With the real verdict and the real sizes."""

    SIZE = 24 * MiB

    async def run(self, client: Callable[[Clock, int], None], *, pace: float) -> World:
        """``pace``: seconds that the store takes for 256 KiB."""
        clock = Clock()
        world = await World(FarStore(clock, step=256 * KiB), SlabPool(128 * MiB)).holding(
            data := pattern(self.SIZE)
        )

        async def pass_time() -> None:
            clock.now += pace
            await asyncio.sleep(0)

        world.store.pass_time = pass_time  # type: ignore[method-assign]

        async def reads(count: int) -> None:
            client(clock, count)

        assert await whole(world, step=256 * KiB, client=reads) == data
        world.assert_clean()
        return world

    async def test_a_slow_store_and_a_fast_client(self) -> None:
        world = await self.run(lambda clock, count: None, pace=0.005)
        assert world.facts.widened == 1
        assert world.store.peak > 1

    async def test_not_for_a_client_that_is_slower(self) -> None:
        def reads(clock: Clock, count: int) -> None:
            clock.now += 0.01

        world = await self.run(reads, pace=0.005)
        assert world.store.ranges == [None]

    async def test_not_for_a_gateway_that_is_busy(self) -> None:
        def reads(clock: Clock, count: int) -> None:
            clock.busy += 0.004

        world = await self.run(reads, pace=0.005)
        assert world.store.ranges == [None]


async def test_streams_that_bring_nothing_are_given_up() -> None:
    """All connections share one line: four are no faster than one."""
    world = await World(FarStore(Clock())).holding(data := pattern(3 * MiB))
    line = asyncio.Lock()

    async def pass_time() -> None:
        async with line:
            await asyncio.sleep(0)
            world.store.clock.now += 0.03

    world.store.pass_time = pass_time  # type: ignore[method-assign]
    with eager():
        source = await world.download()
        taken = await drain(source, most=2 * MiB)
        reasons = [each.reason for each in source._limit.decisions]
        taken += await drain(source)
        await source.aclose()
    assert taken == data
    assert "no gain" in reasons
    assert world.store.peak <= 8
    world.assert_clean()
