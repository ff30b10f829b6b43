"""The intent journal as the pipeline sees it."""

from gateway.model import MultipartRef, ObjectKey
from gateway.sessions.memory import MemorySessions
from gateway.transfer.journal import SessionJournal

KEY = ObjectKey("b", "k")


async def test_an_intent_is_there_before_the_multipart_and_gone_after_it() -> None:
    sessions = MemorySessions()
    journal = SessionJournal(sessions, "me", lambda: 7.0)
    intent = await journal.intend("main", KEY)
    (begun,) = await sessions.intents()
    await journal.attached(intent, MultipartRef("main", KEY, "upload-1"))
    (attached,) = await sessions.intents()
    await journal.closed(intent)

    assert (begun.store, begun.key, begun.owner, begun.created) == ("main", KEY, "me", 7.0)
    assert (begun.upload_id, attached.upload_id) == (None, "upload-1")
    assert (attached.id, attached.created) == (begun.id, 7.0)
    assert await sessions.intents() == []
    await journal.closed(intent)
