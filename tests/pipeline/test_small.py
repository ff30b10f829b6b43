"""Bodies of one slab: the sink's rules, held without its machinery."""

import asyncio
import gc
import time
import weakref

import pytest

from gateway.adapt.buffer_size import SMALLEST
from gateway.errors import (
    ClientGone,
    DigestMismatch,
    IncompleteBody,
    Overloaded,
    PreconditionFailed,
    StorageUnavailable,
    TooLarge,
)
from gateway.model import Attributes, Digest, Source, Stored, WriteCondition
from gateway.pipeline.publish_small import SmallPublication
from gateway.pipeline.small import SmallBody, is_small
from gateway.pipeline.source import BytesSource
from gateway.pipeline.transforms import Chain
from gateway.units import KiB
from tests.pipeline.fakes import KEY, Bench, Gate, MemoryPartStore, failing, retrier


class Broken(BytesSource):
    """Gives what it has, then the client is gone."""

    async def read_into(self, view: memoryview, /) -> int:
        size = await super().read_into(view)
        if not size:
            raise ClientGone("gone")
        return size


def small(
    bench: Bench, length: int, condition: WriteCondition | None = None, attempts: int = 1
) -> SmallBody:
    publication = SmallPublication(
        bench.store,
        KEY,
        Attributes(),
        condition or WriteCondition(),
        retrier(attempts),
        time.time(),
    )
    return SmallBody(
        length,
        publication,
        memory=bench.pool.account("alice"),
        places=bench.places,
        instrument=bench.facts,
    )


async def upload(body: SmallBody, source: Source, chain: Chain) -> Stored:
    """What transfer does: take in, verify, complete."""
    with body:
        assert body.admit_at_once()
        await body.fill(source, chain)
        chain.verify()
        return await body.complete()


@pytest.mark.parametrize(
    ("length", "expected"),
    [(None, False), (0, False), (1, True), (SMALLEST, True), (SMALLEST + 1, False)],
)
def test_small_is_what_fits_the_smallest_slab(length: int | None, expected: bool) -> None:
    assert is_small(length) is expected


@pytest.mark.parametrize("step", [None, 1, 1000])
@pytest.mark.parametrize("size", [1, 1000, SMALLEST])
async def test_a_small_body_is_one_put(size: int, step: int | None) -> None:
    bench = Bench()
    data = bytes(range(256)) * 64
    source = BytesSource(data[:size], step=step)
    stored = await upload(small(bench, size), source, Chain(length=size))
    assert stored.size == size
    assert bench.store.objects == {KEY: data[:size]}
    assert bench.store.calls == {"put": 1}
    assert bench.pool.statistics().peak == SMALLEST
    bench.assert_clean()


async def test_the_store_is_sent_the_checksum_that_it_verifies() -> None:
    seen: list[tuple[Digest, ...]] = []

    class Store(MemoryPartStore):
        async def put(self, *args: object, **more: object) -> Stored:
            seen.append(more["digests"])  # type: ignore[arg-type]
            return await super().put(*args, **more)  # type: ignore[arg-type]

    bench = Bench(store=Store(checksums=frozenset({"crc32c"})))
    await upload(small(bench, 9), BytesSource(b"123456789"), Chain(length=9))
    assert seen == [(Digest("crc32c", bytes.fromhex("e3069283")),)]


async def test_a_body_that_ends_early_or_runs_on_is_not_stored() -> None:
    bench = Bench()
    with pytest.raises(IncompleteBody, match="after 3 of its declared 5"):
        await upload(small(bench, 5), BytesSource(b"abc"), Chain(length=5))
    with pytest.raises(IncompleteBody, match="past its declared length of 2"):
        await upload(small(bench, 2), BytesSource(b"abc"), Chain(length=2))
    assert bench.store.calls == {}
    bench.assert_clean()


async def test_a_body_that_is_not_what_was_claimed_is_not_stored() -> None:
    bench = Bench()
    chain = Chain(length=3, claims=(Digest("md5", bytes(16)),))
    with pytest.raises(DigestMismatch):
        await upload(small(bench, 3), BytesSource(b"abc"), chain)
    assert bench.store.calls == {}
    bench.assert_clean()


async def test_a_client_that_leaves_gives_everything_back() -> None:
    bench = Bench()
    with pytest.raises(ClientGone):
        await upload(small(bench, 5), Broken(b"abc"), Chain(length=5))
    bench.assert_clean()


