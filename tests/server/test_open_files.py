"""As many files as the settings may need, as far as the system lets us."""

import json
import resource
import subprocess
import sys

import pytest

from gateway.server.open_files import SPARE, allow, wanted
from gateway.settings import S3Storage, Settings

PROGRAM = """
import json, resource, sys
from gateway.server.open_files import allow
soft, hard, count = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(json.dumps([allow(count), *resource.getrlimit(resource.RLIMIT_NOFILE)]))
"""


def allowed(soft: int, hard: int, count: int) -> list[int]:
    """What :func:`allow` answers, and both limits after it, in a process that begins with these."""
    command = [sys.executable, "-c", PROGRAM, str(soft), str(hard), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    told: list[int] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize(
    ("soft", "hard", "count", "then"),
    [
        (128, 512, 300, 300),
        (128, 512, 10_000, 512),  # no further than the system lets us
        (400, 512, 300, 400),  # never lowered
    ],
)
def test_the_soft_limit_is_raised_to_what_is_wanted(
    soft: int, hard: int, count: int, then: int
) -> None:
    assert allowed(soft, hard, count) == [then, then, hard]


def test_a_system_without_a_hard_limit_is_asked_for_no_more_than_is_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = [(128, resource.RLIM_INFINITY)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: limits.append(pair))
    assert allow(300) == 300
    assert limits[1:] == [(300, resource.RLIM_INFINITY)]


def test_a_system_that_refuses_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int, pair: tuple[int, int]) -> None:
        raise ValueError(f"{pair} is over kern.maxfilesperproc")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert allow(300) == 256


def test_every_connection_may_need_a_second_file_and_stores_need_theirs() -> None:
    settings = Settings(storage={"one": S3Storage(kind="s3"), "two": S3Storage(kind="s3")})
    most = settings.server.max_connections
    assert wanted(settings) == 2 * most + 2 * 64 + SPARE
    assert wanted(Settings()) == 2 * most + SPARE
