"""What is said on a connection, over a link that only takes notes."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from uvicorn.server import ServerState

from gateway.drain import Drain
from gateway.errors import BadRequest, ClientGone, Overloaded, RequestTimeout
from gateway.server import conversation
from gateway.server.conversation import HEAD_READ, Conversation
from gateway.server.exchange import AsgiApp, Exchange, Receive, Scope, Send
from gateway.server.head import Head
from gateway.server.link import Phase
from gateway.server.refusals import render_refusal
from gateway.server.rules import Rules
from gateway.server.shared import Shared
from gateway.units import KiB

RULES = Rules(header_timeout=10, keep_alive=75, discard=64 * KiB)
GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
PUT = b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
EXPECT = PUT[:-2] + b"Expect: 100-continue\r\n\r\n"
CHUNKED = b"PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


class Outlet:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.tls = False
        self.gone = False
        self.held = 0
        self.piece = 0
        self.sent = bytearray()

    def write(self, *pieces: bytes | memoryview) -> None:
        self.sent += b"".join(map(bytes, pieces))

    async def flushed(self, backlog: int) -> None:
        """Nothing is ever in the way."""

    def leave(self) -> None:
        self.gone = True

    def take(self) -> bytes:
        """What was written since the last call."""
        sent = bytes(self.sent)
        self.sent.clear()
        return sent


class Link:
    """A transport whose clock stands still; exchanges wait until the test ends them."""

    def __init__(self) -> None:
        self.client: tuple[str, int] | None = ("192.0.2.7", 5000)
        self.server: tuple[str, int] | None = ("192.0.2.1", 80)
        self.outlet = Outlet()
        self.now = 1000.0
        self.due: float | None = None
        self.started: list[Exchange] = []
        self.ends: list[str] = []
        self.gathered = b""

    def time(self) -> float:
        return self.now

    def expect(self, due: float | None) -> None:
        self.due = due

    def update_reading(self) -> None:
        """The test asks ``reads`` itself."""

    def grab(self, view: memoryview) -> int:
        view[: len(self.gathered)] = self.gathered
        return len(self.gathered)

    def start(self, exchange: Exchange, app: AsgiApp) -> None:
        self.started.append(exchange)

    def close(self) -> None:
        self.ends.append("closed")

    def linger(self) -> None:
        self.ends.append("lingers")


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    """Never called: the link starts nothing."""


class Talk:
    """A conversation, its link, and the client's part."""

    def __init__(self, rules: Rules = RULES) -> None:
        self.link = Link()
        self.drain = Drain()
        self.shared = Shared(rules, self.drain, render_refusal)
        self.state = ServerState()
        self.state.default_headers = [(b"date", b"now")]
        link: Any = self.link
        self.one = Conversation(self.shared, link, _app, {}, self.state)

    def say(self, data: bytes) -> None:
        """The transport receives; as much at a time as it is given room for."""
        while data:
            buffer = self.one.buffer()
            piece, data = data[: len(buffer)], data[len(buffer) :]
            buffer[: len(piece)] = piece
            self.one.received(len(piece))

    @property
    def exchange(self) -> Exchange:
        return self.link.started[-1]

    async def answer(self, status: int = 200, body: bytes = b"ok") -> bytes:
        """Complete the running exchange's response."""
        self.link.outlet.take()
        length = [(b"content-length", b"%d" % len(body))]
        self.exchange.response.start(status, length)
        await self.exchange.response.body(body, more=False)
        return self.link.outlet.take()


@pytest.fixture
def talk() -> Talk:
    return Talk()


async def test_a_body_takes_what_has_gathered_through_the_link(talk: Talk) -> None:
    talk.say(PUT)
    talk.link.gathered = b"0123"
    view = memoryview(bytearray(10))
    assert await talk.exchange.body.read_some(view) == 4
    assert bytes(view[:4]) == b"0123"


async def test_a_new_connection_has_the_time_of_a_head(talk: Talk) -> None:
    assert talk.link.due == talk.link.now + 10
    assert talk.one.reads
    assert len(talk.one.buffer()) == HEAD_READ
    talk.say(GET[:10])
    assert talk.link.due == 1010  # a byte buys no more
    talk.say(GET[10:])
    assert talk.link.due is None
    assert talk.one.phase is Phase.EXCHANGE


async def test_the_next_request_waits_for_the_response(talk: Talk) -> None:
    talk.say(GET + GET)
    assert len(talk.link.started) == 1
    assert not talk.one.reads  # more than the request is here: the socket may fill
    sent = await talk.answer()
    assert b"connection: close" not in sent
    assert len(talk.link.started) == 2
    assert talk.state.total_requests == 1


async def test_without_a_next_request_we_read_on_to_see_the_client_leave(talk: Talk) -> None:
    talk.say(GET)
    assert talk.one.reads
    talk.say(b"G")
    assert not talk.one.reads


