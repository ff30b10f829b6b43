"""Bodies on the wire: every framing, however the bytes fall."""

import hashlib
import json
import os
import threading
import time
from typing import cast

import pytest

from gateway.server.conversation import HEAD_READ
from gateway.server.http_protocol import Front
from tests.server.lab import Lab, eventually

HOST = b"Host: x\r\n"


def put(body: bytes, path: bytes = b"/put", *headers: bytes) -> bytes:
    lines = b"".join(line + b"\r\n" for line in headers)
    return (
        b"PUT %b HTTP/1.1\r\n%bContent-Length: %d\r\n%b\r\n" % (path, HOST, len(body), lines) + body
    )


def chunked(body: bytes, size: int, path: bytes = b"/put", trailers: bytes = b"") -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    head = b"PUT %b HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n" % (path, HOST)
    return head + framed + b"0\r\n" + trailers + b"\r\n"


def expected(body: bytes) -> list[object]:
    return [len(body), hashlib.sha256(body).hexdigest()]


NEXT = b"GET /index HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.mark.parametrize("path", [b"/put", b"/stock"])
@pytest.mark.parametrize("size", [0, 1, 1000, 20_000, 300_000, 3_000_001])
def test_a_body_arrives_whole_and_the_request_after_it_too(
    lab: Lab, path: bytes, size: int
) -> None:
    body = os.urandom(size)
    with lab.client() as client:
        client.send(put(body, path) + NEXT)
        assert json.loads(client.reply().body)[:2] == expected(body)
        assert client.reply().body == b"GET /index"
        client.send(put(body, path))
        assert json.loads(client.reply().body)[:2] == expected(body)


@pytest.mark.parametrize("path", [b"/put", b"/stock"])
@pytest.mark.parametrize("chunk", [1, 700, 65_536, 1_000_000])
def test_a_chunked_body_arrives_whole_and_the_request_after_it_too(
    lab: Lab, path: bytes, chunk: int
) -> None:
    body = os.urandom(min(chunk * 3000, 2_500_000))
    with lab.client() as client:
        client.send(chunked(body, chunk, path) + NEXT)
        assert json.loads(client.reply().body)[:2] == expected(body)
        assert client.reply().body == b"GET /index"


@pytest.mark.parametrize("framing", [put(b"hello"), chunked(b"hello", 2, trailers=b"X-A: b\r\n")])
def test_requests_may_come_byte_by_byte(lab: Lab, framing: bytes) -> None:
    stream = framing + NEXT + framing
    with lab.client() as client:
        client.send(*[stream[at : at + 1] for at in range(len(stream))])
        assert json.loads(client.reply().body)[:2] == expected(b"hello")
        assert client.reply().body == b"GET /index"
        assert json.loads(client.reply().body)[:2] == expected(b"hello")


def test_many_requests_in_one_segment_are_answered_in_order(lab: Lab) -> None:
    paths = [b"/index/%d" % number for number in range(40)]
    stream = b"".join(b"GET %b HTTP/1.1\r\n" % path + HOST + b"\r\n" for path in paths)
    with lab.client() as client:
        client.send(stream)
        assert [client.reply().body for _ in paths] == [b"GET " + path for path in paths]


def test_a_large_body_is_received_into_the_callers_own_view(lab: Lab) -> None:
    body = os.urandom(4 << 20)
    with lab.client() as client:
        client.send(put(body))
        assert json.loads(client.reply().body)[:2] == expected(body)
    assert max(lab.seen.views) > 16 * 1024
    assert len(lab.seen.scopes) == 1


def test_trap_5_trailers_come_apart_and_never_among_the_headers(lab: Lab) -> None:
    trailers = b"Authorization: Evil\r\nX-Sum:  abc \r\n"
    with lab.client() as client:
        client.send(chunked(b"hello" * 100, 50, trailers=trailers) + NEXT)
        assert client.reply().status == 200
        assert client.reply().status == 200
    assert lab.seen.facts["trailers"] == ((b"authorization", b"Evil"), (b"x-sum", b"abc"))
    assert b"authorization" not in dict(lab.seen.scopes[0]["headers"])
    assert b"authorization" not in dict(lab.seen.facts["headers"])


@pytest.mark.parametrize("path", [b"/put", b"/stock"])
def test_100_continue_is_sent_when_the_body_is_first_asked_for(lab: Lab, path: bytes) -> None:
    body = os.urandom(50_000)
    head, rest = put(body, path, b"Expect: 100-Continue").split(b"\r\n\r\n", 1)
    with lab.client() as client:
        client.send(head + b"\r\n\r\n")
        assert client.head()[0] == 100
        client.send(rest + NEXT)
        reply = client.reply()
        assert json.loads(reply.body)[:2] == expected(body)
        assert reply.interim == []
        assert client.reply().body == b"GET /index"


