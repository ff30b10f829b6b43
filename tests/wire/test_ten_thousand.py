"""Ten thousand connections that do nothing, against a gateway process."""

import contextlib
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.units import KiB
from tests.server.lab import Client, eventually
from tests.servers.gateway import CONFIG, GatewayProcess, running_gateway

WANTED = 10_000
#: Descriptors that each of the two processes needs besides.
SPARE = 200
#: Memory that an idle connection may cost.
ALLOWED = 24 * KiB
HEALTH = b"GET /-/healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def count(capsys: pytest.CaptureFixture[str]) -> Iterator[int]:
    """How many connections the limits allow; the gateway inherits ours."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if hard != resource.RLIM_INFINITY else WANTED + SPARE
    found = min(WANTED, most - SPARE)
    if found < WANTED:
        with capsys.disabled():
            print(f"\nonly {found} connections: the hard limit is {hard} open files")
    if found < 500:
        pytest.skip(f"the hard limit of {hard} open files shows nothing")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, found + SPARE), hard))
    yield found
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def gateway(tmp_path: Path, count: int) -> Iterator[GatewayProcess]:
    config = CONFIG.replace(
        "[server]",
        f'[server]\nheader_timeout = "10m"\nkeep_alive = "10m"\n'
        f"max_connections = {count}\nmax_connections_per_address = {count}",
    )
    with running_gateway(tmp_path, config) as process:
        yield process


def resident(gateway: GatewayProcess) -> int:
    """Bytes in memory now."""
    text = Path(f"/proc/{gateway.pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) * 1024


def connect(gateway: GatewayProcess) -> Client:
    where = urlsplit(gateway.url)
    return Client(socket.create_connection((where.hostname, where.port), timeout=20))


@contextlib.contextmanager
def crowd(gateway: GatewayProcess, count: int) -> Iterator[list[Client]]:
    """As many idle connections."""
    clients: list[Client] = []
    try:
        clients.extend(connect(gateway) for _ in range(count))
        yield clients
    finally:
        for client in clients:
            client.close()


def held(gateway: GatewayProcess) -> int:
    """How many sockets the gateway has open."""
    return len(list(Path(f"/proc/{gateway.pid}/fd").iterdir()))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_case_56_ten_thousand_idle_connections_cost_little_and_one_more_is_refused(
    gateway: GatewayProcess, count: int
) -> None:
    before, files = resident(gateway), held(gateway)
    started = time.monotonic()
    with crowd(gateway, count) as clients:
        assert eventually(lambda: held(gateway) >= files + count, within=60)
        assert time.monotonic() - started < 60
        silent = (resident(gateway) - before) / count
        assert silent <= ALLOWED

        one_more = connect(gateway)
        refusal = one_more.reply()
        assert (refusal.status, refusal.headers["connection"]) == (503, "close")
        assert one_more.closed()
        one_more.close()

        for at in range(0, count, 500):  # kept alive after a request, in groups
            group = clients[at : at + 500]
            for client in group:
                client.send(HEALTH)
            for client in group:
                assert client.reply().status == 200
        kept = (resident(gateway) - before) / count
        print(f"bytes per connection: {silent:.0f} silent, {kept:.0f} after a request")
        assert kept <= ALLOWED

        began = time.monotonic()
        clients[count // 2].send(HEALTH)
        assert clients[count // 2].reply().body == b"ok\n"
        assert time.monotonic() - began < 2
        ended = time.monotonic()
        assert gateway.stop(30) == 0
        assert time.monotonic() - ended < 20
        assert clients[0].closed()
        assert clients[-1].closed()
    assert "Traceback" not in gateway.logs()
