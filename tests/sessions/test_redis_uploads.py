"""Uploads in Redis: what only shows with a real server that is killed, loses its memory, or is asked twice."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from redis.asyncio import Redis

from gateway.errors import Overtaken, SessionsUnavailable
from gateway.sessions.extents import Extent
from gateway.sessions.memory import MemorySessions
from gateway.sessions.redis import RedisSessions
from gateway.sessions.uploads import Change, UploadSession
from tests.redis_server import RedisServer, running_redis
from tests.sessions.conftest import Another
from tests.sessions.upload_contract import (
    NOW,
    UPLOAD_STEPS,
    UploadContract,
    count_decoded,
    only_what_is_new_is_read_again,
    part,
    segment,
    upload,
    upload_history,
)

pytestmark = pytest.mark.redis


class Stuttering(RedisSessions):
    """Sends every command twice, as if each first answer had been lost with its connection."""

    async def _call(self, command: Callable[[], Awaitable[Any]]) -> Any:
        await super()._call(command)
        return await super()._call(command)


class TestLostAnswers(UploadContract):
    """The contract, when every command is sent twice."""

    @pytest.fixture
    async def another(self, redis_url: str) -> Any:
        opened: list[RedisSessions] = []

        async def open_another() -> RedisSessions:
            store = Stuttering(redis_url, 30.0)
            opened.append(store)
            await store.start()
            return store

        yield open_another
        for store in opened:
            await store.aclose()

    @pytest.fixture
    async def sessions(self, another: Another) -> Any:
        return await another()


async def opened(url: str, count: int = 2, timeout: float = 5.0) -> list[RedisSessions]:
    stores = [RedisSessions(url, timeout) for _ in range(count)]
    for store in stores:
        await store.start()
    return stores


async def test_killed_and_restarted_in_mid_traffic_it_keeps_what_it_acknowledged(
    tmp_path: Path,
) -> None:
    with running_redis(tmp_path, durable=True) as server:
        stores = await opened(server.url(), timeout=2.0)
        for number in range(6):
            await stores[0].create_upload(upload(number, name=f"n{number}"))
        made: list[tuple[str, Extent]] = []
        seen: list[int] = []
        advice: set[float | None] = set()
        refused = 0
        until = asyncio.get_running_loop().time() + 2.5

        async def ask(answer: Awaitable[UploadSession | None]) -> UploadSession | None:
            nonlocal refused
            try:
                return await answer
            except SessionsUnavailable as error:
                refused += 1
                advice.add(error.retry_after)
                await asyncio.sleep(0.02)
                return None

        async def add(lane: int) -> None:
            """Two lanes fill each upload, one through each gateway."""
            upload_id, number = f"u{lane % 6}", lane // 6
            while asyncio.get_running_loop().time() < until:
                extent = segment(number * 12, 12)
                change = Change(add=[extent])
                if await ask(stores[lane // 6].change_upload(upload_id, 0, change)):
                    made.append((upload_id, extent))
                    number += 2

        async def watch() -> None:
            while asyncio.get_running_loop().time() < until:
                found = await ask(stores[1].upload("u0"))
                if found is not None:
                    seen.append(found.offset)
                await asyncio.sleep(0.01)

        async def kill() -> None:
            for _ in range(3):
                await asyncio.sleep(0.5)
                server.stop()
                await asyncio.sleep(0.1)
                await asyncio.to_thread(server.start)

        await asyncio.gather(kill(), watch(), *(add(lane) for lane in range(12)))
        assert advice == {1.0}, "it was noticed, and all were told to come back"
        assert len(made) > 50
        assert seen == sorted(seen), "an offset never decreased"
        assert seen[-1] > seen[0]
        stores += await opened(server.url(), 1)
        for store in stores:
            for number in range(6):
                found = await store.upload(f"u{number}")
                assert found is not None
                mine = {extent for upload_id, extent in made if upload_id == found.id}
                assert mine <= set(found.extents), "what was acknowledged is there"
                assert len(set(found.extents) - mine) <= 2, (
                    "beyond it, what was under way at the end"
                )
                assert 0 <= found.version - len(found.extents) <= refused
                assert await store.upload_named("ann", f"n{number}") == found
            await store.aclose()


async def test_what_redis_has_lost_is_not_taken_for_known(redis_url: str) -> None:
    """One gateway remembers states that Redis lost with its memory; another has grown it again since, to the same
    version: the first must not answer by what it remembers."""
    one, two = await opened(redis_url)
    redis = Redis.from_url(redis_url)
    await one.create_upload(upload())
    before = await one.change_upload("u1", 0, Change(add=[part(1)]))
    for more in (0, 1, 3):
        await redis.flushdb()
        await two.create_upload(upload())
        for number in range(before.version + more):
            await two.change_upload("u1", 0, Change(add=[segment(number + 100, 1)]))
        assert await one.upload("u1") == await two.upload("u1")
        before = await one.change_upload("u1", 0, Change(add=[part(1)]))
        assert before == await two.upload("u1")
    await redis.flushdb()
    assert await one.upload("u1") is None
    for store in (one, two):
        await store.aclose()
    await redis.aclose()


async def test_only_what_is_new_is_read_again(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await opened(redis_url)
    decoded = count_decoded(monkeypatch, "gateway.sessions.redis_uploads")
    await only_what_is_new_is_read_again(one, two, decoded)
    for store in (one, two):
        await store.aclose()


async def test_all_keys_of_an_upload_lie_on_one_node_and_are_gone_with_it(redis_url: str) -> None:
    (store,) = await opened(redis_url, 1)
    redis = Redis.from_url(redis_url, decode_responses=True)
    await store.create_upload(upload(name="n{x}"))
    await store.change_upload("u1", 0, Change(add=[part(1)]))
    await store.ask_to_yield("u1", 0)
    names = [str(name) for name in await redis.keys("*")]
    assert all(name.startswith("sluice:1:") or name == "sluice:schema" for name in names)
    tagged = [re.search(r"\{(uploads-\d+)\}", name) for name in names]
    assert len({tag.group(1) for tag in tagged if tag is not None}) == 1
    assert sum(tag is not None for tag in tagged) == 5, "record, extents, expiry, two marks"
    for name in names:
        life = await redis.pttl(name)
        assert 0 < life <= 60_000 if ":mark:" in name else life == -1, name
    await store.forget_upload("u1", 0)
    left = [name for name in await redis.keys("*") if ":mark:" not in name]
    assert left == ["sluice:schema"]
    await store.aclose()
    await redis.aclose()


async def test_a_name_that_was_left_behind_is_used_again(redis_url: str) -> None:
    """A gateway that was killed between removing a record and its name."""
    (store,) = await opened(redis_url, 1)
    await store.create_upload(upload(name="n"))
    await store._remove("u1", 0)
    assert await store.upload_named("ann", "n") is None
    assert await store.create_upload(upload(2, name="n")) == upload(2, name="n")
    assert await store.upload_named("ann", "n") == upload(2, name="n")
    await store.aclose()


async def test_a_creation_that_was_cut_off_before_its_name_is_finished_by_its_repetition(
    redis_url: str,
) -> None:
    (store,) = await opened(redis_url, 1)
    await store._put(upload(name="n"))
    assert await store.upload_named("ann", "n") is None
    assert await store.create_upload(upload(name="n")) == upload(name="n")
    assert await store.upload_named("ann", "n") == upload(name="n")
    await store.aclose()


async def test_an_upload_that_never_rests_ends_in_time(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await opened(redis_url, timeout=0.3)
    await one.create_upload(upload())
    send = one._send

    async def late(*args: Any) -> Any:
        await two.change_upload("u1", 0, Change(length=8))
        return await send(*args)

    monkeypatch.setattr(one, "_send", late)
    with pytest.raises(SessionsUnavailable, match="in time"):
        await one.change_upload("u1", 0, Change(add=[part(1)]))
    monkeypatch.undo()
    assert (await one.change_upload("u1", 0, Change(add=[part(1)]))).offset == 8
    for store in (one, two):
        await store.aclose()


async def test_a_change_that_is_overtaken_on_its_way_is_refused(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await opened(redis_url)
    await one.create_upload(upload())
    await one.take_upload("u1", "h1", 0)
    send = one._send

    async def late(*args: Any) -> Any:
        await two.take_upload("u1", "h2", 1)
        return await send(*args)

    monkeypatch.setattr(one, "_send", late)
    with pytest.raises(Overtaken):
        await one.change_upload("u1", 1, Change(add=[part(1)]))
    found = await two.upload("u1")
    assert isinstance(found, UploadSession)
    assert (found.holder, found.extents, found.expires) == ("h2", (), NOW)
    for store in (one, two):
        await store.aclose()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=UPLOAD_STEPS)
@example(steps=[(0, "create", 1, 0), (0, "create", 1, 1), (0, "create", 2, 1)])
async def test_it_answers_every_history_as_the_store_in_memory(
    redis_server: RedisServer, steps: list[tuple[int, str, int, int]]
) -> None:
    stores = [RedisSessions(redis_server.url(510)), RedisSessions(redis_server.url(510))]
    memory = MemorySessions()
    await stores[0]._redis.flushdb()
    try:
        expected = await upload_history([memory, memory], steps)
        assert await upload_history(stores, steps) == expected
    finally:
        for store in stores:
            await store.aclose()
