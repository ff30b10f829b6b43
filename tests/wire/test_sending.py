"""Responses on the wire."""

import gc
import time
from dataclasses import replace

import pytest

from gateway.server.http_protocol import Front
from tests.server.lab import QUICK, Lab, eventually, pattern, running

HOST = b"Host: x\r\n"


def get(path: bytes, *headers: bytes, method: bytes = b"GET", version: bytes = b"1.1") -> bytes:
    lines = b"".join(line + b"\r\n" for line in headers)
    return b"%b %b HTTP/%b\r\n%b%b\r\n" % (method, path, version, HOST, lines)


def test_trap_4_a_slab_that_is_reused_at_once_does_not_corrupt_the_download(lab: Lab) -> None:
    size = 24 << 20
    with lab.client(receive_buffer=64 * 1024) as client:
        client.send(get(b"/get?%d" % size))
        time.sleep(0.2)
        assert client.reply().body == pattern(0, size)
        client.send(get(b"/get?1000"))
        assert client.reply().body == pattern(0, 1000)


def test_a_client_that_does_not_read_stops_the_writer(lab: Lab) -> None:
    with lab.client(receive_buffer=16 * 1024) as client:
        client.send(get(b"/get?%d" % (256 << 20)))
        assert eventually(lambda: lab.seen.facts.get("offset", 0) > 0)
        time.sleep(0.3)
        reached = lab.seen.facts["offset"]
        time.sleep(0.2)
        assert lab.seen.facts["offset"] == reached
        assert reached < 64 << 20


def test_case_56_who_asks_for_more_and_more_and_reads_nothing_is_not_answered_again(
    lab: Lab,
) -> None:
    requests = get(b"/index/" + b"a" * 4000) * 256
    with lab.client(receive_buffer=16 * 1024) as client:
        client.sock.settimeout(0.5)
        with pytest.raises(TimeoutError):  # what kernels hold in both directions is a part of that
            client.send(*[requests] * 32)
        answered = len(lab.seen.scopes)
        time.sleep(0.2)
        assert len(lab.seen.scopes) == answered


@pytest.mark.parametrize("end", ["close", "reset"])
def test_the_writer_learns_that_the_client_left(lab: Lab, end: str) -> None:
    client = lab.connect(receive_buffer=16 * 1024)
    client.send(get(b"/get?%d" % (256 << 20)))
    assert eventually(lambda: lab.seen.facts.get("offset", 0) > 0)
    getattr(client, end)()
    assert eventually(lambda: lab.seen.errors)
    assert type(lab.seen.errors[0]).__name__ == "ClientGone"
    assert eventually(lambda: lab.connections() == 0)


def test_a_reader_that_stalls_is_cut_off(tls: bool) -> None:
    rules = replace(QUICK, body_idle_timeout=0.4)
    with running(rules, tls=tls) as lab, lab.client(receive_buffer=16 * 1024) as client:
        client.send(get(b"/get?%d" % (256 << 20)))
        assert eventually(lambda: lab.seen.errors, within=5)
        assert type(lab.seen.errors[0]).__name__ == "ClientGone"
        assert eventually(lambda: lab.connections() == 0)


def test_a_slow_reader_is_not_cut_off(tls: bool) -> None:
    rules = replace(QUICK, body_idle_timeout=0.4)
    with running(rules, tls=tls) as lab, lab.client(receive_buffer=16 * 1024) as client:
        size = 8 << 20
        client.send(get(b"/get?%d" % size))
        for _ in range(20):
            time.sleep(0.05)
            client.more()
        assert client.reply().body == pattern(0, size)


@pytest.mark.parametrize(("method", "path"), [(b"HEAD", b"/get?1000"), (b"GET", b"/empty?304")])
def test_case_57_head_and_304_send_no_body(lab: Lab, method: bytes, path: bytes) -> None:
    with lab.client() as client:
        client.send(get(path, method=method) + get(b"/index"))
        assert int(client.reply(bodiless=True).headers["content-length"]) > 0
        assert client.reply().body == b"GET /index"


def test_case_57_204_sends_no_body(lab: Lab) -> None:
    with lab.client() as client:
        client.send(get(b"/empty?204") + get(b"/index"))
        reply = client.reply()
        assert reply.status == 204
        assert "transfer-encoding" not in reply.headers
        assert client.reply().body == b"GET /index"


