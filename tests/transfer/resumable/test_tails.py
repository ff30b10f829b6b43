"""Segments: written once, read as they are, removed when nothing refers to them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.errors import StorageCorrupt, StorageError, StorageUnavailable
from gateway.model import ByteRange, ObjectKey
from gateway.sessions.extents import Extent
from gateway.sessions.uploads import UploadSession
from gateway.transfer.resumable.tails import TailStore, tail_of
from tests.transfer.resumable.lab import Fleet, Gateway, content, fleet

DATA = content(5000)


@pytest.fixture(params=["files", "objects"])
async def team(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with fleet(tmp_path, local=request.param == "files") as made:
        yield made


@pytest.fixture
async def gateway(team: Fleet) -> Gateway:
    return await team.gateway()


@pytest.fixture
async def session(gateway: Gateway) -> UploadSession:
    return await gateway.create(10_000)


async def read(tails: TailStore, session: UploadSession, name: str, start: int, stop: int) -> bytes:
    view = memoryview(bytearray(stop - start))
    await tails.read(session, name, ByteRange(start, stop), view)
    return bytes(view)


async def test_what_was_put_is_read_by_any_gateway(
    team: Fleet, gateway: Gateway, session: UploadSession
) -> None:
    other = await team.gateway()
    name = await gateway.works.tails.put(session, [memoryview(DATA[:99]), memoryview(DATA[99:])])
    assert await read(other.works.tails, session, name, 0, len(DATA)) == DATA
    assert await read(other.works.tails, session, name, 90, 110) == DATA[90:110]


async def test_no_two_segments_have_one_name(gateway: Gateway, session: UploadSession) -> None:
    tails = gateway.works.tails
    names = {await tails.put(session, [memoryview(bytes([index]))]) for index in range(20)}
    assert len(names) == 20


async def test_a_dropped_segment_is_gone_and_the_others_stay(
    gateway: Gateway, session: UploadSession
) -> None:
    tails = gateway.works.tails
    gone, kept = [await tails.put(session, [memoryview(DATA)]) for _ in range(2)]
    await tails.drop(session, [gone, "never"])
    with pytest.raises(StorageError):
        await read(tails, session, gone, 0, 5)
    assert await read(tails, session, kept, 0, 5) == DATA[:5]


async def test_one_that_is_too_short_is_told(gateway: Gateway, session: UploadSession) -> None:
    tails = gateway.works.tails
    name = await tails.put(session, [memoryview(DATA)])
    with pytest.raises(StorageCorrupt):
        await read(tails, session, name, len(DATA) - 5, len(DATA) + 5)


async def test_all_that_an_upload_has_is_cleared(
    team: Fleet, gateway: Gateway, session: UploadSession
) -> None:
    from dataclasses import replace

    tails = gateway.works.tails
    name = await tails.put(session, [memoryview(DATA)])
    known = replace(session, extents=(Extent(offset=0, size=len(DATA), name=name),))
    await tails.clear(known)
    assert team.store.keys == set()
    assert not [path for path in (team.folder / "data").rglob("*") if path.is_file()]


async def test_segments_in_a_store_are_intended_before_they_are_written(
    team: Fleet, gateway: Gateway, session: UploadSession
) -> None:
    tails = gateway.works.tails
    name = await tails.put(session, [memoryview(DATA)])
    intents = await team.sessions.intents()
    if team.local:
        assert intents == []
        return
    assert [tail_of(intent.key) for intent in intents] == [(session.id, name)]
    await tails.mapped(session, name)
    assert await team.sessions.intents() == []


async def test_of_a_segment_that_was_refused_nothing_is_left_at_once(
    team: Fleet, gateway: Gateway, session: UploadSession
) -> None:
    tails = gateway.works.tails
    name = await tails.put(session, [memoryview(DATA)])
    await tails.refused(session, [name])
    assert await team.sessions.intents() == []
    with pytest.raises(StorageError):
        await read(tails, session, name, 0, 1)


@pytest.mark.parametrize("team", ["objects"], indirect=True)
async def test_a_refused_segment_that_could_not_be_dropped_keeps_its_intent(
    team: Fleet, gateway: Gateway, session: UploadSession
) -> None:
    tails = gateway.works.tails
    name = await tails.put(session, [memoryview(DATA)])

    async def before(call: str) -> None:
        raise StorageUnavailable("Down.")

    team.store.before = before
    await tails.refused(session, [name])
    intents = await team.sessions.intents()
    assert [(intent.owner, tail_of(intent.key)) for intent in intents] == [("", (session.id, name))]


@pytest.mark.parametrize("team", ["objects"], indirect=True)
async def test_what_could_not_be_dropped_is_left_to_the_sweep(
    team: Fleet, gateway: Gateway, session: UploadSession
) -> None:
    """A folder's files go with the folder."""
    tails = gateway.works.tails
    name = await tails.put(session, [memoryview(DATA)])
    await tails.mapped(session, name)

    async def before(call: str) -> None:
        raise StorageUnavailable("Down.")

    team.store.before = before
    await tails.drop(session, [name])
    intents = await team.sessions.intents()
    assert [(intent.owner, tail_of(intent.key)) for intent in intents] == [("", (session.id, name))]


@pytest.mark.parametrize(
    ("key", "found"),
    [
        (".sluice/tails/u/n", ("u", "n")),
        ("team/.sluice/tails/u/n", ("u", "n")),
        (".sluice/partials/u", None),
        ("a.jpg", None),
        (".sluice/tails/u", None),
    ],
)
def test_a_segments_key_says_whose_it_is(key: str, found: tuple[str, str] | None) -> None:
    assert tail_of(ObjectKey("photos", key)) == found
