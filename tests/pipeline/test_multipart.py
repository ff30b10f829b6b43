"""A multipart and its rows in the journal; the rest of its life is in test_sink.py."""

import pytest

from gateway.errors import (
    SessionsUnavailable,
    StorageRejected,
    StorageTimeout,
    StorageUnavailable,
)
from gateway.model import Attributes
from gateway.pipeline.multipart import Multipart
from tests.pipeline.fakes import KEY, Facts, MemoryJournal, MemoryPartStore, Once, failing


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
