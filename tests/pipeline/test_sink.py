"""The sink's promises: what becomes visible, what is left behind, which error surfaces."""

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest

from gateway.errors import (
    ClientGone,
    DigestMismatch,
    GatewayError,
    IncompleteBody,
    Overloaded,
    StorageError,
    StorageThrottled,
    StorageTimeout,
    StorageUnavailable,
    TooLarge,
)
from gateway.model import Digest, MultipartRef, Part, PartLimits, PartReceipt
from gateway.pipeline.pool import SlabPool
from gateway.pipeline.pump import pump
from gateway.pipeline.source import BytesSource
from gateway.pipeline.transforms import Chain
from gateway.units import KiB, MiB
from tests.pipeline.fakes import (
    KEY,
    PART,
    Bench,
    Gate,
    MemoryPartStore,
    TrickleSource,
    failing,
)


async def test_a_body_within_the_first_part_is_one_put() -> None:
    bench = Bench()
    await bench.upload(BytesSource(b"x" * (PART - 1)), bench.sink(None))
    assert bench.store.calls == {"put": 1}
    assert bench.journal.log == []


async def test_a_known_length_of_exactly_one_part_is_one_put() -> None:
    bench = Bench()
    await bench.upload(BytesSource(b"x" * PART), bench.sink(PART))
    assert bench.store.calls == {"put": 1}
    bench.assert_clean()


async def test_an_intent_is_durable_before_create_and_dropped_after_complete() -> None:
    bench = Bench()
    seen: list[tuple[str, tuple[str, ...]]] = []

    async def before(operation: str, number: int) -> None:
        seen.append((operation, tuple(bench.journal.log)))

    bench.store.before = before
    await bench.upload(BytesSource(os.urandom(2 * PART)), bench.sink(2 * PART))
    assert seen[0] == ("create_multipart", ("intend",))
    assert seen[-1] == ("complete_multipart", ("intend", "attached"))
    assert bench.journal.log == ["intend", "attached", "closed"]
    bench.assert_clean()


async def test_pitfall_17_nothing_is_visible_before_complete() -> None:
    bench = Bench()
    gate = Gate("complete_multipart")
    bench.store.before = gate
    data = os.urandom(3 * PART)
    task = asyncio.ensure_future(bench.upload(BytesSource(data), bench.sink(len(data))))
    await gate.reached.wait()
    assert bench.store.objects == {}
    gate.open()
    await task
    assert bench.store.objects[KEY] == data


@pytest.mark.parametrize("size", [0, 3 * PART, 3 * PART + 5])
async def test_pitfall_26_empty_bodies_and_exact_multiples(size: int) -> None:
    bench = Bench()
    data = os.urandom(size)
    await bench.upload(BytesSource(data), bench.sink(size))
    assert bench.store.objects[KEY] == data
    bench.assert_clean()


