"""Publishing: once, verified, and again after a crash at any call."""

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import (
    Forbidden,
    GatewayError,
    ObjectExists,
    OffsetMismatch,
    PreconditionFailed,
    StorageCorrupt,
    StorageUnavailable,
)
from gateway.model import Attributes, ByteRange, Stored
from gateway.protocol.commands import Preconditions
from gateway.protocol.upload_commands import PutChunk
from gateway.sessions.memory import MemorySessions
from gateway.storage.base import ConditionalPut
from gateway.transfer.exclusive import LEASE_TTL
from gateway.transfer.resumable import completing, takeover
from tests.transfer.lab import KEY, Bytes
from tests.transfer.resumable.lab import (
    ALICE,
    PART,
    CountingStore,
    Fleet,
    Gateway,
    content,
    fleet,
)

DATA = content(3 * PART + 777)
SMALL = DATA[:5000]


class Killed(BaseException):
    """The process is gone: nothing after this point happens."""


class Deadly(CountingStore):
    """Kills the process at its call number ``at``, before or after the call had its effect."""

    def __init__(self, kind: ConditionalPut = "complete") -> None:
        super().__init__(kind)
        self.count = 0
        self.at = -1
        self.late = False
        self.dead = False

    async def _deadly(self, call: Callable[..., Any], *args: Any, **more: Any) -> Any:
        self.count += 1
        self.live()
        fatal = self.count == self.at
        self.dead = fatal and not self.late
        self.live()
        result = await call(*args, **more)
        self.dead = fatal
        self.live()
        return result

    def live(self) -> None:
        """Nothing happens after a kill: neither clean-up, nor another call."""
        if self.dead:
            raise Killed

    async def put(self, *args: Any, **more: Any) -> Any:
        return await self._deadly(super().put, *args, **more)

    async def create_multipart(self, *args: Any) -> Any:
        return await self._deadly(super().create_multipart, *args)

    async def upload_part(self, *args: Any) -> Any:
        return await self._deadly(super().upload_part, *args)

    async def complete_multipart(self, *args: Any, **more: Any) -> Any:
        return await self._deadly(super().complete_multipart, *args, **more)

    async def abort_multipart(self, *args: Any) -> Any:
        return await self._deadly(super().abort_multipart, *args)

    async def delete_many(self, *args: Any) -> Any:
        return await self._deadly(super().delete_many, *args)


class Mortal:
    """Sessions of a process that may be dead."""

    def __init__(self, sessions: MemorySessions, store: Deadly) -> None:
        self._inner, self._store = sessions, store

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        async def call(*args: Any) -> Any:
            self._store.live()
            return await method(*args)

        return call


