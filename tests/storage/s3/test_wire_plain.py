"""The quick reader may know less than llhttp, but never anything else."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.storage.s3.wire_answer import Garbled, Parser, read_head
from gateway.storage.s3.wire_plain import read_plain

USUAL = (
    b"HTTP/1.1 200 OK\r\nx-amz-request-id: 4442587FB7D0A2F9\r\nDate: Sat, 21 Nov 2026 22:00:00 GMT\r\n"
    b'ETag: "d41d8cd98f00b204e9800998ecf8427e"\r\nContent-Length: 12\r\nServer: AmazonS3\r\n\r\n'
)


def test_the_usual_head_is_read_as_llhttp_reads_it() -> None:
    answer = Parser().parse(USUAL, "GET")
    assert read_plain(USUAL) == (200, answer.headers, 12)
    assert read_head(USUAL, "GET") == answer
    assert read_head(USUAL, "HEAD") == Parser().parse(USUAL, "HEAD")


@pytest.mark.parametrize(
    "line",
    [
        b"Connection: close\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Upgrade: h2c\r\n",
        b"Server: another\r\n",
        b"X-A: \xc3\xa9\r\n",
        b"X-A: \r\n",
        b"X-A: trailing \r\n",
        b"X-A:tight\r\n",
        b"X-A: 1\r\n folded\r\n",
        b"X A: 1\r\n",
        b"nonsense\r\n",
        b"X-A: 1\rX-B: 2\r\n",
        b"X-A: 1\nX-B: 2\r\n",
        b"\nX-B: 2\r\n",
    ],
)
def test_whatever_is_unusual_is_left_to_llhttp(line: bytes) -> None:
    assert read_plain(USUAL[:-2] + line + b"\r\n") is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"200 OK", b"200 Fine"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"200 OK", b"404 Not Found"),
        (b": 12", b": +12"),
        (b": 12", b": 1" + b"0" * 18),
        (b"Content-Length", b"Content-Size"),
    ],
)
def test_so_is_another_status_or_length(old: bytes, new: bytes) -> None:
    assert read_plain(USUAL.replace(old, new)) is None


PIECES = st.sampled_from(
    [
        b"X-A: 1",
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b":",
        b"Connection: close",
        b"ETag: a",
        b"\xe9",
        b"\0",
        b"x",
    ]
)


@given(st.lists(PIECES, max_size=8).map(b"".join))
@example(b"X-A: 1\r\n")
def test_what_it_reads_llhttp_reads_alike(inserted: bytes) -> None:
    head = b"HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\n" + inserted + b"\r\n\r\n"
    head = head[: head.index(b"\r\n\r\n") + 4]
    if (plain := read_plain(head)) is None:
        return
    try:
        answer = Parser().parse(head, "GET")
    except Garbled:  # pragma: no cover - what must not be
        pytest.fail(f"llhttp refuses {head!r}")
    assert plain == (answer.status, answer.headers, answer.length)
    assert answer.keep_alive
    assert answer.chunks is None
