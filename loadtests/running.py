"""A gateway of its own for a measurement: on a free port, in a throw-away folder, ended with the block."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from gateway.client import Account
from gateway.model import ObjectKey

KEY_ID: Final = "SLUICELOADTESTKEY1"
SECRET: Final = "a secret of this measurement"
CONFIG: Final = """
[server]
port = {port}
[storage.local]
kind = "local"
path = "objects"
durability = "process"
[buckets.bench]
storage = "local"
[keys.{key}]
secret = "{secret}"
[log]
level = "warning"
"""


@dataclass(frozen=True)
class RunningGateway:
    """Where it is, and what it has used so far."""

    account: Account
    pid: int
    folder: Path

    def url(self, method: str, name: str) -> str:
        """A presigned URL of an object."""
        key = ObjectKey("bench", name)
        return self.account.presigned(method, key, expires=3600, now=time.time())

    def cpu(self) -> float:
        """CPU seconds of the process, user and system, as the operating system counts them."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_memory(self) -> int:
        """Peak resident bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_gateway() -> Iterator[RunningGateway]:
    """Start one, wait until it is ready, end it."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
    with tempfile.TemporaryDirectory(prefix="sluice-load-") as name:
        folder, port = Path(name), free_port()
        (folder / "sluice.toml").write_text(CONFIG.format(port=port, key=KEY_ID, secret=SECRET))
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve"],
            cwd=folder,
            env=environ,
            stdout=subprocess.DEVNULL,
        )
        try:
            account = Account(
                endpoint=f"http://127.0.0.1:{port}", access_key_id=KEY_ID, secret=SECRET
            )
            wait_until_ready(account.endpoint, process)
            yield RunningGateway(account, process.pid, folder)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(40)


def wait_until_ready(endpoint: str, process: subprocess.Popen[bytes]) -> None:
    """Wait for ``/-/readyz``.

    Raises:
        RuntimeError: it ended, or was not ready within 30 seconds.
    """
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{endpoint}/-/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError("the gateway did not become ready")
