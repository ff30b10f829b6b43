"""What measures without TLS measures with it."""

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from loadtests.bench import subjects
from loadtests.bench.plan import QUICK, Bench, get, put
from loadtests.bench.runs import Recorder
from loadtests.bench.subjects import Setting
from loadtests.processes import ROOT, Server
from loadtests.signing import presigned
from loadtests.swarm import open_idle, still_open
from loadtests.tls import Certificate, TlsWire
from loadtests.wire import Pattern

SIZE = 3 << 20
pytestmark = pytest.mark.ci


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.issue(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def sluice(
    null_s3: Server, certificate: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A gateway that speaks TLS, in front of the null S3."""
    folder = tmp_path_factory.mktemp("tls")
    with subjects.sluice(folder, null_s3.port, Setting(tls=certificate)) as server:
        yield server


def connect(certificate: Certificate, port: int, timeout: float) -> TlsWire:
    return TlsWire(port, certificate.context(), timeout=timeout)


def test_large_bodies_go_both_ways(
    sluice: Server, null_s3: Server, certificate: Certificate, tmp_path: Path
) -> None:
    recorder = Recorder(null_s3, lambda text: None)
    bench = Bench(QUICK, tmp_path, tmp_path, null_s3, recorder, Pattern(), ExitStack())
    by_tls = partial(connect, certificate)
    assert put(bench, sluice, presigned, size=SIZE, connect=by_tls)() == SIZE / (1 << 30)
    bench.check_stored("large", SIZE)
    assert get(sluice, presigned, size=SIZE, connect=by_tls)() == SIZE / (1 << 30)


def test_the_swarm_uploads_and_waits_over_tls(sluice: Server, certificate: Certificate) -> None:
    command = [
        sys.executable, "-m", "loadtests.swarm", "--port", str(sluice.port), "--tls", str(certificate.authority),
        "--uploads", "5", "--size", "200KiB", "--rate", "256KiB", "--idle", "3",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=30, check=True
    )
    told = json.loads(done.stdout)
    assert (told["completed"], told["failed"], told["bytes"]) == (5, {}, 5 * 200 * 1024)
    assert told["slowest"] >= 0.5
    assert (told["idle"], told["idle_open"]) == (3, 3)


def test_idle_connections_that_ended_are_told_from_those_that_wait(
    sluice: Server, certificate: Certificate
) -> None:
    (sock,) = open_idle(sluice.port, 1, certificate.context())
    assert still_open(sock)
    sock.shutdown(1)  # and the server follows
    sock.settimeout(10)
    assert not still_open(sock)
    sock.close()


def test_a_client_without_the_authority_is_refused(sluice: Server) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        TlsWire(sluice.port, ssl.create_default_context())
