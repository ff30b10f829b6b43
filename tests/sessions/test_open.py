"""Which store a URL opens, and what is said to a wrong one."""

from pathlib import Path

import pytest

from gateway.sessions.memory import MemorySessions
from gateway.sessions.open import open_sessions
from gateway.sessions.redis import RedisSessions
from gateway.sessions.sqlite import SqliteSessions
from gateway.settings.load import SettingsError
from gateway.settings.sections import SessionsSection


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
    ],
)
def test_a_wrong_url_is_refused_with_the_right_forms(url: str, part: str) -> None:
    with pytest.raises(SettingsError) as caught:
        open_sessions(url, 5.0)
    assert part in str(caught.value)
    assert "sqlite:///FILE" in str(caught.value)
    assert "hunter2" not in str(caught.value)
