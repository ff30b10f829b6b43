"""Segments of chunks, and the session that learns of them: what it may name is never dropped."""

import asyncio
from hashlib import sha256

import pytest

from gateway.errors import (
    SessionsUnavailable,
    UploadGone,
)
from gateway.model import Digest
from gateway.sessions.uploads import Change
from tests.transfer.lab import Bytes
from tests.transfer.resumable.chunk_lab import DATA, UNANSWERED, Mute, put
from tests.transfer.resumable.lab import PART, Fleet


async def test_segments_that_the_session_may_name_are_never_dropped(many: Fleet) -> None:
    """The change was made, and its answer was lost."""
    many.sessions = Mute(lambda change: len(change.add) > 1, UNANSWERED)
    one = await many.gateway()
    made = await one.create(len(DATA))
    digest = Digest("sha-256", sha256(DATA[100 : PART + 100]).digest())
    with pytest.raises(SessionsUnavailable):
        await put(one, made, 100, DATA[100 : PART + 100], body_digest=digest)
    one.cache.clear()
    await put(one, made, 0, DATA[:100])
    await put(one, made, PART + 100, DATA[PART + 100 :])
    assert many.store.data() == DATA


async def test_who_leaves_while_segments_become_known_takes_none_away(many: Fleet) -> None:
    sessions = many.sessions = Mute(lambda change: len(change.add) > 1, None)
    one = await many.gateway()
    made = await one.create(len(DATA))
    digest = Digest("sha-256", sha256(DATA[100 : PART + 100]).digest())
    sent = put(one, made, 100, DATA[100 : PART + 100], body_digest=digest)
    request = asyncio.create_task(sent)
    await sessions.made.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    one.cache.clear()
    await put(one, made, 0, DATA[:100])
    await put(one, made, PART + 100, DATA[PART + 100 :])
    assert many.store.data() == DATA


async def test_segments_that_the_session_refuses_are_dropped(many: Fleet) -> None:
    one = await many.gateway()
    made = await one.create(len(DATA))
    digest = Digest("sha-256", sha256(DATA[: PART + 100]).digest())

    class Last(Bytes):
        async def read_into(self, view: memoryview, /) -> int:
            count = await super().read_into(view)
            if not count:
                await many.sessions.change_upload(made.id, 0, Change(state="failed"))
            return count

    with pytest.raises(UploadGone):
        await put(one, made, 0, Last(DATA[: PART + 100]), body_digest=digest)
    assert many.store.keys == set()
    assert not list(many.folder.glob("data/tails/*/*"))
    assert (await one.engine.find(made.id)).extents == ()


async def test_known_segments_leave_no_intents(many: Fleet) -> None:
    one = await many.gateway()
    made = await one.create(len(DATA))
    digest = Digest("sha-256", sha256(DATA[100 : PART + 100]).digest())
    await put(one, made, 100, DATA[100 : PART + 100], body_digest=digest)
    assert await many.sessions.intents() == []
