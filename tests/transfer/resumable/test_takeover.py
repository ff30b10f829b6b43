"""Taking over: within a second, and what the old writer still does counts no more."""

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import (
    ClientGone,
    Draining,
    GatewayError,
    MultipartLost,
    OffsetMismatch,
    Overtaken,
    StorageCorrupt,
)
from gateway.model import ObjectKey
from gateway.sessions import memory_uploads
from gateway.sessions.upload_rules import after_change
from gateway.sessions.uploads import Change, UploadSession
from gateway.transfer.resumable import takeover
from tests.transfer.lab import KEY, Bytes
from tests.transfer.resumable.lab import (
    PART,
    Fleet,
    Gateway,
    Hanging,
    StrictStore,
    content,
    fleet,
)

DATA = content(4 * PART)
OTHER = content(4 * PART, seed=1)


async def hung(gateway: Gateway, upload: str, size: int) -> "asyncio.Task[UploadSession]":
    """A request that has sent ``size`` bytes and then is silent."""
    body = Hanging(DATA[:size], len(DATA))
    task = asyncio.create_task(gateway.append(upload, 0, body))
    await body.hangs.wait()
    return task


def first_part_stuck(team: Fleet) -> tuple[asyncio.Event, asyncio.Event]:
    """The first part that is sent reaches the store (first event) when the second event lets it."""
    reached, stuck = asyncio.Event(), asyncio.Event()

    async def before(name: str) -> None:
        if name == "part" and not reached.is_set():
            reached.set()
            await stuck.wait()

    team.store.before = before
    return reached, stuck


class Meanwhile(Bytes):
    """A body at whose end somebody else has finished the upload."""

    def __init__(self, data: bytes, other: Gateway, upload: str) -> None:
        super().__init__(data)
        self._other, self._upload = other, upload

    async def read_into(self, view: memoryview, /) -> int:
        count = await super().read_into(view)
        session = await self._other.engine.find(self._upload)
        if not self.length and session.state == "open":
            await self._other.append(self._upload, session.offset, self.data)
        return count