async def test_an_unasked_body_is_held_up_to_its_head_read(talk: Talk) -> None:
    talk.say(PUT)
    assert not talk.one.reads  # nobody wants it yet
    assert talk.one.missing == 10
    talk.say(b"01234")
    assert talk.one.missing == 5


async def test_the_time_between_requests_is_another_than_within_a_head(talk: Talk) -> None:
    talk.say(GET)
    await talk.answer()
    assert talk.link.due == 1075
    talk.link.now = 1070
    talk.say(b"G")
    assert talk.link.due == 1080
    talk.link.now = 1075
    talk.say(b"E")
    assert talk.link.due == 1080  # dripping buys no more
    talk.one.expire()
    assert talk.link.outlet.take().startswith(b"HTTP/1.1 408 ")
    assert talk.link.ends == ["lingers"]


async def test_empty_lines_alone_are_no_request(talk: Talk) -> None:
    talk.say(b"\r\n\r\n")
    talk.one.expire()
    assert talk.link.outlet.take() == b""
    assert talk.link.ends == ["closed"]


async def test_case_53_silence_in_a_body_is_told_to_its_reader(talk: Talk) -> None:
    talk.say(PUT)
    reading = asyncio.get_running_loop().create_task(
        talk.exchange.body.read_into(memoryview(bytearray(10)))
    )
    await asyncio.sleep(0)
    assert talk.link.due == talk.link.now + RULES.body_idle_timeout
    talk.one.expire()
    with pytest.raises(RequestTimeout):
        await reading
    assert talk.link.due is None
    assert b"connection: close" in await talk.answer(408)


async def test_a_body_is_received_into_its_readers_view(talk: Talk) -> None:
    talk.say(PUT + b"01")
    memory = bytearray(20)
    body = talk.exchange.body
    assert await body.read_into(memoryview(memory)) == 2
    reading = asyncio.get_running_loop().create_task(body.read_into(memoryview(memory)))
    await asyncio.sleep(0)
    assert talk.one.buffer().obj is memory
    talk.say(b"23456789")
    assert await reading == 8
    assert b"connection" not in await talk.answer()


async def test_continue_is_said_once_and_only_to_who_waits(talk: Talk) -> None:
    talk.say(EXPECT)
    assert talk.link.outlet.take() == b""
    for _ in range(2):
        talk.one.invite()
    assert talk.link.outlet.take() == b"HTTP/1.1 100 Continue\r\n\r\n"
    other = Talk()
    other.say(EXPECT + b"0123456789")
    other.one.invite()
    assert other.link.outlet.take() == b""  # it did not wait


async def test_continue_is_not_said_after_the_answer_began(talk: Talk) -> None:
    talk.say(EXPECT)
    talk.exchange.response.start(403, [(b"content-length", b"0")])
    talk.one.invite()
    assert talk.link.outlet.take() == b""


async def test_case_34_after_a_refused_expectation_nothing_is_taken_for_a_request(
    talk: Talk,
) -> None:
    """Whether the body will come nobody knows: so the connection ends (RFC 9110, 10.1.1)."""
    talk.say(EXPECT)
    assert b"connection: close" in await talk.answer(403)
    assert talk.link.ends == ["lingers"]
    talk.say(GET)
    assert len(talk.link.started) == 1


async def test_case_34_a_small_unread_body_is_discarded_to_its_last_byte(talk: Talk) -> None:
    talk.say(PUT + b"012")
    await talk.answer(403)
    assert talk.one.phase is Phase.DISCARD
    assert talk.link.due == 1010
    assert len(talk.one.buffer()) == 7
    talk.say(b"345")
    talk.say(b"6789" + GET)
    assert len(talk.link.started) == 2


async def test_a_body_that_stops_while_it_is_discarded_ends_the_connection(talk: Talk) -> None:
    talk.say(PUT)
    await talk.answer(403)
    talk.one.expire()
    assert talk.link.ends == ["closed"]


@pytest.mark.parametrize(
    "head", [CHUNKED, PUT.replace(b"10", b"65537")], ids=["unknown", "too_much"]
)
async def test_case_34_an_unread_body_that_is_large_ends_the_connection(
    talk: Talk, head: bytes
) -> None:
    talk.say(head)
    assert b"connection: close" in await talk.answer(403)
    assert talk.link.ends == ["lingers"]
    assert talk.one.phase is Phase.OVER
    assert talk.one.reads
    talk.say(GET * 1000)
    assert talk.one.pending == b""


async def test_a_chunked_body_misses_an_unknown_number_of_bytes(talk: Talk) -> None:
    assert talk.one.missing == 0
    talk.say(CHUNKED)
    assert talk.one.missing is None


async def test_a_request_that_wants_no_other_ends_when_its_answer_is_out(talk: Talk) -> None:
    talk.say(GET.replace(b"Host", b"Connection: close\r\nHost"))
    assert b"connection: close" in await talk.answer()
    assert talk.link.ends == ["closed"]