async def test_a_condition_of_the_write_is_the_stores_to_judge() -> None:
    bench = Bench()
    absent = WriteCondition(absent=True)
    await upload(small(bench, 1, absent), BytesSource(b"a"), Chain(length=1))
    with pytest.raises(PreconditionFailed):
        await upload(small(bench, 1, absent), BytesSource(b"b"), Chain(length=1))
    assert bench.store.objects == {KEY: b"a"}
    bench.assert_clean()


async def test_a_lost_answer_is_asked_for_at_the_object() -> None:
    bench = Bench()
    bench.store.after = failing("put", StorageUnavailable("lost"))
    stored = await upload(small(bench, 3), BytesSource(b"abc"), Chain(length=3))
    assert (stored.size, bench.store.calls["put"]) == (3, 1)
    bench.assert_clean()


class Here(BytesSource):
    """Has received all of it."""

    def take_at_once(self, size: int) -> memoryview | None:
        return self._left if size == len(self._left) else None


async def test_a_body_that_is_here_is_sent_from_where_it_lies_and_counts_as_a_slab() -> None:
    bench = Bench()
    with small(bench, 3) as body:
        assert body.take_over(Here(b"abc"), Chain(length=3))
        assert bench.pool.statistics().used == SMALLEST
        await body.complete()
    assert bench.store.objects == {KEY: b"abc"}
    assert bench.pool.statistics().allocated == 0
    bench.assert_clean()


async def test_a_body_that_is_here_is_looked_at_as_any() -> None:
    bench = Bench()
    with pytest.raises(TooLarge), small(bench, 3) as body:
        body.take_over(Here(b"abc"), Chain(length=3, max_size=2))
    chain = Chain(length=3, claims=(Digest("md5", bytes(16)),))
    with small(bench, 3) as body:
        assert body.take_over(Here(b"abc"), chain)
        with pytest.raises(DigestMismatch):
            chain.verify()
    bench.assert_clean()


async def test_a_body_is_left_where_not_all_of_it_is_here_or_there_is_no_memory_for_it() -> None:
    bench = Bench(budget=80 * KiB, reserve=16 * KiB)
    with small(bench, 5) as body:
        assert not body.take_over(Here(b"abc"), Chain(length=5))
        assert not body.take_over(BytesSource(b"abcde"), Chain(length=5))
        assert bench.pool.statistics().used == 0
        with bench.pool.account("hog") as hog:
            await hog.take_room(64 * KiB)
            assert not body.take_over(Here(b"abcde"), Chain(length=5))
            hog.leave_room(64 * KiB)
    bench.assert_clean()


async def test_a_retry_sends_the_same_bytes_and_asks_the_client_for_nothing() -> None:
    bench = Bench()
    bench.store.before = failing("put", StorageUnavailable("busy"))
    source = BytesSource(b"abc")
    await upload(small(bench, 3, attempts=2), source, Chain(length=3))
    assert bench.store.objects == {KEY: b"abc"}
    bench.assert_clean()


async def test_memory_is_waited_for_where_there_is_none_and_then_nothing_more() -> None:
    bench = Bench(budget=80 * KiB, reserve=16 * KiB)
    with bench.pool.account("hog") as hog:
        await hog.take_room(64 * KiB)
        with small(bench, 5) as body:
            assert not body.admit_at_once()
            await body.admit()  # the reserve is for parts that wait, and this is one
            assert bench.pool.budget.elder is None  # it needs no more
            assert (body.spillable(), body.due()) == (0, 0.0)
            body.spill()
            await body.fill(BytesSource(b"hello"), Chain(length=5))
        hog.leave_room(64 * KiB)
    bench.assert_clean()


async def test_one_body_too_many_is_refused() -> None:
    bench = Bench(budget=64 * KiB, reserve=16 * KiB)
    with small(bench, 1), pytest.raises(Overloaded), small(bench, 1):
        raise AssertionError("it was let in")
    bench.assert_clean()


async def test_a_publication_that_has_begun_runs_to_its_end() -> None:
    bench = Bench()
    gate = Gate("put")
    bench.store.before = gate
    body = small(bench, 3)
    task = asyncio.create_task(upload(body, BytesSource(b"abc"), Chain(length=3)))
    while not bench.store.calls:
        await asyncio.sleep(0)
    assert body.sending()
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    gate.open()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.store.objects == {KEY: b"abc"}
    assert not body.sending()
    bench.assert_clean()


async def test_a_small_body_leaves_nothing_to_the_garbage_collector() -> None:
    bench = Bench()
    gc.disable()
    try:
        body = small(bench, 3)
        await upload(body, BytesSource(b"abc"), Chain(length=3))
        gone = weakref.ref(body)
        del body
        assert gone() is None
    finally:
        gc.enable()
