"""What the front refuses by itself, and how connections end."""

import contextlib
import json
import time
from dataclasses import replace

import pytest

from gateway.errors import GatewayError
from gateway.protocol.commands import RequestHead, ResponseHead
from gateway.protocol.networks import Networks
from tests.server.lab import QUICK, Client, Lab, Reply, eventually, running

CHUNKED = b"PUT /put HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
NEXT = b"GET /index HTTP/1.1\r\nHost: x\r\n\r\n"


def refused(client: Client, *pieces: bytes, pause: float = 0.0) -> Reply:
    """The reply to a request that must end its connection."""
    client.send(*pieces, pause=pause)
    reply = client.reply()
    assert reply.headers["connection"] == "close"
    assert client.closed()
    assert client.buffer == b""
    return reply


PUT = b"PUT /put HTTP/1.1\r\nHost: x\r\n"
MALFORMED = {
    "case_32_length_and_chunked": PUT
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "case_32_chunked_and_length": PUT
    + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "case_33_gzip_chunked": PUT + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    "case_33_identity": PUT + b"Transfer-Encoding: identity\r\n\r\n",
    "case_33_twice": PUT + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "case_33_obs_fold": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "case_33_bare_lf": b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
    "case_33_bare_lf_throughout": b"GET / HTTP/1.1\nHost: x\n\n",
    "case_33_bare_lf_at_the_end": b"GET / HTTP/1.1\r\nHost: x\n\n",
    "case_33_bare_lf_and_a_hidden_request": b"GET / HTTP/1.1\nHost: x\n\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
    "case_33_bare_cr": b"GET / HTTP/1.1\rHost: x\r\r",
    "case_33_two_spaces": b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
    "case_33_space_before_colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "case_33_plus_length": PUT + b"Content-Length: +5\r\n\r\nhello",
    "case_33_negative_length": PUT + b"Content-Length: -1\r\n\r\n",
    "case_33_hexadecimal_length": PUT + b"Content-Length: 0x1\r\n\r\nh",
    "case_33_length_list": PUT + b"Content-Length: 5, 5\r\n\r\nhello",
    "case_10_two_lengths": PUT + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "case_55_no_host": b"GET / HTTP/1.1\r\nAccept: x\r\n\r\n",
    "case_55_two_hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
    "case_55_empty_host": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "case_55_host_with_a_path": b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "case_55_host_with_a_user": b"GET / HTTP/1.1\r\nHost: a@x\r\n\r\n",
    "case_55_absolute_form": b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "trap_13_raw_utf_8_target": b"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a_fragment": b"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
    "http_2_preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http_2_0": b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
    "chunked_on_http_1_0": b"PUT /put HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "tls_or_noise": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", MALFORMED.values(), ids=MALFORMED)
def test_case_32_33_55_what_is_malformed_is_400_and_the_connection_ends(
    lab: Lab, request_bytes: bytes
) -> None:
    with lab.client() as client:
        reply = refused(client, request_bytes)
        assert reply.status == 400
        assert json.loads(reply.body)["status"] == reply.status
        assert reply.headers["content-type"] == "application/problem+json"
        assert not lab.seen.scopes


@pytest.mark.parametrize("method", [b"TRACE", b"CONNECT", b"BREW", b"PROPFIND"])
def test_case_57_other_methods_are_405(lab: Lab, method: bytes) -> None:
    with lab.client() as client:
        target = b"x:443" if method == b"CONNECT" else b"/"
        reply = refused(client, method + b" " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert reply.status == 405
        assert "GET" in reply.headers["allow"]


def test_the_refusal_of_a_head_request_has_no_body(lab: Lab) -> None:
    with lab.client() as client:
        client.send(b"HEAD http://x/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.reply(bodiless=True).status == 400
        assert client.closed()
        assert client.buffer == b""


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (
            b"GET / HTTP/1.1\r\nHost: x\r\n"
            + b"A: "
            + b"a" * 4000
            + b"\r\n" * 1
            + (b"B: " + b"b" * 4000 + b"\r\n") * 4
            + b"\r\n",
            431,
        ),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 1_000_000, 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200_000, 431),
        (b"GET /" + b"a" * 8200 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET /" + b"a" * 1_000_000, 414),
    ],
    ids=["one_header", "together", "1_mb_header", "many_headers", "target", "1_mb_target"],
)
def test_case_51_and_52_large_heads_are_refused(lab: Lab, head: bytes, status: int) -> None:
    with lab.client() as client:
        client.send(head[:100_000])
        assert client.reply().status == status
        assert eventually(lambda: lab.connections() == 0)
    assert not lab.seen.scopes