def test_a_response_without_a_length_is_chunked(lab: Lab) -> None:
    lab.release()
    with lab.client() as client:
        client.send(get(b"/stream") + get(b"/index"))
        reply = client.reply()
        assert reply.headers["transfer-encoding"] == "chunked"
        assert reply.body == b"firstsecond"
        assert client.reply().body == b"GET /index"


def test_a_response_without_a_length_ends_with_the_connection_on_http_1_0(lab: Lab) -> None:
    lab.release()
    with lab.client() as client:
        client.send(get(b"/stream", version=b"1.0"))
        status, headers = client.head()
        assert (status, headers["connection"]) == (200, "close")
        assert "transfer-encoding" not in headers
        assert client.closed()
        assert client.buffer == b"firstsecond"


def test_trap_6_garbage_sent_while_a_response_streams_stays_out_of_it(lab: Lab) -> None:
    with lab.client() as client:
        client.send(get(b"/stream"))
        assert lab.seen.reached.wait(5)
        client.send(b"\x00garbage\r\n\r\n")
        time.sleep(0.1)
        lab.release()
        assert client.reply().body == b"firstsecond"
        assert client.reply().status == 400
        assert client.closed()
        assert client.buffer == b""


def test_a_bug_is_answered_500_without_detail(lab: Lab) -> None:
    with lab.client() as client:
        client.send(get(b"/bug") + get(b"/index"))
        reply = client.reply()
        assert reply.status == 500
        assert b"secret" not in reply.body
        assert reply.headers["content-type"] == "application/problem+json"
        assert client.reply().body == b"GET /index"


def test_an_error_after_the_start_is_still_answered_while_nothing_has_left(lab: Lab) -> None:
    with lab.client() as client:
        client.send(get(b"/late") + get(b"/index"))
        reply = client.reply()
        assert (reply.status, reply.headers["retry-after"]) == (503, "3")
        assert client.reply().body == b"GET /index"


def test_an_error_in_the_middle_of_a_body_cuts_the_connection(lab: Lab) -> None:
    with lab.client() as client:
        client.send(get(b"/late?sent") + get(b"/index"))
        assert client.head()[0] == 200
        assert client.closed(within=2)
        assert client.buffer == b"half"


def test_an_application_that_does_not_answer_is_a_500(lab: Lab) -> None:
    with lab.client() as client:
        client.send(get(b"/nothing"))
        assert client.reply().status == 500


def test_a_write_that_is_given_up_ends_the_connection(lab: Lab) -> None:
    """The slab will be used again, and the transport still points into it."""
    with lab.client(receive_buffer=16 * 1024) as client:
        client.send(get(b"/cancelled"))
        assert eventually(lambda: lab.seen.errors)
        assert isinstance(lab.seen.errors[0], TimeoutError)
        assert eventually(lambda: lab.connections() == 0)


def test_send_is_silent_after_the_client_left(lab: Lab) -> None:
    client = lab.connect()
    client.send(get(b"/stream"))
    assert lab.seen.reached.wait(5)
    client.reset()
    assert eventually(lambda: lab.connections() == 0)
    lab.release()
    assert lab.seen.done.wait(5)
    assert lab.seen.errors == []


def test_nothing_of_a_connection_is_left_after_its_end(lab: Lab) -> None:
    requests = [
        get(b"/index"),
        get(b"/index", b"Connection: close"),
        get(b"/get?9000000"),
        get(b"/stream"),
        b"PUT /put HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhello",
        b"PUT /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\nhello",
        b"nonsense\r\n\r\n",
        b"GET /",
    ]
    for request in requests:
        for end in ("close", "reset"):
            client = lab.connect()
            client.send(request)
            time.sleep(0.03)
            getattr(client, end)()
    lab.release()

    def alive() -> int:
        gc.collect()
        return sum(isinstance(found, Front) for found in gc.get_objects())

    assert eventually(lambda: lab.connections() == 0)
    lab.renew()  # it held scopes and tracebacks
    assert eventually(lambda: alive() == 0), f"{alive()} connections are still referred to"


def test_responses_carry_a_date_and_no_server(lab: Lab) -> None:
    with lab.client() as client:
        client.send(get(b"/index"))
        headers = client.reply().headers
        assert "date" in headers
        assert "server" not in headers


def test_connection_close_is_honoured(lab: Lab) -> None:
    with lab.client() as client:
        client.send(get(b"/index", b"Connection: close"))
        assert client.reply().headers["connection"] == "close"
        assert client.closed(within=1)
