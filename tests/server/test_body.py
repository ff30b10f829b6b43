"""Bodies, byte by byte, over a wire that only takes notes."""

import asyncio
import re
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest, ClientGone, GatewayError, RequestTimeout
from gateway.server.body import CHUNKED_READ, PIECE, ChunkedBody, RequestBody
from gateway.server.deadlines import Pace
from gateway.units import KiB

IDLE = 10.0


class Wire:
    """A connection whose clock stands still unless it is moved."""

    def __init__(self, pending: bytes = b"") -> None:
        self.pending = bytearray(pending)
        self.scratch = memoryview(bytearray(256 * KiB))
        self.now = 100.0
        self.due: list[float] = []
        self.rests = 0
        self.invitations = 0
        self.gathered = b""

    def time(self) -> float:
        return self.now

    def want(self, due: float) -> None:
        self.due.append(due)

    def rest(self) -> None:
        self.rests += 1

    def grab(self, view: memoryview) -> int:
        taken, self.gathered = self.gathered[: len(view)], self.gathered[len(view) :]
        view[: len(taken)] = taken
        return len(taken)

    def invite(self) -> None:
        self.invitations += 1


def known(wire: Wire, length: int) -> RequestBody:
    return RequestBody(wire, length, Pace(IDLE, KiB))


def chunked(wire: Wire) -> ChunkedBody:
    return ChunkedBody(wire, Pace(IDLE, KiB))


async def start(body: RequestBody, view: memoryview) -> "asyncio.Task[int]":
    """A read that waits for the wire."""
    task = asyncio.get_running_loop().create_task(body.read_into(view))
    await asyncio.sleep(0)
    return task


def arrive(body: RequestBody, data: bytes) -> None:
    """The transport's part: ask for a buffer, fill it, say so."""
    buffer = body.buffer()
    buffer[: len(data)] = data
    body.received(len(data))


async def test_what_came_with_the_head_is_read_without_a_receive() -> None:
    wire = Wire(b"hello, next request")
    body = known(wire, 5)
    view = memoryview(bytearray(10))
    assert await body.read_into(view) == 5
    assert bytes(view[:5]) == b"hello"
    assert body.complete
    assert wire.pending == b", next request"
    assert (wire.due, wire.invitations) == ([], 1)
    assert await body.read_into(view) == 0
    assert wire.invitations == 1  # the end asks for nothing


async def test_the_buffer_is_the_callers_view_and_ends_with_the_body() -> None:
    wire = Wire()
    body = known(wire, 6)
    memory = bytearray(100)
    task = await start(body, memoryview(memory))
    assert body.wanted
    buffer = body.buffer()
    assert buffer.obj is memory
    assert len(buffer) == 6  # never into the next request
    assert wire.due == [wire.now + IDLE]
    arrive(body, b"abcdef")
    assert not body.wanted
    assert await task == 6
    assert (body.left, body.size, body.complete) == (0, 6, True)


async def test_a_reader_is_woken_when_its_view_is_full_and_not_for_less() -> None:
    wire = Wire()
    body = known(wire, 6)
    memory = bytearray(4)
    task = await start(body, memoryview(memory))
    arrive(body, b"abc")
    assert body.wanted
    assert len(body.buffer()) == 1
    assert len(wire.due) == 2  # what came set the deadline anew
    arrive(body, b"d")
    assert await task == 4
    assert bytes(memory) == b"abcd"
    assert (body.left, body.size, body.complete) == (2, 4, False)
    task = await start(body, memoryview(memory))
    arrive(body, b"ef")  # all that is left is enough
    assert await task == 2
    assert body.complete


async def test_what_came_before_a_failure_is_answered_and_then_the_failure() -> None:
    body = known(Wire(), 6)
    memory = bytearray(6)
    task = await start(body, memoryview(memory))
    arrive(body, b"abc")
    body.fail(ClientGone, "gone")
    assert await task == 3
    with pytest.raises(ClientGone):
        await body.read_into(memoryview(memory))


async def test_a_piece_is_received_as_it_comes() -> None:
    body = known(Wire(), 6)
    task = asyncio.create_task(body.read())
    await asyncio.sleep(0)
    arrive(body, b"ab")
    assert await task == b"ab"


