"""Servers that are measured beside each other, run on loopback."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtests import node
from loadtests.node import PeerMissing
from tests.servers.ports import free_port, wait_for_port

ROOT: Final = Path(__file__).resolve().parents[2]
BUCKET: Final = "conformance"


@dataclass(frozen=True)
class Peer:
    """A running server. The commands are for the suite."""

    url: str
    kill_command: str
    stop_command: str
    restart_command: str
    log: Path


@contextmanager
def revivable(
    command: list[str], port: int, folder: Path, environment: Mapping[str, str]
) -> Iterator[Peer]:
    """A server on ``port`` that can be killed and started again by shell commands, and is ended with the block.

    Raises:
        PeerMissing: it does not come up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pid, log, script = folder / "pid", folder / "log", folder / "start.sh"
    exports = "\n".join(f"export {k}={shlex.quote(v)}" for k, v in environment.items())
    started = f"{shlex.join(command)} >> {shlex.quote(str(log))} 2>&1 < /dev/null &"
    script.write_text(f"{exports}\n{started}\necho $! > {shlex.quote(str(pid))}\n")
    restart = f"sh {shlex.quote(str(script))}"
    kill, stop = (f"kill {name} $(cat {shlex.quote(str(pid))})" for name in ("-KILL", "-TERM"))
    subprocess.run(["sh", str(script)], check=True, cwd=folder)
    try:
        try:
            wait_for_port(port)
        except TimeoutError as error:
            raise PeerMissing(f"{error}:\n{log.read_text()[-1000:]}") from None
        yield Peer(f"http://127.0.0.1:{port}", kill, stop, restart, log)
    finally:
        with suppress(ProcessLookupError):
            os.kill(int(pid.read_text()), signal.SIGTERM)


@contextmanager
def tus_server(folder: Path, environment: Mapping[str, str]) -> Iterator[Peer]:
    """@tus/server; with STORE in ``environment`` in front of that S3, otherwise of a folder.

    Raises:
        PeerMissing: it can't be installed here.
    """
    command = node.tus_server()
    port = free_port()
    files = folder / "files"
    files.mkdir(parents=True)
    told = {"PORT": str(port), "FOLDER": str(files), "BUCKET": BUCKET, **environment}
    with revivable(command, port, folder, told) as peer:
        yield peer


@contextmanager
def fault_proxy(upstream: str, folder: Path) -> Iterator[tuple[str, str]]:
    """The proxy in front of an S3: its URL, and its control URL."""
    port, control = free_port(), free_port()
    command = [
        sys.executable, "-m", "tests.conformance.fault_proxy", upstream,
        "--port", str(port), "--control-port", str(control),
    ]  # fmt: skip
    told = {"PYTHONPATH": str(ROOT)}
    with revivable(command, port, folder, told):
        wait_for_port(control)
        yield f"http://127.0.0.1:{port}", f"http://127.0.0.1:{control}/"
