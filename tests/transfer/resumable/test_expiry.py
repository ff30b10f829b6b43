"""The end of uploads: once, whoever sweeps, and nothing is left."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import StorageUnavailable, UploadGone, UploadNotFound
from gateway.model import ByteRange, ObjectKey
from gateway.protocol.upload_commands import PutChunk
from gateway.sessions.base import Intent
from gateway.sessions.uploads import Change, UploadSession
from gateway.transfer.resumable.expiry import CLEANING
from gateway.transfer.sweeper import WINDOW, Sweeper
from tests.transfer.lab import KEY, Bytes
from tests.transfer.resumable.lab import PART, TTL, Fleet, Gateway, Hanging, content, fleet

DATA = content(3 * PART)


@pytest.fixture(params=["local tails", "store tails"])
async def team(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with fleet(tmp_path, local=request.param == "local tails") as made:
        yield made


async def begun(gateway: Gateway) -> str:
    made = await gateway.create(len(DATA))
    await gateway.append(made.id, 0, DATA[: PART + 100])
    return made.id


def empty(team: Fleet) -> bool:
    files = [path for path in (team.folder / "data").rglob("*") if path.is_file()]
    return not team.store.unfinished and not team.store.keys and not files


async def test_what_expires_is_aborted_and_leaves_nothing(team: Fleet) -> None:
    gateway = await team.gateway()
    upload = await begun(gateway)
    assert not empty(team)
    assert (await gateway.engine.endings.sweep()).expired == []
    team.now += TTL + 1
    assert (await gateway.engine.endings.sweep()).expired == [upload]
    assert empty(team)
    with pytest.raises(UploadGone):
        await gateway.engine.inspect(await gateway.engine.find(upload), "never")
    with pytest.raises(UploadGone):
        await gateway.append(upload, PART + 100, DATA[PART + 100 :])
    team.now += TTL + 1
    assert (await gateway.engine.endings.sweep()).forgotten == [upload]
    with pytest.raises(UploadNotFound):
        await gateway.engine.find(upload)
    assert await team.sessions.intents() == []


async def test_sweepers_of_a_fleet_abort_once(team: Fleet) -> None:
    gateways = [await team.gateway() for _ in range(4)]
    await begun(gateways[0])
    team.now += TTL + 1
    reports = await asyncio.gather(*(each.engine.endings.sweep() for each in gateways))
    assert sum(len(report.expired) for report in reports) == 1
    assert team.store.calls.count("abort") == 1
    assert empty(team)


async def test_bytes_that_come_keep_an_upload_alive(team: Fleet) -> None:
    gateway = await team.gateway()
    upload = await begun(gateway)
    team.now += TTL - 1
    await gateway.append(upload, PART + 100, DATA[PART + 100 : PART + 200])
    team.now += TTL - 1
    assert (await gateway.engine.endings.sweep()).expired == []
    await gateway.append(upload, PART + 200, DATA[PART + 200 :])
    assert team.store.data() == DATA


async def test_what_could_not_be_cleaned_is_tried_again_later(team: Fleet) -> None:
    gateway = await team.gateway()
    upload = await begun(gateway)
    team.now += TTL + 1
    down = True

    async def before(name: str) -> None:
        if down and name == "abort":
            raise StorageUnavailable("Down.")

    team.store.before = before
    report = await gateway.engine.endings.sweep()
    assert [failed for failed, _ in report.failed] == [upload]
    down = False
    assert (await gateway.engine.endings.sweep()).expired == []  # another may be at it
    team.now += CLEANING + 1
    assert (await gateway.engine.endings.sweep()).expired == [upload]
    assert empty(team)


async def test_what_has_expired_is_no_more_also_before_the_sweep(team: Fleet) -> None:
    gateway = await team.gateway()
    upload = await begun(gateway)
    team.now += TTL
    session = await gateway.engine.find(upload)
    assert session.state == "open"
    for takes_over in ("never", "stale", "always"):
        with pytest.raises(UploadGone):
            await gateway.engine.inspect(session, takes_over)
    with pytest.raises(UploadGone):
        await gateway.engine.cancel(session)
    with pytest.raises(UploadGone):
        await gateway.append(upload, PART + 100, DATA[PART + 100 :])
    chunk = PutChunk(key=KEY, range=ByteRange(PART + 100, PART + 101), total=len(DATA), body=1)
    with pytest.raises(UploadGone):
        await gateway.engine.put_chunk(session, chunk, Bytes(b"x"))


@pytest.mark.parametrize("dialect", ["tus", "chunked"])
async def test_under_the_name_of_an_expired_upload_a_new_one_begins_before_the_sweep(
    team: Fleet, dialect: str
) -> None:
    gateway = await team.gateway()
    old = await gateway.create(len(DATA), name="mine", dialect=dialect)
    again = await gateway.create(len(DATA), name="mine", dialect=dialect)
    assert again.id == old.id
    team.now += TTL + 1
    principal = old.principal.id
    assert await gateway.engine.chunked(principal, KEY, "mine", None) is None
    new = await gateway.create(len(DATA), name="mine", dialect=dialect)
    assert new.id != old.id
    found = await gateway.engine.chunked(principal, KEY, "mine", None)
    assert found is not None
    assert found.id == new.id
    assert (await gateway.engine.endings.sweep()).expired == [old.id]
    assert (await gateway.append(new.id, 0, DATA)).state == "done"
    assert team.store.data() == DATA


async def test_sweepers_race_while_uploads_go_on_and_take_only_what_has_expired(
    team: Fleet,
) -> None:
    """Live traffic on every gateway, sweeps on every gateway all the time: each expired upload is ended once, and what
    lives is complete."""
    gateways = [await team.gateway() for _ in range(3)]
    dead = [await begun(gateways[turn % 3]) for turn in range(6)]
    team.now += TTL + 1
    team.store.calls.clear()
    stopped = False
    ended: list[str] = []

    async def sweeping(gateway: Gateway) -> None:
        while not stopped:
            report = await gateway.engine.endings.sweep()
            assert report.failed == []
            ended.extend(report.expired)
            await asyncio.sleep(0)

    async def uploading(turn: int) -> None:
        key = ObjectKey(KEY.bucket, f"live-{turn}")
        made = await gateways[turn % 3].create(len(DATA), key=key)
        for at in range(0, len(DATA), PART // 2 + 1):
            gateway = gateways[(turn + at) % 3]
            await gateway.append(made.id, at, DATA[at : at + PART // 2 + 1])
        assert team.store.has(key)

    sweepers = [asyncio.create_task(sweeping(gateway)) for gateway in gateways]
    await asyncio.gather(*(uploading(turn) for turn in range(9)))
    stopped = True
    await asyncio.gather(*sweepers)
    assert sorted(ended) == sorted(dead)
    assert team.store.calls.count("abort") == len(dead)
    assert team.store.unfinished == 0
    assert team.store.keys == {f"live-{turn}" for turn in range(9)}
    assert not [path for path in (team.folder / "data").rglob("*") if path.is_file()]


async def test_bytes_that_become_known_while_a_sweep_looks_keep_an_upload_alive(
    team: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await team.gateway()
    upload = await begun(gateway)
    team.now += TTL + 1
    look = team.sessions.upload

    async def looked(upload_id: str) -> UploadSession | None:
        found = await look(upload_id)
        assert found is not None
        await team.sessions.change_upload(upload_id, found.epoch, Change(expires=team.now + TTL))
        return found

    monkeypatch.setattr(team.sessions, "upload", looked)
    report = await gateway.engine.endings.sweep()
    monkeypatch.undo()
    assert (report.expired, report.failed) == ([], [])
    session = await gateway.append(upload, PART + 100, DATA[PART + 100 :])
    assert session.state == "done"
    assert team.store.data() == DATA


async def test_a_finished_upload_is_forgotten_and_its_object_stays(team: Fleet) -> None:
    gateway = await team.gateway()
    upload = await begun(gateway)
    await gateway.append(upload, PART + 100, DATA[PART + 100 :])
    team.now += TTL + 1
    assert (await gateway.engine.endings.sweep()).forgotten == [upload]
    assert team.store.data() == DATA
    assert team.store.keys == {KEY.name}


async def test_cancelling_stops_the_writer_and_removes_all(team: Fleet) -> None:
    gateway = await team.gateway()
    upload = await begun(gateway)
    body = Hanging(DATA[PART + 100 : PART + 200], 1000)
    task = asyncio.create_task(gateway.append(upload, PART + 100, body))
    await body.hangs.wait()
    await gateway.engine.cancel(await gateway.engine.find(upload))
    results = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(results[0], Exception)
    assert empty(team)
    with pytest.raises(UploadGone):
        await gateway.engine.cancel(await gateway.engine.find(upload))


async def test_a_partial_uploads_hidden_object_goes_with_it(team: Fleet) -> None:
    gateway = await team.gateway()
    made = await gateway.create(10, partial=True)
    await gateway.append(made.id, 0, DATA[:10])
    assert len(team.store.keys) == 1
    team.now += TTL + 1
    await gateway.engine.endings.sweep()
    assert team.store.keys == set()


# --- the sweep of the journal ---


async def test_the_sweep_leaves_what_a_living_upload_needs(team: Fleet) -> None:
    gateway = await team.gateway()
    upload = await begun(gateway)
    team.now += TTL - 1
    await gateway.append(upload, PART + 100, DATA[PART + 100 : PART + 101])
    team.now += TTL - 1
    assert 2 * (TTL - 1) > WINDOW
    sweeper = Sweeper({"main": team.store}, team.sessions, now=lambda: team.now)
    report = await sweeper.sweep()
    assert report.aborted == []
    await gateway.append(upload, PART + 101, DATA[PART + 101 :])
    assert team.store.data() == DATA


async def test_the_sweep_removes_what_no_upload_knows(team: Fleet) -> None:
    gateway = await team.gateway()
    upload = await begun(gateway)
    session = await gateway.engine.find(upload)
    stray = await team.store.create_multipart(KEY, session.attributes)
    intent = Intent(
        id="stray",
        store="main",
        key=KEY,
        owner=f"upload/{upload}",
        created=team.now,
        upload_id=stray.upload_id,
    )
    await team.sessions.put_intent(intent)
    sweeper = Sweeper({"main": team.store}, team.sessions, grace=60, now=lambda: team.now)
    assert (await sweeper.sweep()).aborted == []
    team.now += 61
    assert (await sweeper.sweep()).aborted == [stray]
    assert team.store.unfinished == 1


@pytest.mark.parametrize("team", ["store tails"], indirect=True)
@pytest.mark.parametrize("known", [True, False])
async def test_a_segment_that_a_killed_process_left_is_swept_unless_it_is_known(
    team: Fleet, known: bool
) -> None:
    """On one machine they lie in the upload's folder, and go with it."""
    gateway = await team.gateway()
    upload = await begun(gateway)
    session = await gateway.engine.find(upload)
    if known:
        name = session.extents[-1].name
    else:
        name = await gateway.works.tails.put(session, [memoryview(b"stray")])
    key = next(key for key in team.store._objects if key.name.endswith(name))
    intent = Intent(id=f"tail-{name}", store="main", key=key, owner="gateway-0", created=team.now)
    await team.sessions.put_intent(intent)
    sweeper = Sweeper({"main": team.store}, team.sessions, now=lambda: team.now)
    await sweeper.sweep()
    assert team.store.has(key)
    await team.sessions.put_intent(replace(intent, created=team.now - WINDOW - 1))
    await sweeper.sweep()
    assert team.store.has(key) is known
    assert all(each.id != intent.id for each in await team.sessions.intents())
