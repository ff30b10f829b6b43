"""A multipart and its rows in the journal; the rest of its life is in test_sink.py."""

from gateway.errors import StorageUnavailable
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


async def test_an_abort_that_fails_is_told_and_keeps_the_intent() -> None:
    store, journal, facts = MemoryPartStore(), MemoryJournal(), Facts()
    store.before = failing("abort_multipart", StorageUnavailable("down"))
    upload = multipart(store, journal, facts)
    ref = await upload.create()
    await upload.abort(confirm=True)
    assert [error.detail for error in facts.aborts_failed] == ["down"]
    assert list(journal.open.values()) == [ref]
