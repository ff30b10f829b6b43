"""The servers that are measured in front of the null S3: Sluice, nginx, and the peers."""

import shutil
import ssl
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from loadtests import node
from loadtests.bench import peers
from loadtests.processes import Server, free_port, running
from loadtests.signing import KEY_ID, SECRET
from loadtests.tls import Certificate

#: The bucket of all measurements; its name may appear in any URL.
BUCKET: Final = "bench"

_SLUICE: Final = """
[server]
port = {port}
data_dir = "{folder}/data"
keep_alive = "30m"
{tls}

[storage.main]
kind = "s3"
endpoint_url = "http://127.0.0.1:{store}"
access_key_id = "NULLSTOREKEY00000001"
secret_access_key = "the-null-store-does-not-look"
sign_payload = "{sign_payload}"
{checksums}

[buckets_default]
storage = "main"

[buckets.{bucket}]
storage = "main"

[keys.{key}]
secret = "{secret}"

[sessions]
url = "{sessions}"

[memory]
spool = "{folder}/spool"
{memory}

[transfer]
{transfer}

[log]
format = "json"
"""

_NGINX: Final = """
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 8192; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  client_max_body_size 0;
  {buffers}
  keepalive_requests 1000000;
  upstream store {{ server 127.0.0.1:{store}; keepalive 64; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port}{tls};
    location / {{
      proxy_pass http://store;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_request_buffering off;
      proxy_buffering on;
      proxy_max_temp_file_size 0;
    }}
  }}
}}
"""

#: nginx's default buffers (16 KiB for a body that comes in, 8 times 4 KiB for one that goes out) cost it three times
#: the CPU of these. It is measured at its best.
_TUNED: Final = """client_body_buffer_size 1m;
  proxy_buffers 8 128k; proxy_buffer_size 64k; proxy_busy_buffers_size 256k;"""


@dataclass(frozen=True)
class Setting:
    """How a measured Sluice differs from its defaults. ``name`` is how reports call it, ``sessions`` a URL; empty:
    SQLite's."""

    name: str = "sluice"
    sign_payload: str = "never"
    checksums: str = ""
    budget: str = ""
    sessions: str = ""
    spool_limit: str = ""
    max_cut_through: int | None = None
    tls: Certificate | None = None

    def sections(self) -> dict[str, str]:
        """What of the configuration follows from it."""
        memory = {"budget": self.budget, "spool_limit": self.spool_limit}
        cut = self.max_cut_through
        return {
            "sign_payload": self.sign_payload,
            "checksums": f'checksums = ["{self.checksums}"]' if self.checksums else "",
            "memory": "\n".join(f'{name} = "{value}"' for name, value in memory.items() if value),
            "transfer": "" if cut is None else f"max_cut_through = {cut}",
            "tls": ""
            if self.tls is None
            else f'tls_cert = "{self.tls.chain}"\ntls_key = "{self.tls.key}"',
        }


def sluice_config(folder: Path, port: int, store: int, setting: Setting = Setting()) -> Path:
    """The configuration file of a Sluice on ``port`` in front of the S3 on port ``store``; ``folder`` is its own."""
    config = folder / "sluice.toml"
    config.write_text(
        _SLUICE.format(
            port=port,
            folder=folder,
            store=store,
            bucket=BUCKET,
            key=KEY_ID,
            secret=SECRET,
            sessions=setting.sessions or f"sqlite:///{folder}/sessions.db",
            **setting.sections(),
        )
    )
    return config


@contextmanager
def sluice(folder: Path, store: int, setting: Setting = Setting()) -> Iterator[Server]:
    """``sluice serve`` with one worker, in front of the S3 on port ``store``."""
    port = free_port()
    own = folder / setting.name
    own.mkdir()
    config = sluice_config(own, port, store, setting)
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(config)]
    context = None if setting.tls is None else setting.tls.context()
    ready = partial(is_ready, context=context)
    with running(setting.name, command, port, own, ready=ready) as server:
        yield server


def is_ready(port: int, context: ssl.SSLContext | None = None) -> bool:
    """Whether a gateway there says that it is ready."""
    base = f"http://127.0.0.1:{port}" if context is None else f"https://localhost:{port}"
    try:
        with urllib.request.urlopen(f"{base}/-/readyz", timeout=5, context=context) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def nginx_program() -> str | None:
    """Where nginx is installed; None: nowhere."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


@contextmanager
def nginx(
    folder: Path, store: int, *, tuned: bool = True, tls: Certificate | None = None
) -> Iterator[Server]:
    """nginx with one worker as a streaming reverse proxy, with large buffers or with its default ones.

    Raises:
        PeerMissing: it is not installed.
    """
    program = nginx_program()
    if program is None:
        raise node.PeerMissing("nginx is not installed")
    port = free_port()
    name = "nginx" if tuned else "nginx-default"
    files = (
        "" if tls is None else f" ssl; ssl_certificate {tls.chain}; ssl_certificate_key {tls.key}"
    )
    own = folder / name
    own.mkdir()
    config = own / "nginx.conf"
    user = "user root;" if Path("/proc/self").stat().st_uid == 0 else ""
    config.write_text(
        _NGINX.format(
            folder=own,
            port=port,
            store=store,
            user=user,
            buffers=_TUNED if tuned else "",
            tls=files,
        )
    )
    with running(name, [program, "-c", str(config), "-p", str(own)], port, own) as server:
        yield server


def redis(folder: Path) -> AbstractContextManager[Server]:
    """A Redis that loses nothing: every write is on the disk before its answer.

    Raises:
        PeerMissing: it is not installed.
    """
    program = shutil.which("redis-server")
    if program is None:
        raise node.PeerMissing("redis-server is not installed")
    port = free_port()
    own = folder / "redis"
    own.mkdir()
    command = [
        program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(own), "--save", "", "--appendonly", "yes",
        "--appendfsync", "always",
    ]  # fmt: skip
    return running("redis", command, port, own)


def tus(folder: Path, store: int) -> AbstractContextManager[Server]:
    """@tus/server with @tus/s3-store, both with their defaults.

    Raises:
        PeerMissing: it cannot be installed here.
    """
    program = node.tus_server()
    port = free_port()
    own = folder / "tus"
    own.mkdir()
    environment = {
        "PORT": str(port),
        "STORE": f"http://127.0.0.1:{store}",
        "BUCKET": BUCKET,
        "KEY": "NULLSTOREKEY00000001",
        "SECRET": "the-null-store-does-not-look",
    }
    return running("tus", program, port, own, environment=environment)


def rclone(folder: Path, store: int) -> AbstractContextManager[Server]:
    """``rclone serve s3`` with an S3 backend, no cache on disk.

    Raises:
        PeerMissing: it cannot be installed here.
    """
    program = peers.rclone()
    port = free_port()
    own = folder / "rclone"
    own.mkdir()
    remote = (
        f":s3,provider=Other,endpoint='http://127.0.0.1:{store}',access_key_id=k,secret_access_key=s,"
        "force_path_style=true,no_check_bucket=true:"
    )
    command = [
        program, "serve", "s3", remote, "--addr", f"127.0.0.1:{port}", "--config", "/dev/null",
        "--auth-key", f"{KEY_ID},{SECRET}",
    ]  # fmt: skip
    return running("rclone", command, port, own)
