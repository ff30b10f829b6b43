"""A multipart and its rows in the journal, alone and under a sink."""

import asyncio

import pytest

from gateway.errors import (
    GatewayError,
    PreconditionFailed,
    SessionsUnavailable,
    StorageRejected,
    StorageThrottled,
    StorageTimeout,
    StorageUnavailable,
)
from gateway.model import Attributes, MultipartRef
from gateway.pipeline.multipart import Multipart
from gateway.pipeline.source import BytesSource
from tests.pipeline.fakes import (
    KEY,
    PART,
    Bench,
    Facts,
    Gate,
    MemoryJournal,
    MemoryPartStore,
    Once,
    failing,
)


def multipart(store: MemoryPartStore, journal: MemoryJournal, facts: Facts) -> Multipart:
    return Multipart(store, KEY, Attributes(), retry=Once(), journal=journal, instrument=facts)


async def test_it_is_created_once() -> None:
    store, journal = MemoryPartStore(), MemoryJournal()
    upload = multipart(store, journal, Facts())
    assert await upload.create() == await upload.create()
    assert store.calls["create_multipart"] == 1
    await upload.close()
    await upload.close()
    assert journal.log == ["intend", "attached", "closed"]


async def test_there_is_nothing_to_abort_before_it_is_created_or_after_it_is_gone() -> None:
    store, journal = MemoryPartStore(), MemoryJournal()
    upload = multipart(store, journal, Facts())
    await upload.abort(confirm=False)
    await upload.create()
    await upload.abort(confirm=False)
    await upload.abort(confirm=False)
    assert store.calls["abort_multipart"] == 1
    assert journal.open == {}


async def test_an_abort_that_fails_is_told_and_gives_the_intent_up() -> None:
    store, journal, facts = MemoryPartStore(), MemoryJournal(), Facts()
    store.before = failing("abort_multipart", StorageUnavailable("down"))
    upload = multipart(store, journal, facts)
    ref = await upload.create()
    await upload.abort(confirm=True)
    assert [error.detail for error in facts.aborts_failed] == ["down"]
    assert list(journal.open.values()) == [ref]
    assert journal.given == list(journal.open)


async def test_an_intent_whose_create_may_have_happened_is_given_up() -> None:
    store, journal = MemoryPartStore(), MemoryJournal()
    store.before = failing("create_multipart", StorageTimeout("silent"))
    with pytest.raises(StorageTimeout):
        await multipart(store, journal, Facts()).create()
    assert journal.given == list(journal.open) == ["intent-0"]


async def test_an_intent_whose_create_was_refused_is_forgotten() -> None:
    store, journal = MemoryPartStore(), MemoryJournal()
    store.before = failing("create_multipart", StorageRejected("no"))
    with pytest.raises(StorageRejected):
        await multipart(store, journal, Facts()).create()
    assert (journal.given, journal.open) == ([], {})


async def test_the_store_s_error_surfaces_when_the_journal_fails_as_well() -> None:
    store, journal = MemoryPartStore(), MemoryJournal()
    store.before = failing("create_multipart", StorageTimeout("silent"))
    journal.failing["given_up"] = SessionsUnavailable("down")
    with pytest.raises(StorageTimeout):
        await multipart(store, journal, Facts()).create()


async def test_an_abort_is_repeated_while_the_store_shows_parts() -> None:
    bench = Bench()
    gate = Gate("upload_part")
    bench.store.before = gate
    abort = bench.store.abort_multipart

    async def late(ref: MultipartRef) -> None:
        await abort(ref)
        if bench.store.calls["abort_multipart"] < 3:
            bench.store.uploads[ref.upload_id] = {}

    bench.store.abort_multipart = late  # type: ignore[method-assign]
    task = asyncio.ensure_future(
        bench.upload(BytesSource(bytes(3 * PART)), bench.sink(3 * PART, grace=0.01))
    )
    await gate.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.store.calls["abort_multipart"] == 3
    bench.assert_clean()


@pytest.mark.parametrize("lasting", [False, True])
async def test_an_abort_that_fails_keeps_its_intent_and_the_first_error(lasting: bool) -> None:
    bench = Bench()
    bench.store.before = failing("upload_part", StorageRejected("no"))

    async def stubborn(ref: MultipartRef) -> None:
        if not lasting:
            raise StorageUnavailable("down")

    async def stuck(operation: str, number: int) -> None:
        if operation == "upload_part":
            if number == 1:
                await asyncio.sleep(0.01)
                raise StorageRejected("no")
            await asyncio.Event().wait()

    if lasting:
        bench.store.before = stuck
    bench.store.abort_multipart = stubborn  # type: ignore[method-assign]
    with pytest.raises(StorageRejected):
        await bench.upload(BytesSource(bytes(3 * PART)), bench.sink(3 * PART, grace=0.01))
    assert len(bench.facts.aborts_failed) == 1
    assert len(bench.journal.open) == 1
    assert bench.pool.statistics().used == 0


async def test_a_journal_that_is_down_stops_the_upload_before_create() -> None:
    bench = Bench()
    bench.journal.failing["intend"] = SessionsUnavailable("down")
    with pytest.raises(SessionsUnavailable):
        await bench.upload(BytesSource(bytes(3 * PART)), bench.sink(3 * PART))
    assert bench.store.calls == {}
    bench.assert_clean()


async def test_a_multipart_that_could_not_be_journalled_is_aborted() -> None:
    bench = Bench()
    bench.journal.failing["attached"] = SessionsUnavailable("down")
    with pytest.raises(SessionsUnavailable):
        await bench.upload(BytesSource(bytes(3 * PART)), bench.sink(3 * PART))
    bench.assert_clean()


async def test_each_attempt_to_create_has_an_intent_of_its_own() -> None:
    """An attempt whose answer was lost may have left a multipart: its intent must stay for the sweep."""
    bench = Bench()
    bench.store.after = failing("create_multipart", StorageTimeout("no answer"))
    await bench.upload(BytesSource(bytes(3 * PART)), bench.sink(3 * PART, attempts=2))
    assert bench.journal.log == ["intend", "given_up", "intend", "attached", "closed"]
    assert list(bench.journal.open.values()) == [None]
    assert list(bench.store.uploads) == ["upload-1"]


@pytest.mark.parametrize("error", [StorageThrottled("slow"), PreconditionFailed("no")])
async def test_a_create_that_was_certainly_refused_leaves_no_intent(error: GatewayError) -> None:
    bench = Bench()
    bench.store.before = failing("create_multipart", error)
    with pytest.raises(type(error)):
        await bench.upload(BytesSource(bytes(3 * PART)), bench.sink(3 * PART))
    bench.assert_clean()