@pytest.mark.parametrize("length", [PART // 2, 3 * PART])
async def test_pitfall_26_a_truncated_source_leaves_nothing(length: int) -> None:
    bench = Bench()
    source = TrickleSource(b"x" * (length - 1), 16 * KiB, known=False)
    with pytest.raises(IncompleteBody, match=f"after {length - 1} of its declared {length}"):
        await bench.upload(source, bench.sink(length))
    assert bench.store.objects == {}
    bench.assert_clean()


async def test_a_body_that_runs_past_its_length_leaves_nothing() -> None:
    class Liar(TrickleSource):
        @property
        def length(self) -> int | None:
            return max(0, 2 * PART - self.given)

    bench = Bench()
    with pytest.raises(IncompleteBody, match="runs past"):
        await bench.upload(Liar(b"x" * (2 * PART + 1), PART), bench.sink(2 * PART))
    assert bench.store.objects == {}
    bench.assert_clean()


async def test_pitfall_27_an_unknown_length_over_the_plan_is_refused_without_one_part_too_many() -> (
    None
):
    bench = Bench(
        store=MemoryPartStore(limits=PartLimits(min_size=PART, max_size=PART, max_parts=3))
    )
    with pytest.raises(TooLarge) as caught:
        await bench.upload(
            TrickleSource(b"x" * (3 * PART + 1), PART, known=False), bench.sink(None)
        )
    assert caught.value.members == {"max_length": 3 * PART}
    assert bench.store.calls["upload_part"] == 3
    bench.assert_clean()


async def test_pitfall_27_as_many_parts_as_the_store_takes_are_used() -> None:
    bench = Bench(
        store=MemoryPartStore(limits=PartLimits(min_size=PART, max_size=PART, max_parts=3))
    )
    await bench.upload(TrickleSource(b"x" * 3 * PART, PART, known=False), bench.sink(None))
    assert bench.store.sizes["key"] == [PART] * 3
    bench.assert_clean()


async def test_pitfall_25_one_byte_reads_make_whole_parts() -> None:
    bench = Bench()
    data = os.urandom(PART + 100)
    await bench.upload(TrickleSource(data, 1, known=False), bench.sink(None))
    assert bench.store.sizes["key"] == [PART, 100]
    assert bench.store.objects[KEY] == data


async def test_pitfall_24_the_configured_concurrency_is_reached() -> None:
    bench = Bench(8 * MiB)
    gate = Gate("upload_part")
    bench.store.before = gate
    sink = bench.sink(12 * PART, concurrency=10)
    task = asyncio.ensure_future(bench.upload(BytesSource(os.urandom(12 * PART)), sink))
    while bench.store.in_flight < 10:
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    assert bench.store.in_flight == sink.peak_in_flight == 10
    gate.open()
    await task
    assert bench.store.peak == 10
    bench.assert_clean()


async def test_places_are_shared_by_all_uploads() -> None:
    bench = Bench(8 * MiB, places=3)

    async def slowly(operation: str, number: int) -> None:
        await asyncio.sleep(0.001)

    bench.store.before = slowly
    bodies = [bench.upload(BytesSource(bytes(6 * PART)), bench.sink(6 * PART)) for _ in range(4)]
    await asyncio.gather(*bodies)
    assert bench.store.peak == bench.places.statistics().peak == 3
    bench.assert_clean()


async def test_the_next_part_fills_while_one_is_in_flight() -> None:
    bench = Bench()
    gate = Gate("upload_part")
    bench.store.before = gate
    source = TrickleSource(bytes(4 * PART), PART)
    task = asyncio.ensure_future(bench.upload(source, bench.sink(4 * PART, concurrency=1)))
    await gate.reached.wait()
    for _ in range(100):
        await asyncio.sleep(0)
    assert source.given == 2 * PART
    gate.open()
    await task


async def test_a_stalled_store_stops_the_source_within_the_budget() -> None:
    bench = Bench(1 * MiB, 128 * KiB)
    gate = Gate("upload_part")
    bench.store.before = gate
    source = TrickleSource(bytes(8 * MiB), 256 * KiB)
    task = asyncio.ensure_future(bench.upload(source, bench.sink(8 * MiB, concurrency=20)))
    await gate.reached.wait()
    for _ in range(500):
        await asyncio.sleep(0)
    assert source.given <= 1 * MiB
    given = source.given
    await asyncio.sleep(0.05)
    assert source.given == given
    gate.open()
    await task
    assert bench.facts.highest <= 1 * MiB
    bench.assert_clean()


@pytest.mark.parametrize("attempts", [1, 3])
async def test_a_throttled_part_is_resent_without_the_client(attempts: int) -> None:
    bench = Bench()
    bench.store.before = failing("upload_part", *[StorageThrottled("slow down")] * (attempts - 1))
    data = os.urandom(2 * PART)
    source = TrickleSource(data, PART)
    await bench.upload(source, bench.sink(len(data), attempts=attempts, concurrency=1))
    assert bench.store.objects[KEY] == data
    assert source.given == len(data)
    assert bench.facts.attempts == [attempts, 1]


async def test_pitfall_33_attempts_of_a_part_are_what_the_policy_says() -> None:
    bench = Bench()
    bench.store.before = failing("upload_part", *[StorageUnavailable("503")] * 50)
    with pytest.raises(StorageUnavailable):
        await bench.upload(
            BytesSource(bytes(2 * PART)), bench.sink(2 * PART, attempts=3, concurrency=1)
        )
    assert bench.store.calls["upload_part"] == 3
    bench.assert_clean()


async def test_what_fails_to_verify_is_aborted() -> None:
    bench = Bench()
    chain = Chain(claims=[Digest("sha-256", bytes(32))])
    with pytest.raises(DigestMismatch):
        await bench.upload(BytesSource(bytes(3 * PART)), bench.sink(3 * PART), chain)
    assert bench.store.objects == {}
    assert bench.store.calls["abort_multipart"] == 1
    bench.assert_clean()


@pytest.mark.parametrize("at", range(0, 6 * PART + 1, PART // 2))
async def test_a_client_that_goes_away_leaves_nothing(at: int) -> None:
    bench = Bench()
    source = TrickleSource(bytes(at), 16 * KiB, known=False, end=ClientGone("gone"))
    with pytest.raises(ClientGone):
        await bench.upload(source, bench.sink(6 * PART))
    assert bench.store.objects == {}
    bench.assert_clean()


@pytest.mark.parametrize(
    "operation", ["create_multipart", "upload_part", "complete_multipart", "put"]
)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_pitfall_28_cancelled_at_any_call_nothing_is_left(operation: str, when: str) -> None:
    bench = Bench()
    gate = Gate(operation)
    setattr(bench.store, when, gate)
    size = PART // 2 if operation == "put" else 3 * PART
    task = asyncio.ensure_future(bench.upload(BytesSource(bytes(size)), bench.sink(size)))
    await gate.reached.wait()
    task.cancel()
    await asyncio.sleep(0.01)
    gate.open()
    with pytest.raises(asyncio.CancelledError):
        await task
    bench.assert_clean()
    published = operation in {"put", "complete_multipart"}
    assert bench.store.objects == ({KEY: bytes(size)} if published else {})


async def test_pitfall_28_a_part_that_never_ends_is_cut_off_and_the_abort_confirmed() -> None:
    bench = Bench()
    gate = Gate("upload_part")
    bench.store.before = gate
    task = asyncio.ensure_future(
        bench.upload(BytesSource(bytes(3 * PART)), bench.sink(3 * PART, grace=0.01))
    )
    await gate.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    assert bench.store.calls["list_parts"] == 1
    bench.assert_clean()


@pytest.mark.parametrize("checksums", [frozenset({"crc64nvme", "crc32c"}), frozenset({"crc32c"})])
async def test_parts_carry_a_checksum_that_the_store_verifies(checksums: frozenset[str]) -> None:
    bench = Bench(store=MemoryPartStore(checksums=checksums))
    seen: list[Part] = []
    upload_part = bench.store.upload_part

    async def record(ref: MultipartRef, part: Part) -> PartReceipt:
        seen.append(part)
        return await upload_part(ref, part)

    bench.store.upload_part = record  # type: ignore[method-assign]
    await bench.upload(BytesSource(bytes(2 * PART)), bench.sink(2 * PART))
    algorithms = {digest.algorithm for part in seen for digest in part.digests}
    assert algorithms == {"crc64nvme" if "crc64nvme" in checksums else "crc32c"}


async def test_settle_answers_the_receipts_in_order() -> None:
    bench = Bench()
    async with bench.sink(3 * PART) as sink:
        await pump(TrickleSource(bytes(3 * PART), PART), Chain(), sink)
        receipts = await sink.settle()
        assert [receipt.number for receipt in receipts] == [1, 2, 3]
        assert sink.multipart is not None
    bench.assert_clean()


async def test_a_pool_that_is_full_of_bodies_refuses_another() -> None:
    bench = Bench(pool=SlabPool(256 * KiB, 128 * KiB))
    accounts = [bench.pool.account("bob") for _ in range(4)]
    for account in accounts:
        account.open()
    with pytest.raises(Overloaded) as caught:
        async with bench.sink(None, preferred=PART):
            raise AssertionError("it was let in")
    assert caught.value.retry_after == 1


async def test_failures_of_all_kinds_of_calls_leave_the_object_or_nothing() -> None:
    errors: list[GatewayError] = [
        StorageUnavailable("503"),
        StorageTimeout("504"),
        StorageError("?"),
    ]
    for operation in ("create_multipart", "upload_part", "complete_multipart", "put"):
        for error in errors:
            for when in ("before", "after"):
                for attempts in (1, 2):
                    await _fault(operation, failing(operation, error), when, attempts)


async def _fault(
    operation: str,
    fault: Callable[[str, int], Awaitable[None]],
    when: str,
    attempts: int,
) -> None:
    bench = Bench()
    setattr(bench.store, when, fault)
    data = os.urandom(PART // 2 if operation == "put" else 3 * PART)
    try:
        stored = await bench.upload(BytesSource(data), bench.sink(len(data), attempts=attempts))
    except StorageError:
        assert KEY not in bench.store.objects or bench.store.objects[KEY] == data
    else:
        assert stored.size == len(data)
        assert bench.store.objects[KEY] == data
    assert bench.store.calls[operation] <= attempts + (2 if operation == "upload_part" else 0)
    # A lost answer of Create may leave one, and then its intent: the sweep's work.
    assert len(bench.store.uploads) <= len(bench.journal.open)
    assert bench.pool.statistics().used == 0


async def test_a_source_that_says_less_than_it_has_is_found_out() -> None:
    class Short(TrickleSource):
        @property
        def length(self) -> int | None:
            return 0

    bench = Bench()
    with pytest.raises(IncompleteBody):
        await bench.upload(Short(b"xy", 1), bench.sink(1))
    bench.assert_clean()
