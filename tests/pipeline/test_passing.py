"""Cut-through: parts that go to the store as they come. What it costs when something fails, and what it never does."""

import asyncio
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import (
    ClientGone,
    DigestMismatch,
    GatewayError,
    MultipartLost,
    PreconditionFailed,
    StorageRejected,
    StorageTimeout,
    StorageUnavailable,
)
from gateway.model import Digest, ObjectKey, WriteCondition
from gateway.pipeline.intake import Intake
from gateway.pipeline.pool import SlabPool
from gateway.pipeline.sink import PartSink
from gateway.pipeline.slabs import Slab
from gateway.pipeline.transforms import Chain
from gateway.units import KiB, MiB
from tests.pipeline.fakes import (
    KEY,
    Bench,
    FakePassage,
    Gate,
    MemoryPartStore,
    TrickleSource,
    failing,
    spool_in,
)

DATA = os.urandom(200 * KiB)
SLAB = 16 * KiB


class Pressed(TrickleSource):
    """Memory pressure begins when ``after`` bytes were given."""

    def __init__(
        self,
        data: bytes,
        sink: PartSink,
        *,
        after: int = 2 * SLAB,
        step: int = SLAB,
        end: GatewayError | None = None,
        stop: int | None = None,
        known: bool = True,
    ) -> None:
        super().__init__(data, step, 0.0005, known=known)
        self._sink = sink
        self._after = after
        self._stop = stop
        self._error = end

    async def read_into(self, view: memoryview, /) -> int:
        if self.given >= self._after:
            self._sink._intake.spill()
        if self._stop is not None and self.given >= self._stop and self._error is not None:
            raise self._error
        return await super().read_into(view)


@pytest.fixture(autouse=True)
def _nobody_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part has its way out although its client would send it within a second."""
    monkeypatch.setattr("gateway.pipeline.intake._FAST", 0.0)


def bench() -> Bench:
    return Bench(passages=4)


async def put(
    there: Bench,
    data: bytes = DATA,
    *,
    chain: Chain | None = None,
    condition: WriteCondition | None = None,
    preferred: int = 256 * KiB,
    attempts: int = 1,
    end: GatewayError | None = None,
    stop: int | None = None,
) -> str:
    """An upload under pressure; answers the ETag."""
    sink = there.sink(len(data), condition=condition, preferred=preferred, attempts=attempts)
    source = Pressed(data, sink, end=end, stop=stop)
    stored = await there.upload(source, sink, chain or Chain(length=len(data)))
    return stored.etag


async def test_a_body_is_stored_as_it_comes_and_holds_hardly_any_memory() -> None:
    there = bench()
    held: list[int] = []

    async def look(operation: str, number: int) -> None:
        if operation == "send" and number > 2:
            held.append(there.pool.statistics().used)

    there.store.before = look
    assert await put(there) == hashlib.md5(DATA).hexdigest()
    assert there.store.objects[KEY] == DATA
    assert there.store.calls["put"] == 0
    assert max(held) <= 5 * SLAB
    there.assert_clean()


async def test_parts_of_a_large_body_are_passed_one_after_the_other() -> None:
    there = bench()
    await put(there, preferred=64 * KiB)
    assert there.store.objects[KEY] == DATA
    assert there.store.calls["open_part"] >= 2
    assert there.store.calls["open_put"] == 0
    there.assert_clean()


async def test_the_last_slab_waits_until_all_is_verified() -> None:
    there = bench()
    wrong = Digest("md5", bytes(16))
    with pytest.raises(DigestMismatch):
        await put(there, chain=Chain(length=len(DATA), claims=[wrong]))
    (passage,) = _opened(there)
    assert len(DATA) - SLAB <= len(passage.data) < len(DATA)
    assert passage.abandoned
    assert there.store.objects == {}
    there.assert_clean()


async def test_a_last_slab_released_early_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutation that the test above is there for."""

    def all_of_them(self: Intake, draft: object) -> list[Slab]:
        del draft
        return self._builder.sealed()

    monkeypatch.setattr(Intake, "_sendable", all_of_them)
    with pytest.raises(AssertionError, match="last byte must stay"):
        await put(bench(), chain=Chain(length=len(DATA), claims=[Digest("md5", bytes(16))]))


@pytest.mark.parametrize("stop", range(0, len(DATA), 64 * KiB))
@pytest.mark.parametrize("preferred", [64 * KiB, 256 * KiB])
async def test_a_client_that_leaves_leaves_nothing(stop: int, preferred: int) -> None:
    there = bench()
    with pytest.raises(ClientGone):
        await put(there, preferred=preferred, end=ClientGone("gone"), stop=stop)
    assert there.store.objects == {}
    assert all(passage.abandoned for passage in _opened(there))
    there.assert_clean()


def _opened(there: Bench) -> list[FakePassage[Any]]:
    assert there.store.passages is not None
    return there.store.passages.opened


@pytest.mark.parametrize("operation", ["send", "finish"])
@pytest.mark.parametrize("error", [StorageUnavailable, StorageTimeout, DigestMismatch])
@pytest.mark.parametrize("preferred", [64 * KiB, 256 * KiB])
async def test_a_store_that_fails_meanwhile_is_503_with_retry_after(
    operation: str, error: Callable[[str], GatewayError], preferred: int
) -> None:
    there = bench()
    there.store.before = failing(operation, error("planned"))
    with pytest.raises(StorageUnavailable) as caught:
        await put(there, preferred=preferred, attempts=3)
    assert caught.value.status == 503
    assert caught.value.retry_after
    assert there.store.objects == {}
    there.assert_clean()


async def test_what_the_store_refuses_stays_what_it_is() -> None:
    there = bench()
    there.store.before = failing("send", StorageRejected("planned"))
    with pytest.raises(StorageRejected):
        await put(there)
    there.assert_clean()


async def test_a_refused_beginning_loses_nothing_and_is_tried_again() -> None:
    there = bench()
    there.store.before = failing("open_put", StorageUnavailable("planned"))
    await put(there, attempts=2)
    assert there.store.objects[KEY] == DATA
    assert there.store.calls["open_put"] == 2
    there.assert_clean()


@pytest.mark.parametrize(
    ("operation", "preferred"),
    [("open_put", 256 * KiB), ("open_part", 64 * KiB), ("create_multipart", 64 * KiB)],
)
async def test_a_beginning_that_fails_for_good_ends_the_upload(
    operation: str, preferred: int
) -> None:
    there = bench()
    there.store.before = failing(operation, *[StorageUnavailable("planned")] * 3)
    with pytest.raises(StorageUnavailable, match="planned"):
        await put(there, preferred=preferred, attempts=3)
    assert there.store.objects == {}
    there.assert_clean(journal=operation != "create_multipart")


async def test_a_multipart_that_is_lost_meanwhile_says_so() -> None:
    there = bench()
    there.store.before = failing("finish", MultipartLost("planned"))
    with pytest.raises(MultipartLost):
        await put(there, preferred=64 * KiB)
    there.assert_clean()


async def test_when_the_answer_is_lost_the_object_is_asked() -> None:
    there = bench()
    there.store.after = failing("finish", StorageUnavailable("lost"))
    assert await put(there) == hashlib.md5(DATA).hexdigest()
    assert there.store.calls["head"] == 1
    assert there.store.calls["finish"] == 1
    there.assert_clean()


async def test_an_object_that_was_there_before_is_not_taken_for_ours() -> None:
    there = bench()
    await there.store.put(KEY, [memoryview(DATA)], there.sink(None)._attributes)
    await asyncio.sleep(0.01)
    there.store.modified[KEY] = there.store.modified[KEY].replace(year=2020)
    there.store.before = failing("finish", StorageUnavailable("planned"))
    with pytest.raises(StorageUnavailable):
        await put(there)
    there.assert_clean()


async def test_a_condition_that_does_not_hold_fails_at_the_end() -> None:
    there = bench()
    there.store.objects[KEY] = b"old"
    with pytest.raises(PreconditionFailed):
        await put(there, condition=WriteCondition(absent=True))
    assert there.store.objects[KEY] == b"old"
    there.assert_clean()