def test_heads_just_under_the_limits_pass(lab: Lab) -> None:
    with lab.client() as client:
        client.send(
            b"GET /"
            + b"a" * 8100
            + b" HTTP/1.1\r\nHost: x\r\n"
            + (b"A: " + b"a" * 8000 + b"\r\n") * 2
            + b"\r\n"
        )
        assert client.reply().status == 500  # the application has no such route
        assert len(lab.seen.scopes) == 1


@pytest.mark.parametrize(
    "flood",
    [
        b"5;" + b"x" * 200_000 + b"\r\nhello\r\n0\r\n\r\n",
        (b"1;" + b"x" * 1000 + b"\r\nh\r\n") * 200 + b"0\r\n\r\n",
        b"0" * 100 + b"5\r\nhello\r\n0\r\n\r\n",
        b"0\r\n" + b"A: b\r\n" * 40_000 + b"\r\n",
        b"0\r\nA: " + b"b" * 200_000 + b"\r\n\r\n",
        b"5\r\nhelloworld\r\n0\r\n\r\n",
        b"-1\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"5\nhello\n0\n\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"5\t\r\nhello\r\n0\r\n\r\n",
    ],
    ids=[
        "one",
        "many",
        "zeros",
        "trailers",
        "trailer",
        "too_long",
        "negative",
        "plus",
        "bare_lf",
        "blank",
        "tab",
    ],
)
def test_case_54_chunk_framing_is_bounded_and_strict(lab: Lab, flood: bytes) -> None:
    with lab.client() as client:
        with contextlib.suppress(OSError):
            client.send(CHUNKED + flood)
        assert client.reply().status == 400
        assert eventually(lambda: lab.connections() == 0)


def test_case_53_a_head_that_drips_is_ended(tls: bool) -> None:
    with running(replace(QUICK, header_timeout=0.5), tls=tls) as lab, lab.client() as client:
        started = time.monotonic()
        reply = refused(client, b"GET / ", b"HTTP/1.1\r\n", b"Ho", b"st:", b" x", pause=0.1)
        assert reply.status == 408
        assert time.monotonic() - started < 3


def test_case_53_a_connection_without_a_request_is_closed_without_a_word(tls: bool) -> None:
    with running(replace(QUICK, header_timeout=0.5), tls=tls) as lab, lab.client() as client:
        assert client.closed(within=2)
        assert client.buffer == b""


def test_an_idle_connection_is_kept_for_a_while_and_then_closed(tls: bool) -> None:
    rules = replace(QUICK, header_timeout=0.5, keep_alive=1.2)
    with running(rules, tls=tls) as lab, lab.client() as client:
        client.send(NEXT)
        client.reply()
        time.sleep(0.8)
        client.send(NEXT)
        client.reply()
        started = time.monotonic()
        assert client.closed(within=3)
        assert client.buffer == b""
        assert time.monotonic() - started > 0.9


def test_the_second_head_has_its_own_deadline(tls: bool) -> None:
    rules = replace(QUICK, header_timeout=0.5, keep_alive=10)
    with running(rules, tls=tls) as lab, lab.client() as client:
        client.send(NEXT)
        client.reply()
        assert refused(client, b"GET / HT").status == 408


@pytest.mark.parametrize(
    ("path", "framing"),
    [(b"/put", b"Content-Length: 100"), (b"/stock", b"Transfer-Encoding: chunked")],
)
def test_case_53_a_body_that_stalls_is_ended(tls: bool, path: bytes, framing: bytes) -> None:
    with running(replace(QUICK, body_idle_timeout=0.3), tls=tls) as lab, lab.client() as client:
        start = b"PUT " + path + b" HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n5\r\nhello\r\n"
        assert refused(client, start).status == 408
        assert type(lab.seen.errors[0]).__name__ == "RequestTimeout"