async def test_who_asks_for_some_gets_what_one_receive_brought() -> None:
    body = known(Wire(), 6)
    memory = bytearray(6)
    task = asyncio.create_task(body.read_some(memoryview(memory)))
    await asyncio.sleep(0)
    arrive(body, b"ab")
    assert await task == 2
    whole = await start(body, memoryview(memory))
    arrive(body, b"c")
    assert body.wanted  # the next who asks for all of it gets all of it
    arrive(body, b"def")
    assert await whole == 4


async def test_what_has_gathered_is_taken_by_who_asks_for_some_without_a_receive() -> None:
    wire = Wire()
    body = known(wire, 6)
    memory = bytearray(10)
    wire.gathered = b"abcdNEXT"
    assert await body.read_some(memoryview(memory)[:4]) == 4
    wire.gathered = b"efNEXT"
    assert await body.read_some(memoryview(memory)) == 2  # never into the next request
    assert bytes(memory[:2]) == b"ef"
    assert wire.gathered == b"NEXT"
    assert wire.due == []  # nobody was told to read
    assert (body.size, body.complete, wire.rests) == (6, True, 1)


async def test_who_wants_a_full_view_or_has_failed_takes_nothing_past_the_event_loop() -> None:
    wire = Wire()
    body = known(wire, 6)
    wire.gathered = b"ab"
    task = await start(body, memoryview(bytearray(6)))
    assert body.wanted
    with pytest.raises(RuntimeError, match="already being read"):
        await body.read_some(memoryview(bytearray(6)))
    body.fail(ClientGone, "gone")
    with pytest.raises(ClientGone):
        await task
    with pytest.raises(ClientGone):
        await body.read_some(memoryview(bytearray(6)))
    assert wire.gathered == b"ab"


async def test_pieces_for_receive_let_others_run_in_between() -> None:
    wire = Wire()
    body = known(wire, 6)
    wire.gathered = b"abc"
    task = asyncio.create_task(body.read())
    await asyncio.sleep(0)
    assert body.wanted  # it waits for the event loop, whatever has gathered
    arrive(body, b"abcdef")
    assert await task == b"abcdef"


async def test_what_came_with_the_head_comes_before_what_has_gathered() -> None:
    wire = Wire(b"ab")
    body = known(wire, 4)
    wire.gathered = b"cd"
    view = memoryview(bytearray(4))
    assert (await body.read_some(view), await body.read_some(view[2:])) == (2, 2)
    assert bytes(view) == b"abcd"
    assert await body.read_some(view) == 0


async def test_a_chunked_body_is_not_taken_past_its_decoder() -> None:
    wire = Wire()
    body = chunked(wire)
    wire.gathered = b"3\r\nabc\r\n"
    task = asyncio.create_task(body.read_some(memoryview(bytearray(10))))
    await asyncio.sleep(0)
    assert body.wanted
    arrive(body, b"3\r\nxyz\r\n")
    assert await task == 3
    assert wire.gathered == b"3\r\nabc\r\n"


async def test_what_has_gathered_is_progress_that_took_no_waiting() -> None:
    wire = Wire()
    body = known(wire, 100 * KiB)
    view = memoryview(bytearray(KiB))
    for _ in range(12):  # a KiB every second is the least rate here
        wire.gathered = bytes(KiB)
        await body.read_some(view)
        wire.now += 1
    task = await start(body, view)
    assert wire.due == [wire.now + IDLE]
    arrive(body, bytes(KiB))
    await task


async def test_room_for_nothing_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="room for at least one byte"):
        await known(Wire(), 5).read_into(memoryview(b""))


async def test_a_body_that_is_all_here_can_be_taken_as_it_lies() -> None:
    wire = Wire(b"hello")
    body = known(wire, 5)
    assert body.take_at_once(4) is None
    taken = body.take_at_once(5)
    assert taken is not None
    wire.pending += b"GET /"  # what comes next is not in it
    assert bytes(taken) == b"hello"
    assert (body.complete, body.left, body.size) == (True, 0, 5)
    assert bytes(wire.pending) == b"GET /"
    assert body.take_at_once(5) is None


