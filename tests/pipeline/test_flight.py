"""Parts in flight; most of it shows in test_sink.py."""

import asyncio

import pytest

from gateway.adapt.concurrency import Limit
from gateway.errors import StorageThrottled
from gateway.model import MultipartRef
from gateway.pipeline.flight import Flight, part_digests
from gateway.pipeline.limiter import Limiter
from gateway.pipeline.parts import Draft
from gateway.units import MiB
from tests.pipeline.fakes import KEY, Facts, Gate, MemoryPartStore, Times, failing

REF = MultipartRef("fake", KEY, "one")
PART = 8 * MiB
BYTES = bytes(PART)


def flight(store: MemoryPartStore, limit: Limit, failures: list[BaseException]) -> Flight:
    store.uploads["one"] = {}
    return Flight(
        store,
        principal="alice",
        places=Limiter.of(4),
        limit=limit,
        retry=Times(2),
        instrument=Facts(),
        failed=failures.append,
    )


async def test_a_throttled_attempt_narrows_the_window() -> None:
    store, limit, failures = MemoryPartStore(), Limit(4), list[BaseException]()
    store.before = failing("upload_part", StorageThrottled("slow down"))
    parts = flight(store, limit, failures)
    await parts.send(REF, Draft(1, 0, 1))
    await parts.settle()
    assert limit.value == 2
    assert sorted(parts.receipts) == [1]
    assert failures == []


async def test_the_first_error_is_told() -> None:
    store, failures = MemoryPartStore(), list[BaseException]()
    error = StorageThrottled("slow down")
    store.before = failing("upload_part", error, error)
    parts = flight(store, Limit(4), failures)
    await parts.send(REF, Draft(1, 0, 1))
    await parts.settle()
    assert failures == [error]


async def test_stopping_cuts_off_what_does_not_land_and_begins_nothing() -> None:
    store, failures = MemoryPartStore(), list[BaseException]()
    gate = Gate("upload_part")
    store.before = gate
    parts = flight(store, Limit(4), failures)
    await parts.send(REF, Draft(1, 0, 1))
    await gate.reached.wait()
    await parts.send(REF, Draft(2, 0, 1))
    assert not await parts.stop(0.01)
    assert (parts.count, parts.receipts, failures) == (0, {}, [])


async def test_stopping_does_not_try_again() -> None:
    store, failures = MemoryPartStore(), list[BaseException]()
    tried = asyncio.Event()

    async def slowly(operation: str, number: int) -> None:
        tried.set()
        await asyncio.sleep(0.01)
        raise StorageThrottled("slow down")

    store.before = slowly
    parts = flight(store, Limit(4), failures)
    await parts.send(REF, Draft(1, 0, 1))
    await tried.wait()
    assert await parts.stop(1)
    assert store.calls["upload_part"] == 1


async def test_a_wait_for_a_place_that_is_cancelled_releases_the_part() -> None:
    store, failures = MemoryPartStore(), list[BaseException]()
    gate = Gate("upload_part")
    store.before = gate
    parts = flight(store, Limit(1), failures)
    await parts.send(REF, Draft(1, 0, 1))
    waiting = asyncio.ensure_future(parts.send(REF, Draft(2, 0, 1)))
    await gate.reached.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    gate.open()
    await parts.settle()
    assert sorted(parts.receipts) == [1]


def test_no_checksum_is_sent_to_a_store_that_verifies_none() -> None:
    assert part_digests(MemoryPartStore(), [memoryview(b"x")]) == ()


def part(number: int) -> Draft:
    draft = Draft(number, number * PART, 0)
    draft.precede([memoryview(BYTES)])
    return draft


def windowful(store: MemoryPartStore, limit: Limit, failures: list[BaseException]) -> Flight:
    store.uploads["one"] = {}
    return Flight(
        store,
        principal="alice",
        places=Limiter.of(16),
        limit=limit,
        retry=Times(2),
        instrument=Facts(),
        failed=failures.append,
    )


async def test_no_fourth_part_is_begun_before_the_store_has_answered() -> None:
    store, failures = MemoryPartStore(), list[BaseException]()
    gate = Gate("upload_part")
    store.before = gate
    parts = windowful(store, Limit(8), failures)
    for number in (1, 2, 3):
        await parts.trusted(PART)
        await parts.send(REF, part(number))
    waiting = asyncio.ensure_future(parts.trusted(PART))
    await gate.reached.wait()
    await asyncio.sleep(0.01)
    assert not waiting.done()
    gate.open()
    await asyncio.wait_for(waiting, 1)
    await parts.settle()
    assert failures == []


async def test_what_the_stores_silence_kept_back_counts_as_use_of_the_window() -> None:
    store, limit = MemoryPartStore(), Limit(8, maximum=16)

    async def slowly(operation: str, number: int) -> None:
        await asyncio.sleep(0.01)

    store.before = slowly
    parts = windowful(store, limit, [])
    for number in range(1, 33):
        await parts.trusted(PART)
        await parts.send(REF, part(number))
    await parts.settle()
    first = limit.decisions[0]
    assert (first.old, first.new, first.reason) == (8, 16, "probe")