def test_case_53_a_body_that_drips_is_ended(tls: bool) -> None:
    rules = replace(QUICK, body_idle_timeout=0.4, body_min_rate=1000)
    with running(rules, tls=tls) as lab, lab.client() as client:
        client.send(b"PUT /put HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
        client.send(*[b"x"] * 6, pause=0.1)
        assert client.reply().status == 408


def test_a_slow_body_above_the_minimum_is_not(tls: bool) -> None:
    rules = replace(QUICK, body_idle_timeout=0.4, body_min_rate=20)
    with running(rules, tls=tls) as lab, lab.client() as client:
        client.send(b"PUT /put HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
        client.send(*[b"x" * 10] * 10, pause=0.12)
        assert client.reply().status == 200


def test_our_own_pause_does_not_count_against_the_client(tls: bool) -> None:
    with (
        running(replace(QUICK, body_idle_timeout=0.3, probe=0.05), tls=tls) as lab,
        lab.client() as client,
    ):
        client.send(b"PUT /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n" + b"x" * 20)
        assert lab.seen.reached.wait(5)
        time.sleep(0.8)
        lab.release()
        client.send(b"x" * 80)
        assert client.reply().status == 200


def test_case_34_a_small_unread_body_is_thrown_away_and_the_connection_kept(lab: Lab) -> None:
    body = NEXT * 1000  # what a gateway that forgets the body would take for requests
    with lab.client() as client:
        head = b"PUT /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
        client.send(head + body[:1000])
        assert client.reply().status == 403
        client.send(body[1000:] + NEXT)
        assert client.reply().body == b"GET /index"
    assert len(lab.seen.scopes) == 2


@pytest.mark.parametrize("chunked", [False, True])
def test_case_34_a_large_unread_body_ends_the_connection(lab: Lab, chunked: bool) -> None:
    size = 300 * 1024
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
    body = b"%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n" if chunked else b"x" * size
    with lab.client() as client:
        reply = refused(
            client, b"PUT /refuse HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n" + body + NEXT
        )
        assert reply.status == 403
    assert len(lab.seen.scopes) == 1


def test_pitfall_35_a_refused_upload_reads_its_refusal_although_it_goes_on_sending(
    lab: Lab,
) -> None:
    with lab.client() as client:
        client.send(b"PUT /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n")
        for _ in range(20):
            client.send(b"x" * 100_000)
        assert client.reply().status == 403


def test_trap_9_lingering_ends_although_the_client_never_stops(lab: Lab) -> None:
    started = time.monotonic()
    with lab.client() as client, contextlib.suppress(OSError):
        client.send(b"PUT /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
        while time.monotonic() - started < 10:
            client.send(b"x" * 10_000, pause=0.01)
    assert 0.05 < time.monotonic() - started < 5


def test_case_56_connections_over_the_limit_are_answered_503(tls: bool) -> None:
    with running(replace(QUICK, max_connections=2), tls=tls) as lab:
        with lab.client() as one, lab.client() as two:
            one.send(NEXT)
            two.send(NEXT)
            assert one.reply().status == two.reply().status == 200
            with lab.client() as three:
                reply = three.reply()
                assert (reply.status, reply.headers["retry-after"]) == (503, "2")
                assert three.closed()
        assert eventually(lambda: lab.connections() == 0)
        with lab.client() as again:
            again.send(NEXT)
            assert again.reply().status == 200


def test_case_56_connections_of_one_address_are_limited_but_not_a_proxys(tls: bool) -> None:
    with (
        running(replace(QUICK, max_connections_per_address=1), tls=tls) as lab,
        lab.client() as one,
    ):
        one.send(NEXT)
        assert one.reply().status == 200
        with lab.client() as two:
            assert two.reply().status == 503
    proxied = replace(QUICK, max_connections_per_address=1, proxies=Networks(["127.0.0.0/8"]))
    with running(proxied, tls=tls) as lab, lab.client() as one, lab.client() as two:
        for client in (one, two):
            client.send(NEXT)
            assert client.reply().status == 200


def test_refusals_are_worded_by_the_application(tls: bool) -> None:
    seen: list[RequestHead | None] = []

    def render(head: RequestHead | None, error: GatewayError) -> ResponseHead:
        seen.append(head)
        return ResponseHead(418, ((b"x-code", error.code.encode()),), b"teapot")

    with running(render=render, tls=tls) as lab:
        with lab.client() as client:
            reply = refused(client, b"GET /a?b HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n")
            assert (reply.status, reply.body) == (418, b"teapot")
        with lab.client() as client:
            assert refused(client, b"\x00\r\n\r\n").headers["x-code"] == "bad-request"
    assert seen[0] is not None
    assert (seen[0].raw_path, seen[0].raw_query) == (b"/a", b"b")
    assert seen[1] is None


def test_empty_lines_before_a_request_are_ignored(lab: Lab) -> None:
    with lab.client() as client:
        client.send(b"\r\n\r\n" + NEXT + b"\r\n" + NEXT)
        assert client.reply().status == 200
        assert client.reply().status == 200


def test_an_upgrade_is_not_offered_and_not_a_mistake(lab: Lab) -> None:
    with lab.client() as client:
        client.send(
            b"GET /index HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + NEXT
        )
        assert client.reply().status == 200
        assert client.reply().status == 200


def test_while_draining_every_response_ends_its_connection(tls: bool) -> None:
    with running(tls=tls) as lab, lab.client() as client:
        client.send(NEXT)
        assert "connection" not in client.reply().headers
        lab.call(lab.drain.begin)
        client.send(NEXT)
        assert client.reply().headers["connection"] == "close"
        assert client.closed()
