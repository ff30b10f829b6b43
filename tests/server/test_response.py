"""Responses, where a socket would only be in the way."""

import pytest

from gateway.errors import ClientGone
from gateway.server.response import BACKLOG, BodyWriter, Response


class Line:
    """An outlet and a connection that keep what they are told."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.writes = 0
        self.over = 0
        self.outlet = self
        self.piece = 0
        self.gone = False
        self.held = 0
        self.paused = False
        self.waits: list[int] = []

    def write(self, *pieces: bytes | memoryview) -> None:
        self.writes += 1
        for piece in pieces:
            self.sent += piece

    async def flushed(self, backlog: int) -> None:
        """What is held leaves at once, unless the client did."""
        self.waits.append(backlog)
        self.paused = False
        self.held = min(self.held, backlog)
        if self.gone:
            raise ClientGone("gone")

    def keeps_alive(self) -> bool:
        return True

    def responded(self) -> None:
        self.over += 1


def response(line: Line, **facts: object) -> Response:
    chosen = {"is_head": False, "version": "1.1", **facts}
    return Response(line, **chosen)  # type: ignore[arg-type]


LENGTH = [(b"Content-Length", b"5")]


async def test_a_small_response_is_one_write() -> None:
    line = Line()
    one = response(line)
    one.start(200, LENGTH)
    await one.body(b"hello", more=False)
    assert (line.writes, line.over) == (1, 1)
    assert line.sent == b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.mark.parametrize("paused", [False, True])
async def test_a_whole_body_waits_for_who_does_not_read(*, paused: bool) -> None:
    line = Line()
    line.paused = paused
    one = response(line)
    one.start(200, LENGTH)
    await one.whole(memoryview(b"hello"))
    assert line.waits == [0] * paused
    assert (line.writes, line.over, one.complete) == (1, 1, True)
    assert line.sent == b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


async def test_a_whole_body_has_its_declared_length() -> None:
    line = Line()
    one = response(line)
    one.start(200, LENGTH)
    with pytest.raises(RuntimeError, match="shorter"):
        await one.whole(b"hell")
    assert not line.over


async def test_slabs_are_framed_when_there_is_no_length() -> None:
    line = Line()
    one = response(line)
    one.start(299, [(b"Transfer-Encoding", b"gzip")])
    await BodyWriter(one).write(memoryview(b"0123456789abcdef"))
    await one.body(b"", more=False)
    head, body = bytes(line.sent).split(b"\r\n\r\n", 1)
    assert head == b"HTTP/1.1 299 \r\ntransfer-encoding: chunked"
    assert body == b"10\r\n0123456789abcdef\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "header",
    [
        (b"x-a", b"b\r\nSet-Cookie: c"),
        (b"x-a", b"b\n"),
        (b"x-a", b"\x00"),
        (b"x a", b"b"),
        (b"x:", b"b"),
        (b"x\r\n", b""),
    ],
)
def test_case_29_a_header_cannot_split_the_response(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(RuntimeError, match="Invalid response header"):
        response(Line()).start(200, [header])


async def test_a_slab_for_a_client_that_left_before_the_head_is_no_misuse() -> None:
    line = Line()
    one = response(line)
    line.gone = True
    with pytest.raises(ClientGone):
        await BodyWriter(one).write(memoryview(b"hello"))
    assert line.sent == b""


async def test_misuse_is_an_error_and_sends_nothing_more() -> None:
    line = Line()
    one = response(line)
    with pytest.raises(RuntimeError, match="not started"):
        await one.body(b"x", more=True)
    one.start(200, LENGTH)
    with pytest.raises(RuntimeError, match="already started"):
        one.start(200, LENGTH)
    with pytest.raises(RuntimeError, match="longer"):
        await one.body(b"123456", more=True)
    with pytest.raises(RuntimeError, match="shorter"):
        await one.body(b"1", more=False)
    assert not one.complete
    await one.view(memoryview(b"2345"))
    await one.body(b"", more=False)
    with pytest.raises(RuntimeError, match="already complete"):
        await one.body(b"", more=False)
    assert line.over == 1


async def test_an_application_may_end_the_connection() -> None:
    line = Line()
    one = response(line)
    one.start(200, [*LENGTH, (b"Connection", b"close")])
    assert not one.keep_alive
    await one.body(b"hello", more=False)
    assert line.sent.lower().count(b"connection: close") == 1


async def test_a_head_that_has_not_left_can_be_taken_back() -> None:
    line = Line()
    one = response(line)
    one.start(204, [])
    assert one.recall()
    one.start(503, LENGTH)
    await one.body(b"sorry", more=True)
    assert not one.recall()
    assert line.sent.startswith(b"HTTP/1.1 503 ")


async def test_an_empty_piece_sends_the_head() -> None:
    line = Line()
    one = response(line)
    one.start(200, LENGTH)
    assert line.sent == b""
    await one.body(b"", more=True)
    assert line.sent.endswith(b"\r\n\r\n")
    await one.body(b"hello", more=False)
    assert line.sent.count(b"HTTP/1.1") == 1


async def test_an_interim_response_leaves_at_once_before_the_final_one() -> None:
    line = Line()
    one = response(line)
    one.interim(104, [(b"Location", b"/u")])
    assert line.sent == b"HTTP/1.1 104 Upload Resumption Supported\r\nLocation: /u\r\n\r\n"
    one.start(200, LENGTH)
    await one.body(b"hello", more=False)
    assert bytes(line.sent).endswith(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")


async def test_an_interim_response_that_has_no_place_is_dropped() -> None:
    old = Line()
    response(old, version="1.0").interim(104, [])
    line = Line()
    one = response(line)
    one.start(200, LENGTH)
    one.interim(104, [])
    deaf = Line()
    deaf.held = BACKLOG + 1
    response(deaf).interim(104, [])
    assert not old.sent
    assert not line.sent
    assert not deaf.sent


@pytest.mark.parametrize("is_head", [True, False])
async def test_case_56_a_response_is_complete_when_what_was_sent_before_has_left(
    is_head: bool,
) -> None:
    line = Line()
    one = response(line, is_head=is_head)
    one.start(200, LENGTH)
    line.held = BACKLOG + 1
    await one.body(b"hello", more=False)
    assert (line.waits, line.held, line.over) == ([BACKLOG], BACKLOG, 1)


async def test_case_56_heads_without_a_body_wait_too() -> None:
    line = Line()
    one = response(line, is_head=True)
    one.start(200, LENGTH)
    line.paused = True
    await one.whole(b"")
    assert (line.waits, line.over) == ([0], 1)


async def test_a_client_that_leaves_at_the_end_of_a_response_is_told_nothing() -> None:
    line = Line()
    one = response(line)
    one.start(200, LENGTH)
    line.held, line.gone = BACKLOG + 1, True
    await one.body(b"hello", more=False)
    assert one.complete


def test_an_interim_response_cannot_be_split() -> None:
    line = Line()
    with pytest.raises(RuntimeError):
        response(line).interim(104, [(b"Location", b"/u\r\nSet-Cookie: x")])
    assert line.sent == b""
