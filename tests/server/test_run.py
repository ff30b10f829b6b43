"""Starting, draining and ending real processes."""

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.server.lab import AUTHORITY, CERTIFICATE, eventually

ROOT = Path(__file__).parents[2]


class Process:
    """A gateway process that has said its URL."""

    def __init__(self, popen: subprocess.Popen[str], url: str) -> None:
        self.popen = popen
        self.url = urlsplit(url)

    def get(self, path: str, port: int = 0) -> tuple[int, bytes]:
        connection = HTTPConnection(self.url.hostname or "", port or self.url.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()

    def ask(self, path: str) -> HTTPConnection:
        """A request whose response is still to come."""
        connection = HTTPConnection(self.url.hostname or "", self.url.port, timeout=10)
        connection.request("GET", path)
        return connection

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.popen.send_signal(number)

    def ended(self, within: float = 10.0) -> int:
        return self.popen.wait(within)


def start(environ: dict[str, str] | None = None, **server: Any) -> subprocess.Popen[str]:
    settings = json.dumps({"server": {"port": 0, **server}})
    return subprocess.Popen(
        [sys.executable, "-m", "tests.server.gateway_process", settings],
        cwd=ROOT,
        env={**os.environ, **(environ or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def serving(**server: Any) -> Iterator[Process]:
    popen = start(**server)
    assert popen.stdout is not None
    try:
        url = popen.stdout.readline().strip()
        assert url, popen.communicate()[1]
        yield Process(popen, url)
    finally:
        with contextlib.suppress(ProcessLookupError):
            popen.kill()
        popen.communicate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_trap_11_sigterm_lets_running_requests_finish_and_answers_new_ones_503() -> None:
    with serving(drain=10) as process:
        running = process.ask("/slow?1.5")
        time.sleep(0.3)
        process.signal()
        assert eventually(lambda: process.get("/pid")[0] == 503, within=0.5)
        time.sleep(0.4)  # uvicorn itself would have closed the door by now
        assert process.get("/pid")[0] == 503
        response = running.getresponse()
        assert (response.status, response.read()) == (200, b"slow")
        running.close()
        assert process.ended() == 0
        assert process.popen.stdout is not None
        assert process.popen.stdout.read().strip() == "lifespan over"


def test_an_idle_process_ends_at_once_and_closes_idle_connections() -> None:
    with serving(drain=10) as process:
        idle = process.ask("/pid")
        assert idle.getresponse().read()
        assert idle.sock is not None
        started = time.monotonic()
        process.signal(signal.SIGINT)
        assert process.ended() == 0
        assert time.monotonic() - started < 3
        assert idle.sock.recv(1) == b""
        idle.close()


def test_a_drain_is_over_when_its_time_is() -> None:
    with serving(drain=0.5) as process:
        running = process.ask("/slow?30")
        time.sleep(0.3)
        started = time.monotonic()
        process.signal()
        with pytest.raises((ConnectionError, TimeoutError)):
            running.getresponse()
        running.close()
        assert process.ended() == 0
        assert 0.3 < time.monotonic() - started < 5


def test_a_second_signal_ends_at_once() -> None:
    with serving(drain=30) as process:
        running = process.ask("/slow?30")
        time.sleep(0.3)
        process.signal()
        assert eventually(lambda: process.get("/pid")[0] == 503)
        started = time.monotonic()
        process.signal()
        process.ended()
        assert time.monotonic() - started < 3
        running.close()


def test_an_application_that_does_not_start_is_an_exit_status() -> None:
    popen = start({"LAB_UNREADY": "1"})
    output, _ = popen.communicate(timeout=20)
    assert popen.returncode == 3
    assert output == ""


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        popen = start(port=taken.getsockname()[1])
        _, errors = popen.communicate(timeout=20)
        assert popen.returncode != 0
        assert (
            f"cannot listen on 127.0.0.1:{taken.getsockname()[1]}: Address already in use"
            "; choose another with --port or server.port\n" in errors
        )


def test_trap_7_forwarded_headers_are_not_believed_from_loopback() -> None:
    with serving() as process:
        connection = HTTPConnection("127.0.0.1", process.url.port, timeout=10)
        forged = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}
        connection.request("GET", "/client", headers=forged)
        assert connection.getresponse().read() == b"127.0.0.1 http"
        connection.close()


def test_metrics_may_have_a_listener_of_their_own() -> None:
    port = free_port()
    with serving(metrics_listen=f"127.0.0.1:{port}") as process:
        assert process.get("/anything", port=port)[1].startswith(b"metrics of ")
        process.signal()
        assert process.ended() == 0


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
def test_the_ipv6_wildcard_serves_both_families() -> None:
    with serving(host="::") as process:
        assert process.popen.args
        assert process.url.hostname == "::"
        for host in ("127.0.0.1", "::1"):
            connection = HTTPConnection(host, process.url.port, timeout=10)
            connection.request("GET", "/pid")
            assert connection.getresponse().status == 200
            connection.close()


def test_tls_offers_http_1_1(tmp_path: Path) -> None:
    CERTIFICATE.private_key_pem.write_to_path(tmp_path / "key")
    for blob in CERTIFICATE.cert_chain_pems:
        blob.write_to_path(tmp_path / "cert", append=True)
    with serving(tls_cert=str(tmp_path / "cert"), tls_key=str(tmp_path / "key")) as process:
        assert process.url.scheme == "https"
        context = ssl.create_default_context()
        AUTHORITY.configure_trust(context)
        context.set_alpn_protocols(["h2", "http/1.1"])
        connection = HTTPSConnection("localhost", process.url.port, context=context, timeout=10)
        connection.request("GET", "/pid")
        assert isinstance(connection.sock, ssl.SSLSocket)
        assert connection.sock.selected_alpn_protocol() == "http/1.1"
        assert connection.getresponse().status == 200
        connection.close()


def _both(process: Process) -> set[bytes]:
    """The ids of two workers, seen by asking until both have answered."""
    seen: set[bytes] = set()

    def ask() -> bool:
        seen.add(process.get("/pid")[1])
        return len(seen) == 2

    assert eventually(ask, within=15)
    return seen


@pytest.mark.slow  # the same decisions, without processes: test_workers
def test_workers_share_the_port_come_back_after_a_crash_and_drain_together() -> None:
    with serving(workers=2, drain=5) as process:
        pids = _both(process)
        metrics = Path(process.get("/environment")[1].decode())
        assert metrics.is_dir()
        with pytest.raises((ConnectionError, OSError)):
            process.get("/crash")
        assert len(pids & _both(process)) == 1
        running = process.ask("/slow?0.8")
        time.sleep(0.3)
        process.signal()
        assert running.getresponse().read() == b"slow"
        running.close()
        assert process.ended() == 0
        assert not metrics.exists()


@pytest.mark.slow  # the same decisions, without processes: test_workers
def test_workers_end_when_their_supervisor_is_killed() -> None:
    with serving(workers=2) as process:
        pid = int(process.get("/pid")[1])
        process.signal(signal.SIGKILL)
        process.ended()
        assert eventually(lambda: not Path(f"/proc/{pid}").exists(), within=5)


def test_workers_that_cannot_start_stop_everything() -> None:
    popen = start({"LAB_BROKEN": "1"}, workers=2)
    output, _ = popen.communicate(timeout=30)
    assert popen.returncode == 1
    assert output == ""
