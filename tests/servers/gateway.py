"""The gateway as users run it: ``sluice serve`` in a process of its own, on a free port."""

import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import httpx
from botocore.config import Config

from tests.servers.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
KEY_ID = "SLUICETESTKEY000001"
SECRET = "a-secret-for-tests-only-0123456789abcdef"

CONFIG = """
[server]
port = {port}
data_dir = "{folder}/data"
drain = "5s"

[storage.main]
kind = "local"
path = "{folder}/objects"
durability = "process"

[buckets_default]
storage = "main"
create = true

[buckets.public]
storage = "main"
anonymous = "public-read"

[keys.{key}]
secret = "{secret}"
policy = "full-access"

[sessions]
url = "sqlite:///{folder}/sessions.db"

[memory]
spool = "{folder}/spool"

[cors]
origins = ["https://app.example.org"]
"""


@dataclass
class GatewayProcess:
    """A running gateway."""

    url: str
    folder: Path
    process: "subprocess.Popen[bytes]"
    log: Path
    region: str = "us-east-1"
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        """The (parent) process."""
        return self.process.pid

    def s3(self, **options: Any) -> Any:
        """A boto3 client that signs with the test key."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
            region_name=self.region,
            config=Config(
                s3={"addressing_style": "path"},
                signature_version="s3v4",
                retries={"max_attempts": 0},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                **options,
            ),
        )

    @cached_property
    def _signer(self) -> Any:
        """One for all URLs: making a client takes boto3 a tenth of a second."""
        return self.s3()

    def presign(self, method: str, bucket: str, key: str, **params: Any) -> str:
        """A presigned URL, minted by botocore."""
        operation = {
            "GET": "get_object",
            "PUT": "put_object",
            "HEAD": "head_object",
            "DELETE": "delete_object",
        }
        url: str = self._signer.generate_presigned_url(
            operation[method], Params={"Bucket": bucket, "Key": key, **params}, ExpiresIn=3600
        )
        return url

    def rss(self) -> int:
        """Peak resident memory in bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmHWM")

    def logs(self) -> str:
        """What it wrote so far."""
        return self.log.read_text(errors="replace")

    def metrics(self) -> str:
        """The exposition."""
        return httpx.get(f"{self.url}/-/metrics").text

    def kill(self) -> None:
        """``kill -9``."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self, seconds: float = 15) -> int:
        """SIGTERM, and wait; answers the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                return self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        return self.process.returncode


def start_gateway(
    folder: Path,
    config: str = CONFIG,
    *,
    port: int | None = None,
    module: str = "gateway",
    scheme: str = "http",
    trust: ssl.SSLContext | None = None,
    **extra: str,
) -> GatewayProcess:
    """Start one and wait until it is ready. ``extra`` is environment; ``module`` is what to run, with
    the arguments of ``sluice serve``; ``trust`` is for asking it over ``https``."""
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "sluice.toml"
    path.write_text(config.format(port=port, folder=folder, key=KEY_ID, secret=SECRET))
    log = folder / f"gateway-{port}.log"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SLUICE_", "AWS_"))}
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "serve", "--config", str(path)],
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment | {"PYTHONPATH": str(ROOT)} | extra,
            cwd=folder,
        )
    gateway = GatewayProcess(f"{scheme}://127.0.0.1:{port}", folder, process, log)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"the gateway ended with {process.returncode}:\n{gateway.logs()}")
        try:
            ready = httpx.get(f"{gateway.url}/-/readyz", timeout=2, verify=trust or True)
            if ready.status_code == 200:
                return gateway
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    gateway.kill()
    raise AssertionError(f"the gateway did not become ready:\n{gateway.logs()}")


@contextmanager
def running_gateway(folder: Path, config: str = CONFIG, **more: Any) -> Iterator[GatewayProcess]:
    """A gateway for the length of a block; see :func:`start_gateway`."""
    gateway = start_gateway(folder, config, **more)
    try:
        yield gateway
    finally:
        if gateway.process.poll() is None:
            gateway.stop()
