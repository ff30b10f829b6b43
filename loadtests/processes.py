"""Servers of a measurement: started on free ports, waited for, ended by their own pid."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

#: The project's folder: programs are started there as ``python -m``.
ROOT: Final = Path(__file__).resolve().parent.parent
#: Seconds for a server to start, and to end after SIGTERM.
START_LIMIT: Final = 30.0
STOP_LIMIT: Final = 20.0


class ServerFailed(Exception):
    """A server did not start, or ended by itself. The text ends with what it wrote last."""


@dataclass(frozen=True)
class Server:
    """A running server: where it listens on loopback, its (parent) process, what it writes."""

    name: str
    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def pid(self) -> int:
        """The (parent) process's."""
        return self.process.pid

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2000:]


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether something accepts connections there."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


@contextmanager
def running(
    name: str,
    command: Sequence[str],
    port: int,
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    ready: Callable[[int], bool] = listens,
) -> Iterator[Server]:
    """A server for the length of the block. Its log and files go to ``folder``.

    Raises:
        ServerFailed: it ended, or was not ready in time.
    """
    log = folder / f"{name}.log"
    clean = {
        k: v for k, v in os.environ.items() if not k.startswith(("SLUICE_", "AWS_", "RCLONE_"))
    }
    with log.open("ab") as out:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**clean, **(environment or {})},
        )
    server = Server(name, port, process, log)
    try:
        _await(server, ready)
        yield server
        if process.poll() is not None:
            raise ServerFailed(
                f"{name} ended with status {process.returncode}:\n{server.last_words()}"
            )
    finally:
        stop(process)


def _await(server: Server, ready: Callable[[int], bool]) -> None:
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise ServerFailed(f"{server.name} did not start:\n{server.last_words()}")
        if ready(server.port):
            return
        time.sleep(0.05)
    raise ServerFailed(f"{server.name} was not ready in {START_LIMIT:g} s:\n{server.last_words()}")


def stop(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM, and SIGKILL if that is not heard."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def running_module(name: str, module: str, folder: Path, *arguments: str) -> Iterator[Server]:
    """A program of ours that prints its port and serves until its standard input ends (``loadtests.null_s3``,
    ``loadtests.link``).

    Raises:
        ServerFailed: it printed no port.
    """
    log = folder / f"{name}.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=out,
        )
    stdin, stdout = _pipes(process)
    try:
        line = stdout.readline()
        if not line.strip().isdigit():
            raise ServerFailed(
                f"{name} printed no port:\n{log.read_text(errors='replace')[-2000:]}"
            )
        yield Server(name, int(line), process, log)
    finally:
        stdin.close()
        try:
            process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            stop(process)
        stdout.close()


def _pipes(process: "subprocess.Popen[bytes]") -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout
