"""Which store a URL opens, and what is said to a wrong one."""

from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.errors import SessionsUnavailable
from gateway.sessions.memory import MemorySessions
from gateway.sessions.open import open_sessions, weaknesses, whereabouts
from gateway.sessions.redis import RedisSessions
from gateway.sessions.sqlite import SqliteSessions
from gateway.settings.load import SettingsError
from gateway.settings.sections import SessionsSection
from tests.redis_server import running_redis


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///a.db", Path("a.db")),
        ("sqlite:///.sluice/a.db", Path(".sluice/a.db")),
        ("sqlite:////var/lib/a.db", Path("/var/lib/a.db")),
        (SessionsSection().url, Path(".sluice/sessions.db")),
    ],
)
def test_sqlite_urls_name_relative_and_absolute_files(url: str, path: Path) -> None:
    store = open_sessions(url, 5.0)
    assert isinstance(store, SqliteSessions)
    assert store._path == path


@pytest.mark.parametrize("url", ["redis://h:6379/0", "rediss://h", "unix:///run/redis.sock"])
def test_redis_urls_open_redis(url: str) -> None:
    assert isinstance(open_sessions(url, 5.0), RedisSessions)


def test_memory_opens_memory() -> None:
    assert isinstance(open_sessions("memory:", 5.0), MemorySessions)


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("", "no URL"),
        ("sessions.db", "no URL"),
        ("postgres://hunter2@h", "no store 'postgres'"),
        ("sqlite:", "no file"),
        ("sqlite://", "no file"),
        ("sqlite:///", "no file"),
        ("sqlite:///folder/", "no file"),
        ("sqlite:///:memory:", "no file"),
        ("sqlite://host/a.db", "no file"),
        ("redis://h:port/0", "sessions.url"),
        ("redis://", "no host"),
        ("redis:///0", "no host"),
        ("rediss://:hunter2@/0", "no host"),
        ("unix://", "no host"),
    ],
)
def test_a_wrong_url_is_refused_with_the_right_forms(url: str, part: str) -> None:
    with pytest.raises(SettingsError) as caught:
        open_sessions(url, 5.0)
    assert part in str(caught.value)
    assert "sqlite:///FILE" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("rediss://u:hunter2@h/1?password=hunter2", "rediss://h/1"),
        ("unix://u:hunter2@/run/redis.sock?db=1", "unix:///run/redis.sock"),
        ("sqlite:////var/lib/a.db", "sqlite:////var/lib/a.db"),
        ("sqlite:///a.db", f"sqlite:///{Path.cwd()}/a.db"),
        ("memory:", "memory:"),
    ],
)
def test_where_sessions_are_is_told_without_secrets(url: str, shown: str) -> None:
    assert whereabouts(url) == shown


@pytest.mark.redis
async def test_what_a_redis_may_forget_is_told(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:
        careless = open_sessions(server.url(), 5.0)
        told = await weaknesses(careless)
        assert [text.split(",")[0] for text in told] == [
            "its appendonly is no",
            "its appendfsync is everysec",
        ]
        client = Redis.from_url(server.url())
        await client.config_set("maxmemory-policy", "allkeys-lru")
        assert (await weaknesses(careless))[-1].startswith("its maxmemory-policy is allkeys-lru")
        # As hosted ones do.
        await client.acl_setuser("default", commands=["-config"])
        assert await weaknesses(careless) == ()
        await client.aclose()
        server.stop()
        with pytest.raises(SessionsUnavailable):
            await weaknesses(careless)
        await open_sessions(server.url(), 5.0).aclose()


@pytest.mark.redis
async def test_a_durable_redis_and_stores_of_one_machine_have_no_such_weakness(
    tmp_path: Path,
) -> None:
    with running_redis(tmp_path, durable=True) as server:
        for url in (server.url(), f"sqlite:///{tmp_path}/s.db", "memory:"):
            sessions = open_sessions(url, 5.0)
            assert await weaknesses(sessions) == ()
            await sessions.aclose()