async def test_a_body_that_is_not_all_here_or_is_being_read_is_not_taken() -> None:
    assert known(Wire(b"hell"), 5).take_at_once(5) is None
    assert chunked(Wire(b"5\r\nhello\r\n0\r\n\r\n")).take_at_once(5) is None
    assert known(Wire(), 0).take_at_once(0) is None
    wire = Wire()
    body = known(wire, 5)
    task = await start(body, memoryview(bytearray(5)))
    wire.pending += b"hello"
    assert body.take_at_once(5) is None
    wire.pending.clear()
    arrive(body, b"hello")
    assert await task == 5


async def test_two_readers_at_once_are_a_mistake_too() -> None:
    body = known(Wire(), 5)
    task = await start(body, memoryview(bytearray(5)))
    with pytest.raises(RuntimeError, match="already being read"):
        await body.read_into(memoryview(bytearray(5)))
    arrive(body, b"hello")
    assert await task == 5


@pytest.mark.parametrize("make", [lambda wire: known(wire, 5), chunked], ids=["known", "chunked"])
async def test_the_first_failure_stays_for_who_waits_and_who_comes_later(make: object) -> None:
    assert callable(make)
    body = make(Wire())
    task = await start(body, memoryview(bytearray(5)))
    body.expire()
    body.fail(ClientGone, "gone")
    assert not body.wanted
    with pytest.raises(RequestTimeout):
        await task
    assert body.broken
    with pytest.raises(RequestTimeout):
        await body.read_into(memoryview(bytearray(5)))


async def test_bytes_that_had_come_before_the_client_left_are_still_read() -> None:
    wire = Wire(b"hel")
    body = known(wire, 5)
    body.fail(ClientGone, "gone")
    view = memoryview(bytearray(5))
    assert await body.read_into(view) == 3
    with pytest.raises(ClientGone):
        await body.read_into(view)
    late = chunked(Wire(b"5\r\nhello\r\n"))
    late.fail(ClientGone, "gone")
    assert await late.read_into(view) == 5
    with pytest.raises(ClientGone):
        await late.read_into(view)


async def test_a_read_that_is_given_up_leaves_the_body_readable() -> None:
    wire = Wire()
    body = known(wire, 5)
    task = await start(body, memoryview(bytearray(5)))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not body.wanted
    assert wire.rests == 1
    task = await start(body, memoryview(bytearray(5)))
    arrive(body, b"hello")
    assert await task == 5


async def test_bytes_that_meet_a_read_given_up_in_the_same_turn_are_counted() -> None:
    body = known(Wire(), 5)
    task = await start(body, memoryview(bytearray(5)))
    waiter = body._waiter
    assert waiter is not None
    waiter.cancel()
    arrive(body, b"hel")
    assert body.left == 2
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_only_time_in_which_nobody_reads_counts_as_our_pause() -> None:
    wire = Wire()
    body = known(wire, 10)
    wire.now += 3
    task = await start(body, memoryview(bytearray(5)))
    wire.now += 50  # the client's time
    arrive(body, b"hello")
    assert await task == 5
    wire.now += 4
    task = await start(body, memoryview(bytearray(5)))
    arrive(body, b"world")
    await task
    assert body.paused_seconds == 7


async def test_pieces_for_receive_are_no_longer_than_the_body() -> None:
    wire = Wire(b"x" * 100)
    body = known(wire, 100)
    assert await body.read() == b"x" * 100
    assert await body.read() == b""
    empty = known(Wire(), 0)
    assert empty.complete
    assert await empty.read() == b""
    assert 256 * KiB == PIECE


def test_skipped_bytes_are_not_read_bytes() -> None:
    body = known(Wire(), 10)
    body.skip(10)
    assert (body.complete, body.size) == (True, 0)


# --- chunked ---------------------------------------------------------------------------------


async def test_bytes_of_chunks_go_into_place_and_framing_goes() -> None:
    wire = Wire(b"186a5\r\n")
    body = chunked(wire)
    memory = bytearray(200_000)
    task = await start(body, memoryview(memory))
    assert body.buffer().obj is memory
    assert len(body.buffer()) == len(memory)
    arrive(body, b"a" * 100_000)
    assert body.left is None
    assert not task.done()
    assert body.buffer().obj is memory
    arrive(body, b"b" * 5 + b"\r\n4;x\r\ncd" + b"ef\r\n0\r\n\r\nGET")
    assert await task == 100_009
    assert memory[:100_009] == b"a" * 100_000 + b"bbbbbcdef"
    assert await body.read_into(memoryview(memory)) == 0
    assert body.left == 0
    assert wire.pending == b"GET"


