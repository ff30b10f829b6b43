"""Servers that all test processes of one run share, and that no crash leaves behind.

The first process that wants a server starts a supervisor for it (``python -m tests.servers.<name> FOLDER``).
Who uses the server holds a lease: a file named by its process id. The supervisor runs the server as its
child and ends it when no leaseholder lives any more, so a killed test run cleans up as well.
"""

import asyncio
import fcntl
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

_COUNTER = itertools.count()
ROOT = Path(__file__).resolve().parents[2]


class ServerFailed(Exception):
    """The server did not come up; the message holds the end of its log."""


@dataclass(frozen=True)
class S3Endpoint:
    """Where an S3 server is, and a user of it."""

    url: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"


@contextmanager
def leased(module: str, folder: Path, *, start_limit: float) -> Iterator[S3Endpoint]:
    """The endpoint of the server that ``tests.servers.<module>`` runs, while the block lasts.

    Raises:
        ServerFailed: it did not come up within ``start_limit`` seconds.
    """
    home = folder / module
    (home / "leases").mkdir(parents=True, exist_ok=True)
    lease = home / "leases" / f"{os.getpid()}-{next(_COUNTER)}"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lease.touch()
        if not (home / "endpoint.json").exists():
            _start(module, home, start_limit)
    try:
        yield S3Endpoint(**json.loads((home / "endpoint.json").read_text()))
    finally:
        lease.unlink(missing_ok=True)


def _start(module: str, home: Path, limit: float) -> None:
    with (home / "log").open("w") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", f"tests.servers.{module}", str(home)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    until = time.monotonic() + limit
    while not (home / "endpoint.json").exists():
        if supervisor.poll() is not None or time.monotonic() > until:
            supervisor.terminate()
            supervisor.wait(30)
            raise ServerFailed(f"{module} did not start:\n{(home / 'log').read_text()[-2000:]}")
        time.sleep(0.05)
    # It outlives this process where others hold leases: nobody waits for it.
    supervisor.returncode = 0


async def supervise(home: Path, start: Callable[[], Awaitable[S3Endpoint]]) -> None:
    """Run by the supervisor: bring the server up, tell where it is, stay while somebody holds a lease."""
    endpoint = await start()
    draft = home / "endpoint.draft"
    draft.write_text(json.dumps(asdict(endpoint)))
    draft.rename(home / "endpoint.json")
    while not _given_up(home):
        await asyncio.sleep(0.5)


def forget(home: Path) -> None:
    """Run by the supervisor at its end: leave nothing behind."""
    shutil.rmtree(home, ignore_errors=True)
    with suppress(OSError):  # another server's folder is still there
        home.parent.rmdir()


def _given_up(home: Path) -> bool:
    """Whether nobody holds a lease. Then the endpoint is taken back under the lock, so that who comes now starts a
    server of its own."""
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if any(_lives(int(lease.name.partition("-")[0])) for lease in (home / "leases").iterdir()):
            return False
        (home / "endpoint.json").unlink(missing_ok=True)
        return True


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
