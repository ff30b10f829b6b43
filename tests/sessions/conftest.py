"""The three session stores, each started, each empty."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.sessions.base import SessionStore
from gateway.sessions.memory import MemorySessions
from gateway.sessions.redis import RedisSessions
from gateway.sessions.sqlite import SqliteSessions
from tests.redis_server import RedisServer, running_redis

_databases = itertools.count(1)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """A database that no other test uses."""
    return redis_server.url(next(_databases))


@pytest.fixture(params=["memory", "sqlite", pytest.param("redis", marks=pytest.mark.redis)])
async def sessions(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SessionStore]:
    store: SessionStore
    match request.param:
        case "memory":
            store = MemorySessions()
        case "sqlite":
            store = SqliteSessions(tmp_path / "sessions.db")
        case _:
            store = RedisSessions(request.getfixturevalue("redis_url"))
    await store.start()
    yield store
    await store.aclose()
