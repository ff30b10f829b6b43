"""Request heads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    BadRequest,
    GatewayError,
    HeadTooLarge,
    InvalidUri,
    MethodNotAllowed,
    UriTooLong,
)
from gateway.server.head import find_end, guard_head, parse_head, skip_empty_lines
from gateway.server.rules import Rules

RULES = Rules()
GET = b"GET /a%20b?x=1?y HTTP/1.1\r\nHost: example.org\r\n"


def test_a_head_is_read_as_it_was_sent() -> None:
    head = parse_head(GET + b"X-A:  b\xe9 c \t\r\nx-a:\r\n\r\n")
    guard_head(head, RULES)
    assert (head.method, head.path, head.query, head.version) == ("GET", b"/a%20b", b"x=1?y", "1.1")
    assert head.headers == [(b"host", b"example.org"), (b"x-a", b"b\xe9 c"), (b"x-a", b"")]
    assert (head.length, head.chunked, head.keep_alive) == (None, False, True)
    request = head.as_request("https", "192.0.2.1")
    assert (request.raw_path, request.raw_query, request.peer) == (b"/a%20b", b"x=1?y", "192.0.2.1")


@pytest.mark.parametrize(
    ("lines", "length", "chunked", "expects"),
    [
        (b"Content-Length: 17\r\nExpect: 100-Continue\r\n", 17, False, True),
        (b"Transfer-Encoding: Chunked\r\nExpect: 100-continue\r\n", None, True, True),
        (b"Content-Length: " + b"0" * 17 + b"17\r\n", 17, False, False),
        (b"Content-Length: 0\r\nExpect: 100-continue\r\n", 0, False, False),
        (b"Expect: 100-continue\r\n", None, False, False),
        (b"Content-Length: 5\r\nExpect: something\r\n", 5, False, False),
    ],
)
def test_framing_is_read(lines: bytes, length: int | None, chunked: bool, expects: bool) -> None:
    head = parse_head(b"PUT / HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n")
    assert (head.length, head.chunked, head.expects_continue) == (length, chunked, expects)


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"x, Close", False),
        (b"1.0", b"", False),
        (b"1.0", b"keep-alive", False),
    ],
)
def test_persistence_follows_version_and_connection(
    version: bytes, connection: bytes, kept: bool
) -> None:
    line = b"Connection: " + connection + b"\r\n" if connection else b""
    assert (
        parse_head(b"GET / HTTP/" + version + b"\r\nHost: x\r\n" + line + b"\r\n").keep_alive
        is kept
    )


@pytest.mark.parametrize(
    "host", [b"a", b"A.b-c.example:8080", b"192.0.2.1", b"[::1]:80", b"[fe80::1%25eth0]", b"x:"]
)
def test_case_55_hosts_that_are_valid(host: bytes) -> None:
    guard_head(parse_head(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"), RULES)


@pytest.mark.parametrize(
    "host",
    [b"", b"a b", b"a/b", b"u@a", b"a,b/", b"a:b", b"[::1", b"a:123456", b"\xe9", b"a#", b"a?b"],
)
def test_case_55_hosts_that_are_not(host: bytes) -> None:
    with pytest.raises(BadRequest):
        guard_head(parse_head(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"), RULES)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", MethodNotAllowed),
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", InvalidUri),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA\x00: b\r\n\r\n", BadRequest),
        (b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", BadRequest),
        (b"PUT / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab\r\n\r\n", BadRequest),
        (b"nonsense\r\n\r\n", BadRequest),
        (b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", BadRequest),
        (b"GET /  HTTP/1.1\r\nHost: x\r\n\r\n", BadRequest),
        (b"GET /\r\n\r\n", BadRequest),
        (b"PUT / HTTP/1.1\r\nContent-Length: " + b"0" * 19 + b"5\r\n\r\n", BadRequest),
        (b"PUT / HTTP/1.1\r\nContent-Length: " + b"0" * 4400 + b"5\r\n\r\n", BadRequest),
    ],
)
def test_what_is_no_head_is_named(data: bytes, error: type[GatewayError]) -> None:
    with pytest.raises(error):
        parse_head(data)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", MethodNotAllowed),
        (b"OPTIONS / HTTP/2.0\r\nHost: x\r\n\r\n", BadRequest),
        (b"GET * HTTP/1.1\r\nHost: x\r\n\r\n", BadRequest),
        (b"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", InvalidUri),
        (b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", BadRequest),
        (b"GET /" + b"a" * 8192 + b" HTTP/1.1\r\nHost: x\r\n\r\n", UriTooLong),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 8192 + b"\r\n\r\n", HeadTooLarge),
    ],
)
def test_what_is_well_formed_and_unacceptable_is_refused(
    data: bytes, error: type[GatewayError]
) -> None:
    head = parse_head(data)
    with pytest.raises(error):
        guard_head(head, RULES)


def test_options_may_ask_about_the_server() -> None:
    guard_head(parse_head(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"), RULES)


@given(st.lists(st.integers(1, 60), max_size=20), st.binary(max_size=30))
def test_the_end_of_a_head_is_found_however_it_is_cut(cuts: list[int], rest: bytes) -> None:
    data = GET + b"\r\n" + rest
    pending = bytearray()
    scanned = end = at = 0
    for cut in [*cuts, len(data)]:
        pending += data[at : at + cut]
        at += cut
        end = find_end(pending, scanned, RULES)
        scanned = len(pending)
        if end:
            break
    assert pending[:end] == GET + b"\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\nHost: x\n\n",
        b"GET / HTTP/1.1\r\nHost: x\n\n",
        b"GET / HTTP/1.1\nHost: x\r\n",
        b"GET / HTTP/1.1\rHost: x\r\r",
        b"GET / HTTP/1.1\r\nHost: x\r\r\n",
        b"\nGET",
    ],
)
@pytest.mark.parametrize("step", [1, 7, 100])
def test_case_33_lone_line_ends_are_refused_without_waiting_for_more(
    data: bytes, step: int
) -> None:
    def arrive() -> None:
        pending = bytearray()
        for at in range(0, len(data), step):
            scanned = len(pending)
            pending += data[at : at + step]
            assert find_end(pending, scanned, RULES) == 0

    with pytest.raises(BadRequest):
        arrive()


@pytest.mark.parametrize("head", [b"", b"\r", b"\n\r\n", b"GET / HTTP/1.1\r\n\r\n"])
@pytest.mark.parametrize("lines", [0, 1, 10_000])
def test_empty_lines_are_taken_off_and_nothing_else(head: bytes, lines: int) -> None:
    pending = bytearray(b"\r\n" * lines + head)
    skip_empty_lines(pending)
    assert pending == head


def test_case_51_a_head_is_refused_before_it_is_complete() -> None:
    with pytest.raises(HeadTooLarge):
        find_end(bytearray(GET + b"A: " + b"a" * RULES.max_head), 0, RULES)
    with pytest.raises(HeadTooLarge):
        find_end(bytearray(GET + b"A: b\r\n" * 3000 + b"\r\n"), 0, RULES)


def test_case_52_a_request_line_is_refused_before_it_is_complete() -> None:
    with pytest.raises(UriTooLong):
        find_end(bytearray(b"GET /" + b"a" * (RULES.max_header + 100)), 0, RULES)


@given(
    st.lists(
        st.sampled_from(
            [b"GET", b"PUT", b" ", b"/", b"HTTP/1.1", b"\r\n", b"\n", b"\r", b"Host", b":", b"x", b"\xff",
             b"Content-Length", b"Transfer-Encoding", b"chunked", b"5", b"0", b",", b"\x00", b"\t"]
        ),
        max_size=30,
    )
)  # fmt: skip
def test_case_96_any_head_is_read_or_refused_and_nothing_else(tokens: list[bytes]) -> None:
    try:
        head = parse_head(b"".join(tokens) + b"\r\n\r\n")
        guard_head(head, RULES)
    except (BadRequest, MethodNotAllowed):
        return  # everything else would be a bug of ours
    assert not (head.chunked and head.length is not None)
    assert [name for name, _ in head.headers].count(b"host") == 1