def test_a_body_that_came_unasked_needs_no_100_continue(lab: Lab) -> None:
    with lab.client() as client:
        client.send(put(b"hello", b"/put", b"Expect: 100-continue"))
        reply = client.reply()
        assert reply.interim == []
        assert json.loads(reply.body)[:2] == expected(b"hello")


def test_case_56_a_refusal_before_the_first_read_asks_for_no_body(lab: Lab) -> None:
    head = put(b"x" * 5000, b"/refuse", b"Expect: 100-continue").split(b"\r\n\r\n")[0]
    with lab.client() as client:
        client.send(head + b"\r\n\r\n")
        reply = client.reply()
        assert (reply.status, reply.interim) == (403, [])
        assert reply.headers["connection"] == "close"
        assert client.closed()
        assert client.buffer == b""


def test_a_pause_of_ours_is_counted_and_stops_the_client(lab: Lab) -> None:
    body = os.urandom(24 << 20)
    with lab.client() as client:
        sender = threading.Thread(target=client.send, args=(put(body, b"/hold"),))
        sender.start()
        assert lab.seen.reached.wait(5)
        sender.join(0.3)
        assert sender.is_alive(), "the client could send a body that nobody reads"
        lab.release()
        sender.join(10)
        assert json.loads(client.reply().body)[0] == len(body) - lab.seen.facts["first"]
    assert lab.seen.facts["paused"] > 0.2


def test_trap_8_little_is_held_before_the_first_read(lab: Lab) -> None:
    body = os.urandom(2 << 20)
    with lab.client() as client:
        sender = threading.Thread(target=client.send, args=(put(body, b"/late_reader"),))
        sender.start()
        assert lab.seen.reached.wait(5)
        sender.join(0.2)
        (front,) = lab.server.server_state.connections
        assert len(cast("Front", front)._conversation.pending) <= HEAD_READ
        lab.release()
        assert json.loads(client.reply().body)[:2] == expected(body)
        sender.join(5)


@pytest.mark.parametrize("size", [256 * 1024, 512 * 1024])
def test_trap_2_a_body_that_just_fills_the_view_leaves_no_empty_buffer(lab: Lab, size: int) -> None:
    body = os.urandom(size)
    with lab.client() as client:
        for _ in range(5):
            client.send(put(body) + NEXT)
            assert json.loads(client.reply().body)[:2] == expected(body)
            assert client.reply().body == b"GET /index"


@pytest.mark.parametrize("path", [b"/put", b"/stock"])
@pytest.mark.parametrize("end", ["close", "reset"])
def test_case_49_a_client_that_leaves_in_the_body_is_noticed(
    lab: Lab, path: bytes, end: str
) -> None:
    client = lab.connect()
    client.send(put(b"x" * 100_000, path)[:50_000])
    assert eventually(lambda: lab.seen.scopes)
    getattr(client, end)()
    assert eventually(lambda: lab.seen.errors)
    assert type(lab.seen.errors[0]).__name__ == (
        "ClientGone" if path == b"/put" else "ConnectionError"
    )
    assert eventually(lambda: lab.connections() == 0)


@pytest.mark.parametrize("end", ["close", "reset"])
def test_trap_3_a_client_that_dies_while_it_is_not_read_is_noticed(lab: Lab, end: str) -> None:
    client = lab.connect()
    client.send(put(b"x" * (4 << 20), b"/hold")[:100_000])
    assert lab.seen.reached.wait(5)
    getattr(client, end)()
    assert eventually(lambda: lab.connections() == 0, within=2)
    lab.release()
    assert eventually(lambda: lab.seen.errors)


def test_a_client_that_leaves_after_its_request_is_told_by_receive(lab: Lab) -> None:
    client = lab.connect()
    client.send(put(b"hello", b"/wait"))
    assert lab.seen.reached.wait(5)
    client.close()
    assert eventually(lambda: lab.seen.facts.get("disconnected"))


def test_reading_goes_on_when_the_pause_was_longer_than_the_looks_at_the_peer(lab: Lab) -> None:
    body = os.urandom(200_000)
    with lab.client() as client:
        client.send(put(body, b"/hold"))
        assert lab.seen.reached.wait(5)
        time.sleep(0.3)
        lab.release()
        assert json.loads(client.reply().body)[0] == len(body) - 16


def test_receive_after_the_extension_waits_for_the_disconnect(lab: Lab) -> None:
    client = lab.connect()
    client.send(put(b"hello", b"/mixed"))
    assert lab.seen.reached.wait(5)
    assert "message" not in lab.seen.facts
    client.close()
    assert eventually(lambda: lab.seen.facts.get("message") == "http.disconnect")
