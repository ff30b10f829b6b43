"""The store in Redis: what only shows with a real server that stops, restarts or refuses."""

import asyncio
import socket
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from redis.asyncio import Redis

from gateway.errors import SessionsUnavailable
from gateway.sessions.memory import MemorySessions
from gateway.sessions.redis import RedisSessions
from tests.redis_server import RedisServer, running_redis
from tests.sessions.contract import NOW, STEPS, history, intent

pytestmark = pytest.mark.redis


async def test_all_keys_carry_the_prefix_and_what_expires_is_tidied_up(redis_url: str) -> None:
    sessions = RedisSessions(redis_url)
    await sessions.start()
    await sessions.ping()
    await sessions.put_intent(intent())
    await sessions.beat("o", NOW)
    await sessions.use_once("jwt", "n", NOW, NOW + 60)
    await sessions.acquire("k", "h", NOW, 60)
    redis = Redis.from_url(redis_url, decode_responses=True)
    names = [str(name) for name in await redis.keys("*")]
    assert all(name.startswith("sluice:1:") or name == "sluice:schema" for name in names)
    lives = {name: await redis.pttl(name) for name in names}
    for name, life in lives.items():
        passing = any(part in name for part in (":nonce:", ":lease:", ":ping"))
        assert 0 < life <= 120_000 if passing else life == -1, name
    await redis.aclose()
    await sessions.aclose()


async def test_two_gateways_see_the_same(redis_url: str) -> None:
    one, two = RedisSessions(redis_url), RedisSessions(redis_url)
    await one.start()
    await two.start()
    await one.put_intent(intent())
    assert await two.intents() == [intent()]
    uses = [store.use_once("s", "n", NOW, NOW + 60) for store in (one, two) for _ in range(10)]
    assert sum(await asyncio.gather(*uses)) == 1
    await one.aclose()
    await two.aclose()


@pytest.mark.parametrize("ahead", [45.0, -45.0])
async def test_gateways_whose_clocks_differ_take_nothing_from_each_other(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    one, two = RedisSessions(redis_url), RedisSessions(redis_url)
    true = time.time
    await one.start()
    assert await one.acquire("lease", "one", one.now(), 30) is not None
    monkeypatch.setattr("gateway.sessions.redis_link.time.time", lambda: true() + ahead)
    await two.start()
    assert two.now() == pytest.approx(true(), abs=1)
    assert await two.acquire("lease", "two", two.now() + 25, 30) is None
    assert await two.acquire("lease", "two", two.now() + 35, 30) is not None
    await one.aclose()
    await two.aclose()


async def test_a_clock_that_is_set_is_seen_by_the_next_heartbeat(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = RedisSessions(redis_url)
    true = time.time
    await sessions.start()
    monkeypatch.setattr("gateway.sessions.redis_link.time.time", lambda: true() + 300)
    assert sessions.now() > true() + 290
    await sessions.beat("owner", sessions.now() + 30)
    assert sessions.now() == pytest.approx(true(), abs=1)
    await sessions.aclose()


async def test_a_user_who_may_not_ask_for_the_time_has_it_from_here(redis_url: str) -> None:
    redis = Redis.from_url(redis_url)
    await redis.acl_setuser(
        "timeless",
        enabled=True,
        nopass=True,
        keys=["*"],
        channels=["*"],
        commands=["+@all", "-time"],
    )
    sessions = RedisSessions(redis_url.replace("redis://", "redis://timeless:x@"))
    await sessions.start()
    assert await sessions.acquire("lease", "one", NOW, 30) is not None
    await sessions.aclose()
    await redis.acl_deluser("timeless")
    await redis.aclose()


async def test_newer_data_is_refused(redis_url: str) -> None:
    redis = Redis.from_url(redis_url)
    await redis.set("sluice:schema", "3")
    sessions = RedisSessions(redis_url)
    with pytest.raises(SessionsUnavailable, match="schema 3, this one knows 2"):
        await sessions.start()
    await sessions.aclose()
    await redis.aclose()


async def test_older_data_becomes_ours_and_is_kept(redis_url: str) -> None:
    redis = Redis.from_url(redis_url, decode_responses=True)
    await redis.set("sluice:schema", "1")
    await redis.hset("sluice:1:intents", "i1", '["main", "b", "k", "o", 1.5, "u"]')
    sessions = RedisSessions(redis_url)
    await sessions.start()
    assert [found.id for found in await sessions.intents()] == ["i1"]
    assert await redis.get("sluice:schema") == "2"
    await sessions.start()
    await sessions.aclose()
    await redis.aclose()


async def test_a_use_that_is_sent_again_is_one_use(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = RedisSessions(redis_url)
    await sessions.start()
    redis = Redis.from_url(redis_url)
    monkeypatch.setattr("gateway.sessions.redis.secrets.token_hex", lambda size: "same")
    assert await sessions.use_once("s", "n", NOW, NOW + 60)
    assert await sessions.use_once("s", "n", NOW, NOW + 60)
    monkeypatch.undo()
    assert not await sessions.use_once("s", "n", NOW, NOW + 60)
    await redis.aclose()
    await sessions.aclose()


async def test_a_restart_of_redis_is_survived(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:
        sessions = RedisSessions(server.url(), timeout=2)
        await sessions.start()
        server.stop()
        with pytest.raises(SessionsUnavailable) as caught:
            await sessions.ping()
        assert caught.value.retry_after == 1.0
        server.start()
        await sessions.ping()
        # Scripts are gone with the old process; the pooled connection is dead once more.
        server.stop()
        server.start()
        assert await sessions.use_once("s", "n", NOW, NOW + 60)
        await sessions.aclose()


async def test_a_server_that_never_answers_ends_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sessions = RedisSessions(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", timeout=0.2)
        with pytest.raises(SessionsUnavailable, match="in time|Timeout"):
            await sessions.start()
        await sessions.aclose()


async def test_pitfall_37_errors_do_not_show_the_password() -> None:
    sessions = RedisSessions("redis://user:hunter2@127.0.0.1:1/0", timeout=1)
    with pytest.raises(SessionsUnavailable) as caught:
        await sessions.start()
    assert "hunter2" not in caught.value.detail
    await sessions.aclose()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
async def test_it_answers_every_history_as_the_store_in_memory(
    redis_server: RedisServer, steps: list[tuple[str, str, float]]
) -> None:
    sessions = RedisSessions(redis_server.url(511))
    await sessions._redis.flushdb()
    try:
        assert await history(sessions, "n", steps) == await history(MemorySessions(), "n", steps)
    finally:
        await sessions.aclose()
