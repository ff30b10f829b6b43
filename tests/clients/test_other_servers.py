"""The gateway as a plain ASGI application, under a server that is not ours.

Nothing of :mod:`gateway.server` takes part: bodies come through ``receive()`` and leave through
``send()``. All that is promised of objects must hold here too.
"""

import contextlib
import hashlib
import random
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.clients import test_objects
from tests.clients.test_objects import BUCKET, refused
from tests.server.lab import Client
from tests.servers.gateway import GatewayProcess, running_gateway

#: The tests of objects and their clients, against this module's gateway.
globals().update(
    {
        name: thing
        for name, thing in vars(test_objects).items()
        if name.startswith("test_") or name in ("s3", "http")
    }
)

LARGE = random.Random(7).randbytes(20 << 20)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("hypercorn")
    with running_gateway(folder, module="tests.servers.hypercorn_gateway") as process:
        yield process


@contextlib.contextmanager
def connected(gateway: GatewayProcess) -> Iterator[Client]:
    """A raw connection."""
    where = urlsplit(gateway.url)
    with socket.create_connection((where.hostname, where.port), timeout=10) as sock:
        yield Client(sock)


def head(url: str, *lines: str, method: str = "PUT") -> bytes:
    parts = urlsplit(url)
    first = f"{method} {parts.path}?{parts.query} HTTP/1.1"
    return "\r\n".join([first, f"Host: {parts.netloc}", *lines, "", ""]).encode()


def test_it_is_another_server(http: httpx.Client) -> None:
    assert "hypercorn" in http.get(f"/{BUCKET}/nothing").headers["server"]


def test_twenty_mib_go_in_and_come_out(s3: Any, gateway: GatewayProcess) -> None:
    s3.put_object(Bucket=BUCKET, Key="large", Body=LARGE)
    got = s3.get_object(Bucket=BUCKET, Key="large")["Body"].read()
    assert hashlib.sha256(got).digest() == hashlib.sha256(LARGE).digest()
    middle = s3.get_object(Bucket=BUCKET, Key="large", Range="bytes=9000000-11999999")
    assert middle["Body"].read() == LARGE[9_000_000:12_000_000]
    assert middle["ContentRange"] == f"bytes 9000000-11999999/{len(LARGE)}"
    assert gateway.process.poll() is None


def test_twenty_mib_of_unknown_length_are_stored_whole(gateway: GatewayProcess, s3: Any) -> None:
    pieces = [LARGE[at : at + 300_000] for at in range(0, len(LARGE), 300_000)]
    url = gateway.presign("PUT", BUCKET, "unknown")
    assert httpx.put(url, content=iter(pieces)).status_code == 200
    assert s3.head_object(Bucket=BUCKET, Key="unknown")["ContentLength"] == len(LARGE)


def test_head_has_the_length_and_no_body(s3: Any, http: httpx.Client) -> None:
    s3.put_object(Bucket=BUCKET, Key="head", Body=b"hello")
    answer = http.head(f"/{BUCKET}/head")
    assert (answer.status_code, answer.headers["content-length"], answer.content) == (200, "5", b"")


def test_an_expected_upload_is_asked_for_its_body(gateway: GatewayProcess, s3: Any) -> None:
    url = gateway.presign("PUT", BUCKET, "expected")
    with connected(gateway) as client:
        client.send(head(url, "Content-Length: 5", "Expect: 100-continue"))
        status, _ = client.head()
        assert status == 100
        client.send(b"hello")
        assert client.reply().status == 200
    assert s3.get_object(Bucket=BUCKET, Key="expected")["Body"].read() == b"hello"


@pytest.mark.parametrize("framing", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_case_49_what_was_cut_off_is_never_an_object(
    gateway: GatewayProcess, s3: Any, framing: str
) -> None:
    url = gateway.presign("PUT", BUCKET, "cut-off")
    with connected(gateway) as client:
        client.send(head(url, framing), b"5\r\nhello\r\n")
        time.sleep(0.1)
    until = time.monotonic() + 5
    while "client-gone" not in gateway.logs() and time.monotonic() < until:
        time.sleep(0.02)
    assert "client-gone" in gateway.logs()
    assert refused(lambda: s3.head_object(Bucket=BUCKET, Key="cut-off"))[0] == 404


def test_an_unsigned_upload_is_refused_without_its_body(gateway: GatewayProcess) -> None:
    with connected(gateway) as client:
        client.send(head(f"{gateway.url}/{BUCKET}/no", "Content-Length: 9999999"))
        assert client.reply().status in (401, 403)


def test_a_download_that_nobody_takes_ends_with_its_client(
    gateway: GatewayProcess, s3: Any, http: httpx.Client
) -> None:
    s3.put_object(Bucket=BUCKET, Key="left", Body=LARGE)
    with connected(gateway) as client:
        client.send(head(f"{gateway.url}/{BUCKET}/left", method="GET"))
        assert client.head()[0] == 200
        client.reset()
    assert http.get(f"/{BUCKET}/left", headers={"Range": "bytes=0-3"}).content == LARGE[:4]


def test_nothing_of_this_was_a_bug(gateway: GatewayProcess) -> None:
    log = gateway.logs()
    assert '"status":200' in log.replace(" ", "")
    assert "Traceback" not in log
    assert "InternalError" not in log
