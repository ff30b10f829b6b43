"""tus's concatenation."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.auth.grant import Constraints
from gateway.errors import BadRequest, Conflict, Forbidden, ObjectExists, TooLarge, UploadNotFound
from gateway.model import ObjectKey, Principal
from gateway.sessions.uploads import UploadSession
from gateway.transfer.resumable.creating import Allowed, Wish
from tests.transfer.lab import KEY
from tests.transfer.resumable.lab import ALICE, PART, Gateway, content, fleet

DATA = content(2 * PART + 99)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with fleet(tmp_path) as made:
        yield await made.gateway()


async def partial(gateway: Gateway, data: bytes) -> str:
    made = await gateway.create(len(data), partial=True)
    await gateway.append(made.id, 0, data)
    return made.id


async def join(
    gateway: Gateway, *sources: str, allowed: Allowed = ALICE, **more: Any
) -> tuple[UploadSession, bool]:
    wish = Wish(dialect="tus", key=KEY, length=None, sources=sources, **more)
    return await gateway.engine.join(wish, allowed)


async def test_partial_uploads_become_one_object_in_their_order(gateway: Gateway) -> None:
    pieces = [DATA[:PART], b"", DATA[PART : PART + 9], DATA[PART + 9 :]]
    ids = [await partial(gateway, piece) for piece in pieces]
    done, was_there = await join(gateway, *ids, ids[1])
    assert not was_there
    assert gateway.fleet.store.data() == DATA
    status = gateway.engine.status(done)
    assert (status.offset, status.complete, status.sources) == (len(DATA), True, (*ids, ids[1]))


async def test_one_may_be_used_twice(gateway: Gateway) -> None:
    one = await partial(gateway, b"ab")
    await join(gateway, one, one)
    assert gateway.fleet.store.data() == b"abab"


async def test_nothing_is_added_to_what_was_joined(gateway: Gateway) -> None:
    done, _ = await join(gateway, await partial(gateway, b"ab"))
    for offset in (0, 2):
        with pytest.raises(Forbidden):
            await gateway.append(done.id, offset, b"x")


async def test_a_repeated_join_is_answered_again(gateway: Gateway) -> None:
    one = await partial(gateway, b"ab")
    first, _ = await join(gateway, one, name="once")
    again, was_there = await join(gateway, one, name="once")
    assert (again.id, was_there) == (first.id, True)


async def test_a_name_is_free_again_when_what_had_it_has_expired(gateway: Gateway) -> None:
    first, _ = await join(gateway, await partial(gateway, b"ab"), name="once")
    gateway.fleet.now = first.expires + 1
    again, was_there = await join(gateway, await partial(gateway, b"cd"), name="once")
    assert (again.id == first.id, was_there) == (False, False)
    assert gateway.fleet.store.data() == b"cd"


async def test_another_uploads_name_is_refused(gateway: Gateway) -> None:
    one = await partial(gateway, b"ab")
    await gateway.create(2, name="once", key=ObjectKey("photos", "other"))
    with pytest.raises(Conflict):
        await join(gateway, one, name="once")
    assert not gateway.fleet.store.has()


async def test_only_finished_partial_uploads_of_ones_own_can_be_joined(gateway: Gateway) -> None:
    whole = await gateway.create(2)
    await gateway.append(whole.id, 0, b"ab")
    with pytest.raises(BadRequest):
        await join(gateway, whole.id)
    unfinished = await gateway.create(2, partial=True)
    with pytest.raises(Conflict):
        await join(gateway, unfinished.id)
    one = await partial(gateway, b"ab")
    bob = replace(ALICE, principal=Principal("bob"))
    for source, who in ((one, bob), ("x" * 22, ALICE)):
        with pytest.raises(UploadNotFound):
            await join(gateway, source, allowed=who)


async def test_limits_and_overwriting_hold_for_the_whole(gateway: Gateway) -> None:
    one = await partial(gateway, b"ab")
    with pytest.raises(TooLarge):
        await join(gateway, one, one, allowed=replace(ALICE, max_size=3))
    await join(gateway, one)
    with pytest.raises(ObjectExists):
        await join(gateway, one, one, allowed=replace(ALICE, overwrite=False))
    assert gateway.fleet.store.data() == b"ab"


@pytest.mark.parametrize(
    "constraints",
    [
        Constraints(bucket="films"),
        Constraints(key="other.jpg"),
        Constraints(prefix="public/"),
        Constraints(methods=frozenset({"GET"})),
    ],
)
async def test_a_narrow_credential_joins_nothing_that_it_is_not_for(
    gateway: Gateway, constraints: Constraints
) -> None:
    one = await partial(gateway, b"ab")
    with pytest.raises(Forbidden, match="This credential is"):
        await join(gateway, one, allowed=replace(ALICE, constraints=constraints))
    assert not gateway.fleet.store.has()
    wide = Constraints(bucket=KEY.bucket, key=KEY.name, methods=frozenset({"POST"}))
    await join(gateway, one, allowed=replace(ALICE, constraints=wide))
    assert gateway.fleet.store.data() == b"ab"