@pytest.mark.parametrize("size", [200, 2 * PART])
async def test_who_is_overtaken_hears_that_and_not_that_the_kept_bytes_are_gone(
    team: Fleet, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    first, second = await team.gateway(), await team.gateway()
    monkeypatch.setattr(takeover, "LOOK", 1000.0)  # nobody notices before
    made = await first.create(size)
    half = size // 2 + 5
    await second.append(made.id, 0, DATA[:half])
    with pytest.raises(Overtaken):
        await first.append(made.id, half, Meanwhile(DATA[half:size], second, made.id))
    assert (await first.engine.find(made.id)).state == "done"
    assert team.store.data() == DATA[:size]
    assert team.store.keys == {KEY.name}


async def test_kept_bytes_that_are_gone_are_told_as_that(team: Fleet) -> None:
    first, second = await team.gateway(), await team.gateway()
    made = await first.create(200)
    await second.append(made.id, 0, DATA[:100])
    [name] = team.store.keys
    await team.store.delete(ObjectKey(KEY.bucket, name))
    with pytest.raises(StorageCorrupt):
        await first.append(made.id, 100, DATA[100:200])


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_newcomer_who_goes_on_at_the_offset_gets_the_upload_within_a_second(
    team: Fleet, elsewhere: bool
) -> None:
    """What a HEAD has told is accepted, whatever the writer before had in its hands."""
    first = await team.gateway()
    second = await team.gateway() if elsewhere else first
    made = await first.create(len(DATA))
    task = await hung(first, made.id, PART + 9)
    await asyncio.sleep(0.15)
    told = await second.offset(made.id)
    started = time.monotonic()
    done = await second.append(made.id, told, OTHER[told:])
    assert time.monotonic() - started < 1
    assert done.state == "done"
    with pytest.raises(Overtaken):
        await task
    assert team.store.data() == DATA[:told] + OTHER[told:]


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_newcomer_anywhere_else_makes_the_writer_keep_what_it_has(
    team: Fleet, elsewhere: bool
) -> None:
    first = await team.gateway()
    second = await team.gateway() if elsewhere else first
    made = await first.create(len(DATA))
    task = await hung(first, made.id, PART + 9)

    started = time.monotonic()
    with pytest.raises(OffsetMismatch) as caught:
        await second.append(made.id, PART + 5, DATA[PART + 5 :])
    assert time.monotonic() - started < 1
    assert caught.value.members["expected"] == PART + 9
    with pytest.raises(Overtaken):
        await task
    await second.append(made.id, PART + 9, DATA[PART + 9 :])
    assert team.store.data() == DATA


async def test_a_question_that_takes_over_ends_the_writer_at_once_without_the_store(
    team: Fleet,
) -> None:
    gateway = await team.gateway()
    made = await gateway.create(len(DATA))
    task = await hung(gateway, made.id, 9)
    calls = list(team.store.calls)

    started = time.monotonic()
    session = await gateway.engine.inspect(await gateway.engine.find(made.id), "always")
    assert time.monotonic() - started < 0.05
    assert session.offset == 0
    assert team.store.calls == calls
    with pytest.raises(Overtaken):
        await task
    await gateway.append(made.id, 0, OTHER)
    assert team.store.data() == OTHER


async def test_a_question_of_tus_has_only_who_was_silent_for_long_keep_what_it_has(
    tmp_path: Path,
) -> None:
    async with fleet(tmp_path, local=True) as machine:
        gateway = await machine.gateway()
        made = await gateway.create(len(DATA))
        task = await hung(gateway, made.id, 9)
        session = await gateway.engine.inspect(await gateway.engine.find(made.id), "stale")
        assert session.holder
        _forget_to_hear(gateway, made.id)
        session = await gateway.engine.inspect(await gateway.engine.find(made.id), "stale")
        assert (session.holder, session.offset) == ("", 9)
        with pytest.raises(Overtaken):
            await task


def _forget_to_hear(gateway: Gateway, upload: str) -> None:
    """Have the writer there be silent for three seconds."""
    writer = gateway.engine._takeovers.writer(upload)
    assert writer is not None
    writer.heard -= 3


async def test_a_question_of_tus_makes_no_call_where_segments_are_in_the_store(
    team: Fleet,
) -> None:
    """What it tells is accepted all the same."""
    gateway = await team.gateway()
    made = await gateway.create(len(DATA))
    task = await hung(gateway, made.id, 9)
    _forget_to_hear(gateway, made.id)
    calls = list(team.store.calls)
    session = await gateway.engine.inspect(await gateway.engine.find(made.id), "stale")
    assert (bool(session.holder), session.offset) == (True, 0)
    assert team.store.calls == calls
    await gateway.append(made.id, session.offset, DATA)
    assert team.store.data() == DATA
    with pytest.raises(Overtaken):
        await task


async def test_a_writer_that_does_not_answer_is_overtaken_by_force(team: Fleet) -> None:
    """Its process hangs: it neither looks nor lets go. Afterwards its late part changes nothing."""
    first, second = await team.gateway(), await team.gateway()
    made = await first.create(len(DATA))
    reached, stuck = first_part_stuck(team)
    stale = asyncio.create_task(first.append(made.id, 0, DATA))
    await reached.wait()
    first.engine._takeovers._here.clear()
    writer_before = await first.engine.find(made.id)
    assert writer_before.holder == "gateway-0"

    done = await asyncio.wait_for(second.append(made.id, 0, OTHER), 5)
    assert done.state == "done"
    stuck.set()
    with pytest.raises((Overtaken, MultipartLost)):
        await stale
    assert team.store.data() == OTHER


async def test_a_part_of_a_stale_writer_that_lands_late_is_none_of_the_object(team: Fleet) -> None:
    """The stale writer's UploadPart reaches the store after its successor's, before the object is completed."""
    first, second = await team.gateway(), await team.gateway()
    made = await first.create(len(DATA))
    reached, stuck = first_part_stuck(team)
    stale = asyncio.create_task(first.append(made.id, 0, DATA))
    await reached.wait()
    await second.engine.inspect(await second.engine.find(made.id), "always")
    await second.append(made.id, 0, OTHER[: 3 * PART])
    stuck.set()
    with pytest.raises(Overtaken):
        await stale
    session = await second.engine.find(made.id)
    assert session.offset == 3 * PART
    assert {extent.number % session.cut.stride for extent in session.extents} != {2}
    await second.append(made.id, 3 * PART, OTHER[3 * PART :])
    assert team.store.data() == OTHER


@pytest.mark.parametrize("asked", [False, True])
async def test_where_parts_have_one_number_a_stale_part_here_lands_before_its_successors(
    tmp_path: Path, asked: bool
) -> None:
    """Also when a HEAD has ended the stale writer's epoch before the next one comes."""
    async with fleet(tmp_path, local=False, store=StrictStore()) as strict:
        gateway = await strict.gateway()
        made = await gateway.create(len(DATA))
        reached, stuck = first_part_stuck(strict)
        stale = asyncio.create_task(gateway.append(made.id, 0, DATA))
        await reached.wait()
        if asked:
            await gateway.engine.inspect(await gateway.engine.find(made.id), "always")
        fresh = asyncio.create_task(gateway.append(made.id, 0, OTHER))
        await asyncio.sleep(takeover.FINISH + 0.1)
        assert not fresh.done()
        stuck.set()
        assert (await fresh).state == "done"
        with pytest.raises(Overtaken):
            await stale
        assert strict.store.data() == OTHER


async def test_of_two_at_the_same_offset_exactly_one_goes_on(team: Fleet) -> None:
    gateway = await team.gateway()
    made = await gateway.create(len(DATA))
    results = await asyncio.gather(
        gateway.append(made.id, 0, DATA),
        gateway.append(made.id, 0, DATA),
        return_exceptions=True,
    )
    kinds = sorted(type(result).__name__ for result in results)
    assert "UploadSession" in kinds
    assert team.store.data() == DATA
    refused = [result for result in results if isinstance(result, Exception)]
    assert all(isinstance(each, Overtaken | OffsetMismatch) for each in refused)
    assert len(refused) == 1


async def test_who_comes_in_while_a_newcomer_looks_is_waited_for(team: Fleet) -> None:
    """Else he would be overtaken with his bytes just kept, and nobody be told that they are."""
    gateway = await team.gateway()
    made = await gateway.create(len(DATA))
    session = await gateway.engine.find(made.id)
    upload, other = team.sessions.upload, None

    async def meanwhile(upload_id: str) -> UploadSession | None:
        nonlocal other
        if other is None:
            team.sessions.upload = upload  # type: ignore[method-assign]
            other = asyncio.create_task(gateway.append(made.id, 0, DATA[:99]))
            while gateway.engine._takeovers.writer(made.id) is None:
                await asyncio.sleep(0)
        return await upload(upload_id)

    team.sessions.upload = meanwhile  # type: ignore[method-assign]
    async with gateway.engine._takeovers.writing(session, 0) as writer:
        assert writer.writing.session.offset == 99
    assert other is not None
    assert (await other).offset == 99


async def test_a_gateway_that_drains_keeps_what_it_has(team: Fleet) -> None:
    gateway = await team.gateway()
    made = await gateway.create(len(DATA))
    task = await hung(gateway, made.id, PART + 3)
    gateway.drain.begin()
    with pytest.raises(Draining):
        await asyncio.wait_for(task, 2)
    assert await gateway.offset(made.id) == PART + 3


async def test_who_is_cut_off_lets_go(team: Fleet) -> None:
    gateway = await team.gateway()
    made = await gateway.create(len(DATA))
    body = Hanging(DATA[:5], len(DATA))
    task = asyncio.create_task(gateway.append(made.id, 0, body))
    await body.hangs.wait()
    body.release.set()
    with pytest.raises(ClientGone):
        await task
    session = await gateway.engine.find(made.id)
    assert (session.offset, session.holder) == (5, "")


async def test_a_cancelled_writer_lets_go(team: Fleet) -> None:
    gateway = await team.gateway()
    made = await gateway.create(len(DATA))
    task = await hung(gateway, made.id, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await gateway.engine.find(made.id)).holder == ""


async def stale_writer_wakes(team: Fleet, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A process stands still while a part is on its way, wakes when another has the upload, and commits what it has.
    Answers the object that comes of it; OTHER is right."""
    first, second = await team.gateway(), await team.gateway()
    made = await first.create(len(DATA))
    reached, stuck = first_part_stuck(team)

    async def never(writer: takeover.Writer) -> None:
        """It looks at nothing: it stands still."""

    monkeypatch.setattr(first.engine._takeovers, "_watch", never)
    body = Hanging(DATA[: PART + 9], len(DATA))
    stale = asyncio.create_task(first.append(made.id, 0, body))
    await reached.wait()
    at = PART  # not the end: it still takes parts when the other one wakes
    assert (await second.append(made.id, 0, OTHER[:at])).offset == at
    stuck.set()
    body.release.set()
    with suppress(GatewayError):
        await stale
    offset = await second.offset(made.id)
    await second.append(made.id, offset, OTHER[offset:])
    return team.store.data()


async def test_what_a_stale_writer_commits_late_changes_nothing(
    team: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await stale_writer_wakes(team, monkeypatch) == OTHER


async def test_without_fencing_it_would(team: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted bug: changes count under whatever epoch they were made. The test before this one finds it."""

    def unfenced(
        found: UploadSession | None, epoch: int, change: Change, judge: Any = after_change
    ) -> UploadSession:
        changed: UploadSession = judge(found, epoch if found is None else found.epoch, change)
        return changed

    monkeypatch.setattr(memory_uploads, "after_change", unfenced)
    assert await stale_writer_wakes(team, monkeypatch) != OTHER
