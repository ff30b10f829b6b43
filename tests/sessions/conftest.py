"""The three session stores, each started, each empty."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from gateway.sessions.base import Sessions
from gateway.sessions.memory import MemorySessions
from gateway.sessions.redis import RedisSessions
from gateway.sessions.sqlite import SqliteSessions
from tests.redis_server import RedisServer, running_redis

Another: TypeAlias = Callable[[], Awaitable[Sessions]]

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
async def another(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Another]:
    """Opens one more store of the same data, as another process has it. In memory there is only one."""
    opened: list[Sessions] = []
    memory = MemorySessions()

    async def open_another() -> Sessions:
        store: Sessions
        match request.param:
            case "memory":
                store = memory
            case "sqlite":
                store = SqliteSessions(tmp_path / "sessions.db", 30.0)
            case _:
                store = RedisSessions(url, 30.0)
        opened.append(store)
        await store.start()
        return store

    url = request.getfixturevalue("redis_url") if request.param == "redis" else ""
    yield open_another
    for store in opened:
        await store.aclose()


@pytest.fixture
async def sessions(another: Another) -> Sessions:
    return await another()
