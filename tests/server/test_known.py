"""Heads that are looked up say what reading them says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import GatewayError
from gateway.protocol.shapes import Own
from gateway.server.head import Head, guard_head, parse_head
from gateway.server.known import KnownHeads
from gateway.server.rules import Rules

RULES = Rules()
LINES = b"Host: example.org\r\nUser-Agent: a b\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"


def read(data: bytes) -> Head:
    head = parse_head(data)
    guard_head(head, RULES)
    return head


def known(data: bytes) -> KnownHeads:
    heads = KnownHeads(RULES)
    heads.learn(data, read(data))
    return heads


def facts(head: Head) -> tuple[object, ...]:
    return (
        head.method,
        head.target,
        head.path,
        head.query,
        head.version,
        tuple(head.headers),
        head.keep_alive,
        head.length,
        head.chunked,
        head.expects_continue,
    )


def same(heads: KnownHeads, data: bytes) -> Head:
    found = heads.recall(data)
    assert found is not None
    assert facts(found) == facts(read(data))
    return found


def test_lines_that_came_before_are_not_read_again_whatever_the_target_and_the_length() -> None:
    heads = known(b"PUT /a?b HTTP/1.1\r\n" + LINES)

    first = same(heads, b"PUT /a?b HTTP/1.1\r\n" + LINES)
    second = same(heads, b"GET /c/d?x=?&y HTTP/1.1\r\n" + LINES.replace(b": 5", b": 0"))
    assert first.section is second.section is not None
    assert (second.length, second.expects_continue) == (0, False)


@pytest.mark.parametrize(
    "lines",
    [
        b"Host: example.org\r\n\r\n",
        b"Host: example.org\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"Host: example.org\r\nConnection: close\r\n\r\n",
        b"Host: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\nExpect: x\r\n\r\n",
        b"Host: a\r\nContent-Length: 1\r\nExpect: x\r\nExpect: 100-Continue\r\n\r\n",
        b"Content-Length: 7\r\nHost: example.org\r\nX-Content-Length: 1\r\n\r\n",
    ],
)
def test_framing_is_remembered(lines: bytes) -> None:
    data = b"PUT /a HTTP/1.1\r\n" + lines
    same(known(data), data)


@pytest.mark.parametrize(
    "data",
    [
        b"PUT /a HTTP/1.1\r\n" + LINES.replace(b"a b", b"a c"),
        b"PUT /a HTTP/1.0\r\n" + LINES,
        b"PUT http://example.org/a HTTP/1.1\r\n" + LINES,
        b"PUT /a#b HTTP/1.1\r\n" + LINES,
        b"PUT /\xff HTTP/1.1\r\n" + LINES,
        b"BREW /a HTTP/1.1\r\n" + LINES,
        b"PUT /" + b"a" * 9000 + b" HTTP/1.1\r\n" + LINES,
        b"PUT /a HTTP/1.1\r\n" + LINES.replace(b": 5", b": +5"),
        b"PUT /a HTTP/1.1\r\n" + LINES.replace(b": 5", b": 5 "),
        b"PUT /a HTTP/1.1\r\n" + LINES.replace(b": 5", b": " + b"5" * 20),
        b"PUT /a HTTP/1.1\r\n" + LINES.replace(b": 5", b":5"),
        b"PUT /a HTTP/1.1\r\n" + LINES.replace(b": 5", b": 05"),
        b"PUT /a HTTP/1.1\r\n" + LINES.replace(b": 5", b": 00"),
        b"PUT /a HTTP/1.1\r\n" + LINES.replace(b": 5", b": x"),
        b"PUT /a HTTP/1.1\r\n" + LINES.replace(b": 5", b": -"),
        b"PUT /a HTTP/1.1\r\nContent-Length: 5\r\n" + LINES,
    ],
)
def test_what_is_not_quite_the_same_is_read(data: bytes) -> None:
    assert known(b"PUT /a HTTP/1.1\r\n" + LINES).recall(data) is None


@pytest.mark.parametrize(
    "line",
    [b"Authorization: Bearer x", b"Cookie: a", b"X-Amz-Date: 1", b"X-Long: " + b"a" * 3000],
)
def test_credentials_and_long_lines_are_not_kept(line: bytes) -> None:
    data = b"GET /a HTTP/1.1\r\n" + line + b"\r\nHost: x\r\n\r\n"
    assert known(data).recall(data) is None


@pytest.mark.parametrize("line", [b"Content-Length:5", b"CONTENT-length: \t 5  "])
def test_a_length_may_be_written_in_any_way(line: bytes) -> None:
    data = b"PUT /a HTTP/1.1\r\nHost: x\r\n" + line + b"\r\n\r\n"
    heads = known(data)
    same(heads, data)
    assert same(heads, data.replace(b"5", b"7")).length == 7


def test_a_length_of_more_digits_is_read_once_and_shares_what_is_known_from_then_on() -> None:
    data = b"PUT /a HTTP/1.1\r\n" + LINES
    heads, longer = known(data), data.replace(b": 5", b": 1234")
    section = same(heads, data).section
    assert heads.recall(longer) is None

    heads.learn(longer, read(longer))
    assert heads.recall(data.replace(b": 5", b": 0005")) is None  # see test_granted's case 10
    assert same(heads, longer).section is same(heads, data).section is section


SIGNED = (
    b"Host: example.org\r\nAmz-Sdk-Invocation-Id: 01234567-89ab-cdef-0123-456789abcdef\r\n"
    b"X-Amz-Date: 20261121T120000Z\r\nContent-Length: 15\r\nX-Amz-Content-Sha256: " + b"0a" * 32 + b"\r\n"
    b"Authorization: AWS4-HMAC-SHA256 Credential=K/20261121/r/s3/aws4_request, SignedHeaders=host;x-amz-date, "
    b"Signature=" + b"1b" * 32 + b"\r\n\r\n"
)  # fmt: skip


def test_of_signed_lines_the_date_the_hash_the_signature_and_the_calls_name_are_a_requests_own() -> (
    None
):
    heads = known(b"PUT /a HTTP/1.1\r\n" + SIGNED)
    first = same(heads, b"PUT /a HTTP/1.1\r\n" + SIGNED)
    lines = SIGNED.replace(b"1b", b"2c").replace(b"0a", b"3d").replace(b": 15", b": 77")
    lines = lines.replace(b"T120000Z", b"T130001Z").replace(b"-cdef-", b"-abcd-")
    second = same(heads, b"GET /c/d HTTP/1.1\r\n" + lines)

    assert first.section is second.section is not None
    assert second.own == Own(
        b"77", b"20261121T130001Z", b"3d" * 32, b"2c" * 32, b"01234567-89ab-abcd-0123-456789abcdef"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Credential=K", b"Credential=L"),
        (b"Signature=1b", b"Signature= b"),
        (b"X-Amz-Date: 2", b"X-Amz-Date: ,"),
        (b"SHA256 Cred", b"SHA256\x00Cred"),
        (b"0a" * 32, b"UNSIGNED-PAYLOAD" + b"0" * 48),
    ],
)
def test_signed_lines_of_which_the_rest_differs_are_read(old: bytes, new: bytes) -> None:
    heads = known(b"PUT /a HTTP/1.1\r\n" + SIGNED)
    changed = heads.recall(b"PUT /a HTTP/1.1\r\n" + SIGNED.replace(old, new))
    assert changed is None or facts(changed) == facts(
        read(b"PUT /a HTTP/1.1\r\n" + SIGNED.replace(old, new))
    )
    assert (changed is None) == (old != b"0a" * 32)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"X-Amz-Date: 20261121T120000Z", b"Date: Sat, 21 Nov 2026 12:00:00 GMT"),
        (b"AWS4-HMAC-SHA256", b"AWS4-HMAC-SHA512"),
        (b"Host: example.org", b"Host: example.org\r\nX-Amz-Date: 20261121T120000Z"),
        (b"Host: example.org", b"Host: example.org\r\nX-Amz-Security-Token: x"),
    ],
)
def test_lines_that_are_signed_in_another_way_are_not_kept(old: bytes, new: bytes) -> None:
    data = b"PUT /a HTTP/1.1\r\n" + SIGNED.replace(old, new)
    assert known(data).recall(data) is None


def test_only_so_many_are_kept() -> None:
    heads = KnownHeads(RULES)
    for number in range(1200):
        data = b"GET /a HTTP/1.1\r\nHost: x\r\nX-A: %d\r\n\r\n" % number
        heads.learn(data, read(data))
    assert len(heads._sections) <= 512


def test_case_96_many_short_lines_are_not_kept() -> None:
    lines = b"".join(b"a%d:\r\n" % number for number in range(50))
    data = b"GET /a HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n"
    assert known(data).recall(data) is None


_PIECES = st.sampled_from(
    [b"PUT", b"GET", b" ", b"/", b"/a?b", b"#", b"?", b"%2f", b"\xff", b"\x00", b'"', b"<>", b"HTTP/1.1", b"HTTP/1.0",
     b"\r\n", b"\n", b"Host: x", b"Content-Length: 1", b"content-length: 22", b"Content-Length:  1", b"\t"]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=8), st.lists(_PIECES, max_size=6))
def test_what_is_looked_up_would_have_been_read_alike(
    start: list[bytes], more: list[bytes]
) -> None:
    heads = known(b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n")
    for data in (
        b"".join(start) + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 77\r\n\r\n",
        b"PUT /a HTTP/1.1\r\n" + b"".join(more) + b"\r\n\r\n",
    ):
        found = heads.recall(data)
        if found is not None:
            try:
                expected = read(data)
            except GatewayError as error:
                raise AssertionError(data) from error
            assert facts(found) == facts(expected)