async def test_chunks_gather_until_the_view_is_full_or_somebody_wants_what_is_there() -> None:
    body = chunked(Wire())
    memory = bytearray(8)
    task = await start(body, memoryview(memory))
    arrive(body, b"3\r\nabc\r\n")
    await asyncio.sleep(0)
    assert not task.done()
    arrive(body, b"3\r\ndef\r\n3\r\nghi\r\n")
    assert await task == 8
    assert memory == b"abcdefgh"
    some = asyncio.create_task(body.read_some(memoryview(memory)))
    assert await some == 1
    some = asyncio.create_task(body.read_some(memoryview(memory)))
    await asyncio.sleep(0)
    arrive(body, b"2\r\njk\r\n")
    assert await some == 2


async def test_a_small_view_does_not_mean_small_reads() -> None:
    wire = Wire()
    body = chunked(wire)
    task = await start(body, memoryview(bytearray(1)))
    assert body.buffer().obj is wire.scratch.obj
    assert len(body.buffer()) == CHUNKED_READ
    arrive(body, b"3\r\nabc\r\n0\r\n\r\n")
    assert await task == 1
    assert wire.pending == b"bc\r\n0\r\n\r\n"


async def test_framing_without_data_is_progress_and_waits_on() -> None:
    wire = Wire()
    body = chunked(wire)
    task = await start(body, memoryview(bytearray(5)))
    wire.now += 1
    arrive(body, b"5;name=value")
    assert body.wanted
    assert wire.due == [110.0, 110.0]  # one window of patience, counted from its start
    arrive(body, b"\r\nhello")
    assert await task == 5


@pytest.mark.parametrize("pending", [b"", b"oops\r\n"], ids=["on_the_wire", "with_the_head"])
async def test_case_33_malformed_framing_breaks_the_body(pending: bytes) -> None:
    body = chunked(Wire(pending))
    task = await start(body, memoryview(bytearray(9)))
    if not pending:
        arrive(body, b"oops\r\n")
    with pytest.raises(BadRequest):
        await task
    assert body.broken
    with pytest.raises(BadRequest):
        await body.read_into(memoryview(bytearray(9)))


async def test_trailers_are_there_at_the_end_and_not_before() -> None:
    body = chunked(Wire(b"2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n"))
    view = memoryview(bytearray(9))
    assert await body.read_into(view) == 2
    assert not body.complete or body.trailers
    assert await body.read_into(view) == 0
    assert body.trailers == ((b"x-sum", b"1"),)


def _cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    marks = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:stop] for start, stop in pairwise(marks)]


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=40), max_size=6),
    places=st.lists(st.integers(0, 400), max_size=8),
    room=st.integers(1, 50),
)
def test_however_it_is_cut_and_read_the_body_is_the_same(
    chunks: list[bytes], places: list[int], room: int
) -> None:
    wire_bytes = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    wire_bytes += b"0\r\n\r\n"

    async def read() -> bytes:
        wire = Wire()
        body = chunked(wire)
        pieces = _cut(wire_bytes + b"NEXT", places)
        got, view = b"", memoryview(bytearray(room))
        while True:
            task = await start(body, view)
            while body.wanted and pieces:
                piece = pieces.pop(0)
                fits = len(body.buffer())
                pieces[:0] = [piece[fits:]] if len(piece) > fits else []
                arrive(body, piece[:fits])
            size = await task
            if not size:
                rest = bytes(wire.pending) + b"".join(pieces)
                assert rest == b"NEXT"
                return got
            got += bytes(view[:size])

    assert asyncio.run(read()) == b"".join(chunks)


@pytest.mark.parametrize("kind", [ClientGone, RequestTimeout, BadRequest])
async def test_what_a_reader_is_told_is_the_reason_itself(kind: type[GatewayError]) -> None:
    body = known(Wire(), 5)
    body.fail(kind, "the reason")
    with pytest.raises(kind, match=re.escape("the reason")):
        await body.read_into(memoryview(bytearray(1)))
