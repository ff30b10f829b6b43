"""The chunked decoder against httptools' and against what must be refused."""

import re

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import BadRequest
from gateway.server.chunked import ChunkedDecoder


def decode(wire: bytes, cuts: list[int], room: int) -> tuple[bytes, bytes, ChunkedDecoder]:
    """Feed ``wire`` in the given pieces into views of ``room`` bytes; answer body, rest, decoder."""
    decoder = ChunkedDecoder()
    body = bytearray()
    edges = sorted({0, *[cut % (len(wire) + 1) for cut in cuts], len(wire)})
    at = 0
    for end in edges[1:]:
        while at < end and not decoder.ended:
            out = memoryview(bytearray(room))
            used, made = decoder.feed(memoryview(wire)[at:end], out)
            body += out[:made]
            at += used
            assert used or made
    return bytes(body), wire[at:], decoder


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=40), max_size=8),
    extension=st.sampled_from([b"", b";a=b", b'; q="x y"', b" ;a"]),
    trailers=st.lists(
        st.tuples(st.sampled_from([b"X-A", b"x-b"]), st.binary(max_size=0)), max_size=2
    ),
    cuts=st.lists(st.integers(0, 500), max_size=12),
    room=st.integers(1, 64),
    rest=st.binary(max_size=20),
)
def test_every_framing_decodes_to_the_same_body_however_it_is_cut(
    pieces: list[bytes],
    extension: bytes,
    trailers: list[tuple[bytes, bytes]],
    cuts: list[int],
    room: int,
    rest: bytes,
) -> None:
    wire = b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces)
    wire += b"0\r\n" + b"".join(name + b": v\r\n" for name, _ in trailers) + b"\r\n" + rest
    body, left, decoder = decode(wire, cuts, room)
    assert (body, left, decoder.ended) == (b"".join(pieces), rest, True)
    assert decoder.trailers == [(name.lower(), b"v") for name, _ in trailers]


class Listener:
    """Collects what httptools decodes."""

    def __init__(self) -> None:
        self.body = b""
        self.complete = False

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


HEAD = b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


@given(
    st.lists(
        st.sampled_from(
            [
                b"0",
                b"1",
                b"a",
                b"5",
                b"\r\n",
                b"\r",
                b"\n",
                b";",
                b" ",
                b"x",
                b":",
                b"\r\n0\r\n\r\n",
            ]
        ),
        max_size=14,
    )
)
@example([b"0", b";", b"\r\n", b"\r\n"])
@example([b"0", b" ", b";", b" ", b"x", b"\r\n", b"\r\n"])
def test_what_httptools_refuses_is_never_a_complete_body(tokens: list[bytes]) -> None:
    wire = b"".join(tokens)
    listener = Listener()
    refused = False
    try:
        httptools.HttpRequestParser(listener).feed_data(HEAD + wire)
    except httptools.HttpParserError:
        refused = True
    try:
        body, _, decoder = decode(wire, [], 64)
    except BadRequest:
        return
    if decoder.ended:
        if (
            not listener.complete
        ):  # it refuses blanks around the marks of extensions, which RFC 9112 allows
            listener = Listener()
            httptools.HttpRequestParser(listener).feed_data(
                HEAD + re.sub(rb"[ \t]*;[ \t]*", b";", wire)
            )
        assert listener.complete
        assert body == listener.body
    else:
        assert not refused or not listener.complete


@pytest.mark.parametrize(
    "between",
    [b"\r\n5\r\n", b"\r\n05\r\n", b"\r\n5 ;a\r\n", b"\r\n6\r\nx"],
    ids=["the same", "spelled otherwise", "with an extension", "another"],
)
def test_chunks_of_one_size_after_another_are_what_they_are(between: bytes) -> None:
    wire = b"5\r\nhello" + between + b"world" + b"\r\n5\r\nagain\r\n0\r\n\r\n"
    for cuts in ([], list(range(1, len(wire)))):
        body, rest, decoder = decode(wire, cuts, 1 << 16)
        assert body.replace(b"x", b"") == b"helloworldagain"
        assert (rest, decoder.ended) == (b"", True)


def test_a_chunk_that_is_longer_than_it_said_is_refused_also_behind_its_like() -> None:
    with pytest.raises(BadRequest, match="longer than its size"):
        decode(b"2\r\nab\r\n2\r\nabc\r\n0\r\n\r\n", [], 64)


@pytest.mark.parametrize(
    "wire",
    [
        b"\r\n", b" 5\r\nhello", b"5 5\r\n", b"0x5\r\n", b"+5\r\n", b"-5\r\n", b"g\r\n", b"5\n", b"5\rx\n",
        b"1" * 17 + b"\r\n", b"5;\x01\r\n", b"5\r\nhelloX\r\n", b"5\r\nhello\n", b"0\r\nbad trailer\r\n\r\n",
        b"5;\r\n", b"5; \r\n", b"5;;a\r\n", b"5;a;\r\n", b"5;=b\r\n", b"5;a=\r\n", b"5;a b\r\n", b"5;a \r\n",
        b'5;a="b\r\n', b'5;a="\\"\r\n', b"5;a:b\r\n", b"5;a=b=c\r\n",
        b"0\r\n: x\r\n\r\n", b"0\r\na: \x00\r\n\r\n", b"0\r\na : b\r\n\r\n", b"0\r\n folded: x\r\n\r\n",
        b"5;" + b"x" * 5000 + b"\r\n", b"x" * 5000,
        b"0\r\n" + b"a: b\r\n" * 2000 + b"\r\n",
        (b"1;" + b"x" * 100 + b"\r\nx\r\n") * 300,
    ],
)  # fmt: skip
def test_malformed_or_bloated_framing_is_refused(wire: bytes) -> None:
    with pytest.raises(BadRequest):
        decode(wire, [], 1 << 16)


@pytest.mark.parametrize(
    "wire",
    [
        b"5 \r\nhello\r\n0\r\n\r\n", b"5\t\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0 \r\n\r\n",
        b"5\nhello\r\n0\r\n\r\n", b"5;a\nhello\r\n0\r\n\r\n", b"5;a\r;b\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n", b"5\r\nhello\r0\r\n\r\n", b"5\r\nhello\r\n0\n\r\n",
        b"5\r\nhello\r\n0\r\n\n", b"5\r\nhello\r\n0\r\na: b\n\r\n", b"5\r\nhello\r\n0\r\na: b\rc: d\r\n\r\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("step", [1, 100])
def test_case_33_blanks_after_a_size_and_lone_line_ends_are_refused(wire: bytes, step: int) -> None:
    with pytest.raises(BadRequest):
        decode(wire, list(range(0, len(wire), step)), 64)


def test_small_honest_chunks_are_welcome() -> None:
    body, _, decoder = decode(b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n", [], 1 << 16)
    assert (len(body), decoder.ended) == (50_000, True)


def test_data_received_by_the_caller_is_counted() -> None:
    decoder = ChunkedDecoder()
    nothing = memoryview(bytearray(1))[:0]
    assert decoder.feed(memoryview(b"a\r\n"), nothing) == (3, 0)
    assert decoder.data_left == 10
    decoder.took(10)
    assert decoder.feed(memoryview(b"\r\n0\r\n\r\nrest"), nothing) == (7, 0)
    assert decoder.ended
