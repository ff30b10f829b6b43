"""An upload's multipart: one, known to the session, or none."""

import asyncio

import pytest

from gateway.errors import (
    SessionsUnavailable,
    UploadGone,
)
from gateway.sessions.base import Intent
from gateway.sessions.uploads import Change
from tests.transfer.lab import KEY
from tests.transfer.resumable.chunk_lab import DATA, UNANSWERED, Mute, pieces, put
from tests.transfer.resumable.lab import PART, Fleet


async def test_a_multipart_that_the_session_may_name_is_never_aborted(many: Fleet) -> None:
    """The change was made, and its answer was lost."""
    many.sessions = Mute(lambda change: change.upload_id is not None, UNANSWERED)
    one = await many.gateway()
    made = await one.create(len(DATA), chunk_size=PART)
    with pytest.raises(SessionsUnavailable):
        await put(one, made, 0, DATA[:PART])
    for start, data in pieces(PART):
        await put(one, made, start, data)
    assert many.store.data() == DATA
    assert many.store.calls.count("create") == 1


async def test_who_leaves_while_a_multipart_becomes_known_does_not_abort_it(many: Fleet) -> None:
    sessions = many.sessions = Mute(lambda change: change.upload_id is not None, None)
    one = await many.gateway()
    made = await one.create(len(DATA))
    await put(one, made, 0, DATA[:100])
    request = asyncio.create_task(put(one, made, 100, DATA[100:PART]))  # its slice is merged
    await sessions.made.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await put(one, made, PART, DATA[PART:])
    assert many.store.data() == DATA
    assert many.store.calls.count("create") == 1
    assert await many.sessions.intents() == []


async def test_a_multipart_that_the_session_refuses_is_aborted(many: Fleet) -> None:
    one = await many.gateway()
    made = await one.create(len(DATA), chunk_size=PART)

    async def before(name: str) -> None:
        if name == "create":
            await many.sessions.change_upload(made.id, 0, Change(state="failed"))

    many.store.before = before
    with pytest.raises(UploadGone):
        await put(one, made, 0, DATA[:PART])
    assert many.store.unfinished == 0
    assert await many.sessions.intents() == []


async def test_a_multipart_that_comes_second_is_aborted_and_the_first_is_used(many: Fleet) -> None:
    """A writer under another epoch was faster: what it has sent must not be taken away from under it."""
    one = await many.gateway()
    made = await one.create(len(DATA), chunk_size=PART)
    first = await many.store.create_multipart(KEY, made.attributes)

    async def before(name: str) -> None:
        if name == "create":
            many.store.before = nothing
            taken = await many.sessions.take_upload(made.id, "h", 0)
            change = Change(upload_id=first.upload_id)
            await many.sessions.change_upload(made.id, taken.epoch, change)

    many.store.before = before
    session = await put(one, made, 0, DATA[:PART])
    assert session.upload_id == first.upload_id
    assert many.store.calls.count("abort") == 1
    assert await many.sessions.intents() == []
    done = await put(one, made, PART, DATA[PART:])
    assert done.state == "done"
    assert many.store.data() == DATA
    assert many.store.unfinished == 0


async def nothing(name: str) -> None: ...


async def test_a_multipart_that_could_not_be_written_down_is_aborted(many: Fleet) -> None:
    """Its intent lacks its id, so the session can't name it."""
    one = await many.gateway()
    made = await one.create(len(DATA), chunk_size=PART)
    put_intent = many.sessions.put_intent

    async def failing(intent: Intent) -> None:
        if intent.upload_id is not None:
            raise UNANSWERED
        await put_intent(intent)

    many.sessions.put_intent = failing  # type: ignore[method-assign]
    with pytest.raises(SessionsUnavailable):
        await put(one, made, 0, DATA[:PART])
    assert many.store.unfinished == 0


async def test_of_two_multiparts_that_are_made_at_once_one_is_kept(many: Fleet) -> None:
    """Another gateway makes one while the first waits for its own, longer than its lease lasts."""
    one, other = await many.gateway(), await many.gateway()
    made = await one.create(len(DATA), chunk_size=PART)
    slept = False

    async def before(name: str) -> None:
        nonlocal slept
        if name == "create" and not slept:
            slept = True
            many.sessions._leases.clear()
            await put(other, made, PART, DATA[PART : 2 * PART])

    many.store.before = before
    await put(one, made, 0, DATA[:PART])
    assert many.store.unfinished == 1
    for start, data in pieces(PART):
        await put(one, made, start, data)
    assert many.store.data() == DATA