@pytest.mark.parametrize("moment", ["before", "in_between"])
async def test_a_drain_ends_the_connection_with_the_response(talk: Talk, moment: str) -> None:
    talk.say(GET)
    if moment == "before":
        talk.drain.begin()
        assert b"connection: close" in await talk.answer()
    else:
        talk.exchange.response.start(200, [(b"content-length", b"2")])
        talk.drain.begin()
        await talk.exchange.response.body(b"ok", more=False)
    assert talk.link.ends == ["closed"]


async def test_a_shutdown_closes_who_is_idle_and_waits_for_who_is_not(talk: Talk) -> None:
    talk.say(GET)
    talk.one.shut()
    assert talk.link.ends == []
    talk.exchange.response.start(200, [(b"content-length", b"0")])
    talk.one.shut()
    await talk.exchange.response.body(b"", more=False)
    assert talk.link.ends == ["closed"]
    talk.one.shut()
    assert talk.link.ends == ["closed"]
    idle = Talk()
    idle.one.shut()
    assert idle.link.ends == ["closed"]
    refused = Talk()
    refused.one.refuse(Overloaded("Full."), None)
    refused.one.shut()  # it lingers already
    assert refused.link.ends == ["lingers"]


async def test_a_client_that_leaves_ends_the_reading_and_the_writing(talk: Talk) -> None:
    talk.say(PUT)
    reading = asyncio.get_running_loop().create_task(
        talk.exchange.body.read_into(memoryview(bytearray(10)))
    )
    await asyncio.sleep(0)
    talk.one.leave()
    with pytest.raises(ClientGone):
        await reading
    assert talk.link.outlet.gone
    await talk.answer()
    assert talk.link.ends == []  # the link knows already
    Talk().one.leave()


async def test_who_says_no_more_after_a_whole_request_is_answered_and_no_further(
    talk: Talk,
) -> None:
    assert not talk.one.hear_out()  # nothing was asked
    talk.say(PUT)
    assert not talk.one.hear_out()  # the body is not here
    talk.say(b"hellohello")
    assert talk.one.hear_out()
    assert not talk.link.outlet.gone
    await talk.answer()
    assert talk.link.ends == ["lingers"]  # nobody took the body
    assert not talk.one.hear_out()


async def test_who_says_no_more_while_he_is_being_answered_gets_all_of_it(talk: Talk) -> None:
    talk.say(GET)
    talk.exchange.response.start(200, [(b"content-length", b"2")])
    await talk.exchange.response.body(b"o", more=True)
    assert talk.one.hear_out()
    await talk.exchange.response.body(b"k", more=False)
    assert talk.link.ends == ["closed"]


async def test_a_response_cut_in_the_middle_closes(talk: Talk) -> None:
    talk.say(GET)
    talk.one.cut()
    assert talk.link.ends == ["closed"]
    await talk.answer()
    assert talk.link.ends == ["closed"]


async def test_a_refusal_knows_as_much_of_the_request_as_could_be_read() -> None:
    talk = Talk()
    talk.say(b"HEAD /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n")
    sent = talk.link.outlet.take()
    assert sent.startswith(b"HTTP/1.1 400 ")
    assert sent.endswith(b"\r\n\r\n")
    nobody = Talk()
    nobody.link.client = nobody.one.client = None
    nobody.say(b"\x16\x03\x01\r\n\r\n")
    assert b"problem+json" in nobody.link.outlet.take()
    nobody.say(GET)
    assert nobody.link.started == []


async def test_case_51_the_limit_holds_across_pieces() -> None:
    talk = Talk(replace(RULES, max_header=100, max_head=200))
    talk.say(b"GET / HTTP/1.1\r\nHost: x\r\n")
    for _ in range(30):
        if talk.link.ends:
            break
        talk.say(b"A: 1234567\r\n")
    assert talk.link.outlet.take().startswith(b"HTTP/1.1 431 ")


async def test_case_51_a_content_length_that_python_would_not_convert_is_refused(
    talk: Talk,
) -> None:
    talk.say(b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"0" * 5000 + b"\r\n\r\n")
    assert talk.link.outlet.take().startswith(b"HTTP/1.1 400 ")
    assert talk.link.ends == ["lingers"]


async def test_a_bug_in_reading_heads_is_answered_and_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(data: bytes) -> Head:
        raise ValueError("nobody thought of that")

    monkeypatch.setattr(conversation, "parse_head", broken)
    talk = Talk()
    for _ in range(3):
        link: Any = Link()
        one = Conversation(talk.shared, link, _app, {}, talk.state)
        one.buffer()[: len(GET)] = GET
        one.received(len(GET))
        assert link.outlet.take().startswith(b"HTTP/1.1 500 ")
        assert (link.ends, link.started) == (["lingers"], [])
    (record,) = caplog.records
    assert record.exc_info is not None


async def test_errors_are_worded_by_the_process(talk: Talk) -> None:
    talk.say(GET)
    head = talk.exchange.head.as_request("http", None)
    assert b"why" in talk.one.render(head, BadRequest("why")).body
    assert talk.one.default_lines() == b"date: now\r\n"