async def test_cancelled_while_the_call_is_being_opened_nothing_is_left() -> None:
    there = bench()
    gate = Gate("open_put")
    there.store.before = gate
    task = asyncio.ensure_future(put(there))
    await gate.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert there.store.objects == {}
    there.assert_clean()


async def test_an_unknown_length_goes_through_the_spool(tmp_path: Path) -> None:
    async with spool_in(tmp_path) as spool:
        there = Bench(passages=4, spool=spool)
        spooled: list[int] = []

        async def look(operation: str, number: int) -> None:
            del operation, number
            spooled.append(spool.used)

        there.store.before = look
        sink = there.sink(None, preferred=256 * KiB)
        await there.upload(Pressed(DATA, sink, known=False), sink)
        assert there.store.objects[KEY] == DATA
        assert there.store.calls["open_put"] + there.store.calls["open_part"] == 0
        assert max(spooled) > 0
        there.assert_clean()


async def test_more_than_was_announced_is_never_sent() -> None:
    there = bench()
    sink = there.sink(len(DATA), preferred=256 * KiB)

    class Liar(Pressed):
        @property
        def length(self) -> int:
            return max(1, len(DATA) - self.given)

    source = Liar(DATA + bytes(SLAB), sink)
    with pytest.raises(GatewayError):
        await there.upload(source, sink, Chain(length=len(DATA)))
    assert there.store.objects == {}
    there.assert_clean()


async def test_beyond_the_places_uploads_go_to_disk_and_beyond_that_they_wait(
    tmp_path: Path,
) -> None:
    """Ten slow clients, two places at the store, room for two parts on disk: all complete."""
    async with spool_in(tmp_path, 2 * len(DATA)) as spool:
        there = Bench(passages=2, spool=spool)
        most = 0

        async def one(number: int) -> None:
            nonlocal most
            sink = there.sink(len(DATA), key=ObjectKey("b", str(number)), preferred=256 * KiB)
            await there.upload(Pressed(DATA, sink), sink)
            assert there.passages is not None
            most = max(most, there.passages.statistics().peak)

        async with asyncio.timeout(20):
            await asyncio.gather(*(one(number) for number in range(10)))
        assert len(there.store.objects) == 10
        assert set(there.store.objects.values()) == {DATA}
        assert most == 2
        there.assert_clean()


async def test_who_waits_for_a_way_out_and_leaves_takes_none(tmp_path: Path) -> None:
    async with spool_in(tmp_path, len(DATA)) as spool:
        there = Bench(passages=1, spool=spool)
        sinks = [there.sink(len(DATA), preferred=256 * KiB) for _ in range(3)]
        for sink in sinks:
            await sink.__aenter__()
        await sinks[0].admit(len(DATA))
        await sinks[1].admit(len(DATA))
        waiting = asyncio.ensure_future(sinks[2].admit(len(DATA)))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        for sink in sinks:
            await sink.__aexit__(None, None, None)
        there.assert_clean()


async def test_fifty_slow_clients_in_a_tiny_budget_pass_and_a_fast_one_beside_them(
    tmp_path: Path,
) -> None:
    """Real pressure, no planted one: the memory does not hold a tenth of what they send."""
    async with spool_in(tmp_path) as spool:
        store = MemoryPartStore()
        pool = SlabPool(4 * MiB, 1 * MiB, patience=0.05)
        there = Bench(pool=pool, store=store, spool=spool, passages=40)

        async def slow(number: int) -> None:
            sink = there.sink(len(DATA) * 4, key=ObjectKey("b", str(number)), preferred=MiB)
            await there.upload(TrickleSource(DATA * 4, 24 * KiB, 0.03), sink)

        async def fast() -> None:
            sink = there.sink(4 * MiB, principal="bob", preferred=256 * KiB)
            await there.upload(TrickleSource(bytes(4 * MiB), MiB), sink)

        async with asyncio.timeout(30):
            await asyncio.gather(fast(), *(slow(number) for number in range(50)))
        assert store.calls["open_put"] + store.calls["open_part"] > 10
        assert len(store.objects) == 51
        there.assert_clean()