async def go_on(gateway: Gateway, upload: str, data: bytes) -> None:
    """What a client does: ask for the offset, send the rest, until the upload is done."""
    session = await gateway.engine.find(upload)
    reached = session.offset
    while session.state != "done":
        at = session.offset
        assert at >= reached, "the offset went back"
        reached = at
        try:
            session = await gateway.append(upload, at, data[at : at + 50_000])
        except OffsetMismatch:  # the object was there already
            session = await gateway.engine.find(upload)


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("size", [5000, len(DATA)])
@pytest.mark.parametrize(("kind", "overwrite"), [("complete", True), ("none", False)])
async def test_a_kill_at_any_call_of_the_store_costs_nothing_that_was_acknowledged(
    tmp_path: Path,
    kind: ConditionalPut,
    overwrite: bool,
    size: int,
    late: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another gateway goes on; the object is right, the offset never decreases, the sweep finds all that is left."""
    monkeypatch.setattr(takeover, "PATIENCE", 0.02)
    monkeypatch.setattr(takeover, "LOOK", 0.01)
    data, at = DATA[:size], 0
    while True:
        at += 1
        store = Deadly(kind)
        (tmp_path / str(at)).mkdir()
        async with fleet(tmp_path / str(at), local=False, store=store) as team:
            dying = await team.gateway(sessions=Mortal(team.sessions, store))
            heir = await team.gateway()
            made = await dying.create(size, allowed=replace(ALICE, overwrite=overwrite))
            store.at, store.late = at, late
            acknowledged = 0
            try:
                for offset in range(0, size, 50_000):
                    session = await dying.append(made.id, offset, data[offset : offset + 50_000])
                    acknowledged = session.offset
            except Killed:
                pass
            else:
                if store.count < at:
                    break
            store.dead = False
            session = await heir.engine.find(made.id)
            assert session.state == "done" or session.offset >= acknowledged
            team.now += LEASE_TTL + 1  # the dead's lease has run out
            await go_on(heir, made.id, data)
            assert store.data() == data
            team.now += 1_000_000
            await heir.engine.endings.sweep()
            await sweep(team)
            assert store.keys == {KEY.name}
            assert store.unfinished == 0
            dying.bench.pool.budget.used = 0  # the dead hold nothing
            team.gateways.remove(dying)
    assert at > (1 if size == 5000 else 10)


async def sweep(team: Fleet) -> None:
    from gateway.transfer.sweeper import Sweeper

    await Sweeper({"main": team.store}, team.sessions, now=lambda: team.now).sweep()


# --- verification ---


# --- what holds at the end ---


@pytest.mark.parametrize("data", [SMALL, DATA], ids=["small", "parts"])
async def test_what_is_no_longer_allowed_is_not_published(team: Fleet, data: bytes) -> None:
    gateway = await team.gateway()
    made = await gateway.create(len(data))
    team.authority.refusal = Forbidden("The key was disabled.")
    with pytest.raises(Forbidden):
        await gateway.append(made.id, 0, data)
    assert not team.store.has()
    team.authority.refusal = None
    session = await gateway.engine.find(made.id)
    await gateway.append(made.id, session.offset, data[session.offset :])
    assert team.store.data() == data


@pytest.mark.parametrize("kind", ["none", "put", "complete"])
@pytest.mark.parametrize("data", [SMALL, DATA], ids=["small", "parts"])
async def test_an_object_that_came_meanwhile_is_not_overwritten(
    tmp_path: Path, kind: Any, data: bytes
) -> None:
    async with fleet(tmp_path, local=False, store=CountingStore(kind)) as team:
        gateway = await team.gateway()
        made = await gateway.create(len(data), allowed=replace(ALICE, overwrite=False))
        await team.store.put(KEY, [memoryview(b"first")], Attributes())
        with pytest.raises(ObjectExists):
            await gateway.append(made.id, 0, data)
        assert team.store.data() == b"first"
        with pytest.raises(ObjectExists):
            await gateway.create(5, allowed=replace(ALICE, overwrite=False))
        await team.store.delete(KEY)
        session = await gateway.engine.find(made.id)
        assert session.state == "open"
        await gateway.append(made.id, session.offset, data[session.offset :])
        assert team.store.data() == data


@pytest.mark.parametrize("kind", ["put", "complete"])
async def test_a_condition_holds_until_the_end(tmp_path: Path, kind: Any) -> None:
    async with fleet(tmp_path, local=False, store=CountingStore(kind)) as team:
        gateway = await team.gateway()
        stored = await team.store.put(KEY, [memoryview(b"first")], Attributes())
        conditions = Preconditions(if_match=(f'"{stored.etag}"',))
        made = await gateway.create(len(DATA), conditions=conditions)
        await team.store.put(KEY, [memoryview(b"second")], Attributes())
        with pytest.raises(PreconditionFailed):
            await gateway.append(made.id, 0, DATA)
        assert team.store.data() == b"second"


@pytest.mark.parametrize("kind", ["none", "complete"])
async def test_created_and_replaced_are_told_apart(tmp_path: Path, kind: Any) -> None:
    async with fleet(tmp_path, local=False, store=CountingStore(kind)) as team:
        gateway = await team.gateway()
        for data, created in ((SMALL, True), (SMALL, False), (DATA, False)):
            made = await gateway.create(len(data))
            done = await gateway.append(made.id, 0, data)
            assert done.result is not None
            assert done.result.created is created


# --- the store ---


async def test_a_store_that_fails_at_the_end_is_asked_again_by_an_empty_request(
    team: Fleet,
) -> None:
    gateway = await team.gateway()
    made = await gateway.create(len(DATA))
    down = True

    async def before(name: str) -> None:
        if down and name == "complete":
            raise StorageUnavailable("Down.")

    team.store.before = before
    with pytest.raises(StorageUnavailable):
        await gateway.append(made.id, 0, DATA)
    session = await gateway.engine.find(made.id)
    assert (session.state, session.offset) == ("completing", len(DATA))
    down = False
    done = await gateway.append(made.id, len(DATA), b"")
    assert done.state == "done"
    assert team.store.data() == DATA


async def test_a_lost_answer_to_complete_is_no_failure(team: Fleet) -> None:
    gateway = await team.gateway()
    made = await gateway.create(len(DATA))
    complete = team.store.complete_multipart
    lost = False

    async def losing(*args: Any, **more: Any) -> Stored:
        nonlocal lost
        stored = await complete(*args, **more)
        if not lost:
            lost = True
            raise StorageUnavailable("The answer was lost.")
        return stored

    team.store.complete_multipart = losing  # type: ignore[method-assign]
    done = await gateway.append(made.id, 0, DATA)
    assert done.state == "done"
    assert team.store.data() == DATA


async def test_an_object_of_another_size_than_was_sent_is_told(team: Fleet) -> None:
    gateway = await team.gateway()
    made = await gateway.create(len(DATA))
    complete = team.store.complete_multipart

    async def shorter(*args: Any, **more: Any) -> Stored:
        stored = await complete(*args, **more)
        await CountingStore.put(team.store, KEY, [memoryview(b"short")], Attributes())
        return stored

    team.store.complete_multipart = shorter  # type: ignore[method-assign]
    with pytest.raises(StorageCorrupt):
        await gateway.append(made.id, 0, DATA)
    assert (await gateway.engine.find(made.id)).state == "failed"


@pytest.mark.parametrize(("told", "state"), [("a", "done"), ("b", "failed")])
async def test_where_etags_are_computed_the_answers_own_has_to_be_ours(
    team: Fleet, monkeypatch: pytest.MonkeyPatch, told: str, state: str
) -> None:
    monkeypatch.setattr(completing, "multipart_etag", lambda receipts: 32 * "a" + "-4")
    gateway = await team.gateway()
    made = await gateway.create(len(DATA))
    complete = team.store.complete_multipart

    async def computing(*args: Any, **more: Any) -> Stored:
        return replace(await complete(*args, **more), etag=32 * told + "-4")

    team.store.complete_multipart = computing  # type: ignore[method-assign]
    refused = pytest.raises(StorageCorrupt) if state == "failed" else nullcontext()
    with refused:
        await gateway.append(made.id, 0, DATA)
    assert (await gateway.engine.find(made.id)).state == state


async def test_a_multipart_that_the_store_has_lost_fails_the_upload(team: Fleet) -> None:
    gateway = await team.gateway()
    made = await gateway.create(len(DATA))
    await gateway.append(made.id, 0, DATA[:PART])
    team.store._uploads.clear()
    with pytest.raises(GatewayError):
        await gateway.append(made.id, PART, DATA[PART:])
    assert not team.store.has()


async def test_an_object_that_came_while_nobody_finished_is_told_and_the_bytes_are_kept(
    tmp_path: Path,
) -> None:
    async with fleet(tmp_path, local=False, store=CountingStore("none")) as team:
        gateway = await team.gateway()
        made = await gateway.create(len(DATA), allowed=replace(ALICE, overwrite=False))
        down = True

        async def before(name: str) -> None:
            if down and name == "complete":
                raise StorageUnavailable("Down.")

        team.store.before = before
        with pytest.raises(StorageUnavailable):
            await gateway.append(made.id, 0, DATA)
        assert (await gateway.engine.find(made.id)).state == "completing"
        down = False
        await team.store.put(KEY, [memoryview(b"first")], Attributes())
        with pytest.raises(ObjectExists):
            await gateway.append(made.id, len(DATA), b"")
        assert team.store.data() == b"first"
        assert (await gateway.engine.find(made.id)).state == "open"
        await team.store.delete(KEY)
        assert (await gateway.append(made.id, len(DATA), b"")).state == "done"
        assert team.store.data() == DATA


@pytest.mark.parametrize("data", [SMALL, DATA], ids=["small", "parts"])
async def test_tus_is_told_that_all_bytes_are_there_only_when_the_object_is(
    team: Fleet, data: bytes
) -> None:
    """An offset that is the length says to its clients that they are done: none would ever finish it."""
    gateway, other = await team.gateway(), await team.gateway()
    made = await gateway.create(len(data))
    await gateway.append(made.id, 0, data, complete=False)
    down = True

    async def before(name: str) -> None:
        if down and name in ("complete", "put"):
            raise StorageUnavailable("Down.")

    team.store.before = before
    for each in (gateway, other):
        with pytest.raises(StorageUnavailable):
            await each.engine.inspect(await each.engine.find(made.id), "stale")
        shown = await each.engine.inspect(await each.engine.find(made.id), "never")
        assert (shown.offset, shown.state == "done") == (len(data), False)
    assert not team.store.has()
    down = False
    done = await other.engine.inspect(await other.engine.find(made.id), "stale")
    assert done.state == "done"
    assert team.store.data() == data
    calls = list(team.store.calls)
    assert (await gateway.engine.inspect(done, "stale")) == done
    assert team.store.calls == calls


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
async def test_chunks_go_on_with_an_upload_whose_last_bytes_were_in_a_dead_process(
    tmp_path: Path, late: bool
) -> None:
    """It is "completing", and nobody knows whether the object is there."""
    store = Deadly()
    async with fleet(tmp_path, local=False, store=store) as team:
        dying = await team.gateway(sessions=Mortal(team.sessions, store))
        heir = await team.gateway()
        made = await dying.create(5000)
        store.at, store.late = 1, late
        with pytest.raises(Killed):
            await dying.append(made.id, 0, SMALL)
        store.dead = False
        team.now += LEASE_TTL + 1
        session = await heir.engine.find(made.id)
        assert (session.state, session.offset) == ("completing", 0)
        for start in (0, 2500, 0):
            chunk = PutChunk(
                key=KEY, range=ByteRange(start, start + 2500), total=5000, body=2500, session="x"
            )
            session = await heir.engine.put_chunk(session, chunk, Bytes(SMALL[start:][:2500]))
        assert session.state == "done"
        assert store.data() == SMALL
        dying.bench.pool.budget.used = 0  # the dead hold nothing
        team.gateways.remove(dying)


async def test_a_question_of_tus_waits_for_who_finishes(team: Fleet) -> None:
    gateway, other = await team.gateway(), await team.gateway()
    made = await gateway.create(len(DATA))
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def before(name: str) -> None:
        if name == "complete":
            reached.set()
            await go_on.wait()

    team.store.before = before
    last = asyncio.create_task(gateway.append(made.id, 0, DATA))
    await reached.wait()
    asked = asyncio.create_task(other.engine.inspect(await other.engine.find(made.id), "stale"))
    await asyncio.sleep(0.2)
    assert not asked.done()
    go_on.set()
    assert (await asked).state == (await last).state == "done"
    assert team.store.calls.count("complete") == 1


async def test_many_finish_one_upload_once(team: Fleet) -> None:
    gateway = await team.gateway()
    made = await gateway.create(len(DATA))
    await gateway.append(made.id, 0, DATA, complete=False)
    results = await asyncio.gather(
        *(gateway.append(made.id, len(DATA), b"", complete=True) for _ in range(4)),
        return_exceptions=True,
    )
    assert any(getattr(result, "state", "") == "done" for result in results)
    assert team.store.calls.count("complete") == 1
    assert team.store.data() == DATA
