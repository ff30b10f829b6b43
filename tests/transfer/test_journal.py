"""The intent journal: whose an upload is, from intent to end."""

import pytest

from gateway.errors import SessionsUnavailable
from gateway.model import MultipartRef, ObjectKey
from gateway.sessions.base import NOBODY
from gateway.sessions.memory import MemorySessions
from gateway.transfer.journal import SessionJournal

KEY = ObjectKey("photos", "a.png")


@pytest.fixture
def sessions() -> MemorySessions:
    return MemorySessions()


@pytest.fixture
def journal(sessions: MemorySessions) -> SessionJournal:
    return SessionJournal(sessions, "me", lambda: 7.0)


async def test_an_intent_is_written_then_told_its_upload_then_forgotten(
    journal: SessionJournal, sessions: MemorySessions
) -> None:
    intent = await journal.intend("main", KEY)
    (row,) = await sessions.intents()
    assert (row.id, row.store, row.key) == (intent, "main", KEY)
    assert (row.owner, row.created, row.upload_id) == ("me", 7.0, None)
    await journal.attached(intent, MultipartRef("main", KEY, "u1"))
    (row,) = await sessions.intents()
    assert (row.owner, row.created, row.upload_id) == ("me", 7.0, "u1")
    await journal.closed(intent)
    assert await sessions.intents() == []


async def test_what_is_given_up_belongs_to_nobody_and_keeps_its_upload(
    journal: SessionJournal, sessions: MemorySessions
) -> None:
    unnamed = await journal.intend("main", KEY)
    named = await journal.intend("main", KEY)
    await journal.attached(named, MultipartRef("main", KEY, "u1"))
    await journal.given_up(unnamed)
    await journal.given_up(named)
    rows = {row.id: row for row in await sessions.intents()}
    assert (rows[unnamed].owner, rows[unnamed].upload_id) == (NOBODY, None)
    assert (rows[named].owner, rows[named].upload_id) == (NOBODY, "u1")


async def test_an_end_that_cannot_be_written_keeps_nothing_in_memory(
    journal: SessionJournal, sessions: MemorySessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(intent_id: str) -> None:
        raise SessionsUnavailable("away")

    intent = await journal.intend("main", KEY)
    monkeypatch.setattr(sessions, "drop_intent", away)
    with pytest.raises(SessionsUnavailable):
        await journal.closed(intent)
    with pytest.raises(KeyError):
        await journal.attached(intent, MultipartRef("main", KEY, "u1"))
