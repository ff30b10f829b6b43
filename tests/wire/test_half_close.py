"""Clients that say they send nothing more (``shutdown(SHUT_WR)``) and wait for the answer: BusyBox' wget, ``nc -N``."""

import json
import os
import socket
import time
from collections.abc import Iterator

import pytest

from gateway.server.rules import Rules
from tests.server.lab import Client, Lab, eventually, pattern, running
from tests.wire.test_receiving import NEXT, chunked, expected, put


@pytest.fixture(scope="module")
def shared_plain() -> Iterator[Lab]:
    with running(tls=False) as lab:
        yield lab


@pytest.fixture
def plain(shared_plain: Lab) -> Lab:
    """Without TLS, which knows no half-close."""
    shared_plain.renew()
    return shared_plain


def finish(client: Client) -> None:
    """Send nothing more."""
    client.sock.shutdown(socket.SHUT_WR)


BODY = os.urandom(300_000)


@pytest.mark.parametrize("path", [b"/put", b"/stock"])
@pytest.mark.parametrize("pause", [0.0, 0.05])
@pytest.mark.parametrize(
    ("request_", "body"),
    [
        (put(BODY[:5]), BODY[:5]),
        (put(BODY), BODY),
        (chunked(BODY[:5], 2), BODY[:5]),
        (chunked(BODY, 70_000), BODY),
    ],
    ids=["small", "large", "small-chunked", "large-chunked"],
)
def test_a_whole_request_is_answered(
    plain: Lab, request_: bytes, body: bytes, path: bytes, pause: float
) -> None:
    with plain.client() as client:
        client.send(request_.replace(b"/put", path, 1))
        time.sleep(pause)
        finish(client)
        reply = client.reply()
        assert json.loads(reply.body)[:2] == expected(body)
        assert client.closed(within=1)
    assert eventually(lambda: plain.connections() == 0)


def test_an_answer_that_takes_its_time_still_comes_and_ends_the_connection(plain: Lab) -> None:
    with plain.client() as client:
        client.send(b"GET /late_reader HTTP/1.1\r\nHost: x\r\n\r\n")
        finish(client)
        assert plain.seen.reached.wait(5)
        time.sleep(0.2)  # several looks at the peer
        assert plain.connections() == 1
        plain.release()
        reply = client.reply()
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert client.closed(within=1)
    assert eventually(lambda: plain.connections() == 0)


def test_all_requests_of_one_segment_are_answered(plain: Lab) -> None:
    with plain.client() as client:
        client.send(NEXT + put(b"hello") + NEXT)
        finish(client)
        assert [client.reply().body[:3] for _ in range(3)] == [b"GET", b"[5,", b"GET"]
        assert client.closed(within=1)
    assert eventually(lambda: plain.connections() == 0)


def test_a_download_arrives_whole(plain: Lab) -> None:
    size = 40 << 20
    with plain.client() as client:
        client.send(b"GET /get?%d HTTP/1.1\r\nHost: x\r\n\r\n" % size)
        finish(client)
        assert client.reply().body == b"".join(
            pattern(at, 1 << 20) for at in range(0, size, 1 << 20)
        )
        assert client.closed(within=1)
    assert eventually(lambda: plain.connections() == 0)


def test_a_refusal_without_a_look_at_the_body_is_read(plain: Lab) -> None:
    with plain.client() as client:
        client.send(put(b"hello", b"/refuse"))
        finish(client)
        assert client.reply().status == 403
        assert client.closed(within=1)
    assert eventually(lambda: plain.connections() == 0)


@pytest.mark.parametrize(
    "rest",
    [
        put(BODY)[:50_000],
        chunked(BODY, 70_000)[:50_000],
        put(BODY, b"/hold")[:50_000],
        put(BODY, b"/put", b"Expect: 100-continue")[:-300_000],
    ],
    ids=["length", "chunked", "unread", "expecting"],
)
def test_who_half_closes_in_the_middle_of_a_body_is_gone(lab: Lab, rest: bytes) -> None:
    with lab.client() as client:
        client.send(rest)
        assert eventually(lambda: lab.seen.scopes)
        finish(client)
        assert eventually(lambda: lab.connections() == 0, within=2)
        lab.release()
        assert eventually(lambda: lab.seen.errors)
        assert type(lab.seen.errors[0]).__name__ == "ClientGone"


@pytest.mark.parametrize("said", [b"", b"GET /ind", NEXT])
def test_who_half_closes_between_requests_is_gone(lab: Lab, said: bytes) -> None:
    with lab.client() as client:
        client.send(NEXT)
        assert client.reply().status == 200
        client.send(said[:8])
        finish(client)
        assert client.closed(within=1)
    assert eventually(lambda: lab.connections() == 0)


@pytest.mark.parametrize("end", ["close", "reset"])
def test_who_leaves_while_he_is_to_be_answered_is_noticed(plain: Lab, end: str) -> None:
    client = plain.connect()
    client.send(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
    finish(client)
    assert plain.seen.reached.wait(5)
    client.head()
    getattr(client, end)()
    if end == "close":  # a FIN is all that came, so the next bytes show it
        plain.release()
    assert eventually(lambda: plain.connections() == 0, within=2)


def test_who_waits_for_the_client_to_leave_is_told_at_once(plain: Lab) -> None:
    with plain.client() as client:
        client.send(put(b"hello", b"/wait"))
        finish(client)
        assert eventually(lambda: plain.seen.facts.get("disconnected"))


def test_who_half_closes_and_reads_nothing_is_cut_off() -> None:
    with running(Rules(body_idle_timeout=0.4, probe=0.05)) as lab:
        client = lab.connect(receive_buffer=16 * 1024)
        client.send(b"GET /get?%d HTTP/1.1\r\nHost: x\r\n\r\n" % (256 << 20))
        finish(client)
        assert eventually(lambda: lab.seen.facts.get("offset", 0) > 0)
        assert eventually(lambda: lab.connections() == 0)
        client.close()


def test_tls_knows_no_half_close() -> None:
    with running(tls=True) as lab, lab.client() as client:
        client.send(b"GET /late_reader HTTP/1.1\r\nHost: x\r\n\r\n")
        assert lab.seen.reached.wait(5)
        finish(client)
        assert eventually(lambda: lab.connections() == 0)
        lab.release()
