"""Sluice itself, as the suite asks it: embedded with SQLite, or in front of an S3 behind the fault proxy with Redis."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from gateway.protocol.signatures import jwt
from loadtests.node import PeerMissing
from tests.conformance.peers import ROOT, Peer, revivable
from tests.conformance.tus.trial import MiB, Options
from tests.faults.lab import far_config
from tests.redis_server import running_redis
from tests.servers.fixtures import own_bucket
from tests.servers.gateway import CONFIG, KEY_ID, SECRET
from tests.servers.lease import S3Endpoint
from tests.servers.ports import free_port

#: How long its tokens last, in seconds: longer than any run.
_TOKENS_LAST = 6 * 3600
#: Of uploads, in seconds, where nobody waits for their end.
LIFETIME = 3600
#: How long a body may pause, in seconds.
IDLE = 8
#: The sections of its settings that say so.
_LIFETIME_IN = "[sessions]"
_LIMITS_IN = "[server]"


@dataclass(frozen=True)
class FaultyStore:
    """An S3, the URL of a fault proxy in front of it, and of that proxy's control."""

    endpoint: S3Endpoint
    url: str
    control: str


def bearer(bucket: str, subject: str) -> tuple[str, str]:
    """A token of the test key for a bucket."""
    claims = {"sub": subject, "bucket": bucket, "prefix": ""}
    token = jwt.sign(claims | {"exp": int(time.time()) + _TOKENS_LAST}, SECRET, key_id=KEY_ID)
    return ("Authorization", f"Bearer {token}")


def lasting(config: str, lifetime: int) -> str:
    """A configuration whose uploads live that long, and whose clients may be silent for :data:`IDLE`."""
    config = config.replace(_LIFETIME_IN, f'{_LIFETIME_IN}\nttl = "{lifetime}s"')
    return config.replace(_LIMITS_IN, f'{_LIMITS_IN}\nbody_idle_timeout = "{IDLE}s"')


def objects(chosen: Options) -> Options:
    """As the IETF protocol creates: at the objects' own URLs."""
    return replace(chosen, url=chosen.url.replace("/-/uploads/", "/"))


def options(peer: Peer, bucket: str) -> Options:
    """What the suite is to know of a gateway."""
    return Options(
        url=f"{peer.url}/-/uploads/{bucket}/{{name}}",
        headers=(bearer(bucket, "me"),),
        other_headers=(bearer(bucket, "somebody-else"),),
        download_url=f"{peer.url}/{bucket}/{{name}}",
        kill_command=peer.kill_command,
        stop_command=peer.stop_command,
        restart_command=peer.restart_command,
        large=17 * MiB,
    )


@contextmanager
def gateway(folder: Path, config: str) -> Iterator[Peer]:
    """``sluice serve`` with this configuration.

    Raises:
        PeerMissing: it does not come up, or does not speak tus.
    """
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "sluice.toml"
    path.write_text(config.format(port=port, folder=folder, key=KEY_ID, secret=SECRET))
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(path)]
    with revivable(command, port, folder, {"PYTHONPATH": str(ROOT)}) as peer:
        _wait_until_ready(peer)
        answer = httpx.options(f"{peer.url}/-/uploads/cases/any")
        if "tus-version" not in answer.headers:
            raise PeerMissing(f"this Sluice does not speak tus: OPTIONS is answered {answer}")
        yield peer


def _wait_until_ready(peer: Peer) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{peer.url}/-/readyz", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise PeerMissing(f"Sluice did not become ready:\n{peer.log.read_text()[-2000:]}")


@contextmanager
def embedded(folder: Path, lifetime: int = LIFETIME) -> Iterator[Options]:
    """The local store, sessions in SQLite. ``lifetime``: seconds that an unfinished upload is kept."""
    with gateway(folder / "sluice", lasting(CONFIG, lifetime)) as peer:
        yield options(peer, "cases")


@contextmanager
def fleet(folder: Path, store: FaultyStore, lifetime: int = LIFETIME) -> Iterator[Options]:
    """In front of an S3, sessions in Redis."""
    bucket = own_bucket(store.endpoint, "tus")
    with running_redis(folder) as redis:
        config = far_config(store.endpoint, bucket, url=store.url, budget="512MiB")
        config = config.replace('"sqlite:///{folder}/sessions.db"', f'"{redis.url()}"')
        with gateway(folder / "sluice", lasting(config, lifetime)) as peer:
            yield replace(options(peer, "far"), fault_url=store.control)
