"""Beginning an upload: refused early, and once per name."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import BucketNotFound, Conflict, Forbidden, InconsistentLength, TooLarge
from gateway.model import ObjectKey, Principal
from gateway.transfer.resumable.creating import PARTIALS, Wish
from tests.transfer.lab import KEY
from tests.transfer.resumable.lab import ALICE, Fleet, Gateway, fleet


@pytest.fixture
async def team(tmp_path: Path) -> AsyncIterator[Fleet]:
    async with fleet(tmp_path) as made:
        yield made


@pytest.fixture
async def gateway(team: Fleet) -> Gateway:
    return await team.gateway()


async def test_a_name_makes_one_upload_per_principal(gateway: Gateway) -> None:
    wish = Wish(dialect="tus", key=KEY, length=10, name="once")
    first, was_there = await gateway.engine.create(wish, ALICE)
    again, is_there = await gateway.engine.create(wish, ALICE)
    assert (was_there, is_there, again.id) == (False, True, first.id)
    bob = replace(ALICE, principal=Principal("bob", "BOB"))
    other, _ = await gateway.engine.create(wish, bob)
    assert other.id != first.id


async def test_a_name_of_another_upload_is_refused(gateway: Gateway) -> None:
    await gateway.create(10, name="once")
    with pytest.raises(Conflict):
        await gateway.create(10, name="once", key=replace(KEY, name="other"))
    with pytest.raises(InconsistentLength):
        await gateway.create(11, name="once")


async def test_ids_cannot_be_guessed(gateway: Gateway) -> None:
    ids = {(await gateway.create(1)).id for _ in range(20)}
    assert len(ids) == 20
    assert all(len(each) >= 22 for each in ids)


async def test_what_is_too_large_is_refused_at_the_beginning(gateway: Gateway) -> None:
    with pytest.raises(TooLarge):
        await gateway.create(11, allowed=replace(ALICE, max_size=10))
    with pytest.raises(TooLarge):
        await gateway.create(10**15)
    told = gateway.engine.limits().max_size
    assert told is not None
    for dialect in ("tus", "rufh"):
        with pytest.raises(TooLarge):
            await gateway.create(told + 1, dialect=dialect)
        assert (await gateway.create(told, dialect=dialect)).length == told
    assert (await gateway.create(told + 1, dialect="chunked")).length == told + 1
    made = await gateway.create(None, allowed=replace(ALICE, max_size=10))
    with pytest.raises(TooLarge):
        await gateway.append(made.id, 0, bytes(11))
    assert await gateway.offset(made.id) <= 10


async def test_a_place_that_is_not_there_or_not_the_clients_is_refused(gateway: Gateway) -> None:
    with pytest.raises(BucketNotFound):
        await gateway.create(1, key=ObjectKey("nowhere", "a"))
    with pytest.raises(Forbidden):
        await gateway.create(1, key=ObjectKey("photos", ".sluice/tails/a"))


async def test_a_partial_upload_lies_where_no_client_sees_it(gateway: Gateway) -> None:
    made = await gateway.create(5, partial=True)
    await gateway.append(made.id, 0, b"hello")
    assert made.key.name == f"{PARTIALS}{made.id}"
    assert not gateway.fleet.store.has()


async def test_bytes_are_held_to_what_their_own_credential_may_do(gateway: Gateway) -> None:
    session = await gateway.create(10)
    ALICE.check(session, 10)
    replace(ALICE, max_size=10).check(session, 10)
    with pytest.raises(TooLarge):
        replace(ALICE, max_size=9).check(session, 1)  # of an object that is larger
    with pytest.raises(TooLarge):
        replace(ALICE, max_size=9).check(replace(session, length=None), 10)
    with pytest.raises(Forbidden):
        replace(ALICE, overwrite=False).check(session, 10)
    replace(ALICE, overwrite=False).check(replace(session, overwrite=False), 10)
