"""One request as an application sees it, without a socket."""

import asyncio
import logging
from typing import Any

import pytest

from gateway.errors import ClientGone, GatewayError, Overloaded
from gateway.protocol.commands import RequestHead, ResponseHead
from gateway.server.body import ChunkedBody, RequestBody
from gateway.server.deadlines import Pace
from gateway.server.exchange import AsgiApp, Exchange, Receive, Scope, Send
from gateway.server.head import Head, parse_head
from gateway.server.refusals import render_refusal
from tests.server.test_body import Wire, arrive

GET = b"GET /a%2Fb%20c?d=%65 HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n"
PUT = b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}


class Line:
    """A connection and its outlet in one; ``sent`` is what reached the client."""

    def __init__(self) -> None:
        self.scheme = "https"
        self.client: tuple[str, int] | None = ("192.0.2.7", 5000)
        self.server: tuple[str, int] | None = ("192.0.2.1", 443)
        self.state: dict[str, Any] = {"shared": 1}
        self.outlet = self
        self.piece = 0
        self.gone = False
        self.held = 0
        self.sent = b""
        self.cuts = 0
        self.rendered: list[tuple[RequestHead, GatewayError]] = []
        self.deaf = False

    def write(self, *pieces: bytes | memoryview) -> None:
        self.sent += b"".join(map(bytes, pieces))

    async def flushed(self, backlog: int) -> None:
        if self.deaf:
            raise ClientGone("The client closed the connection.")

    def keeps_alive(self) -> bool:
        return True

    def responded(self) -> None:
        self.sent += b"<over>"

    def default_lines(self) -> bytes:
        return b"date: now\r\n"

    def render(self, head: RequestHead, error: GatewayError) -> ResponseHead:
        self.rendered.append((head, error))
        return render_refusal(head, error)

    def cut(self) -> None:
        self.cuts += 1


def exchange(data: bytes = GET, body: bytes = b"") -> tuple[Exchange, Line, Wire]:
    line, wire = Line(), Wire(body)
    head: Head = parse_head(data)
    pace = Pace(10, 1)
    pulled = ChunkedBody(wire, pace) if head.chunked else RequestBody(wire, head.length, pace)
    return Exchange(line, head, pulled), line, wire  # type: ignore[arg-type]


async def run(app: AsgiApp, data: bytes = GET) -> Line:
    one, line, _ = exchange(data)
    await one.run(app)
    return line


def test_the_scope_is_what_asgi_asks_for() -> None:
    one, line, _ = exchange()
    scope = one.scope()
    assert (scope["type"], scope["method"], scope["scheme"]) == ("http", "GET", "https")
    assert (scope["path"], scope["raw_path"]) == ("/a/b c", b"/a%2Fb%20c")
    assert scope["query_string"] == b"d=%65"
    assert scope["headers"] == [(b"host", b"x"), (b"a", b"b")]
    assert (scope["client"], scope["server"]) == (line.client, line.server)
    scope["state"]["own"] = 2
    assert line.state == {"shared": 1}  # a request's additions are its own


async def test_receive_gives_the_body_then_waits_for_the_end() -> None:
    one, _, _ = exchange(PUT, b"hello")
    assert await one.receive() == {"type": "http.request", "body": b"hello", "more_body": False}
    waiting = asyncio.get_running_loop().create_task(one.receive())
    await asyncio.sleep(0)
    assert not waiting.done()
    one.end()
    assert await waiting == {"type": "http.disconnect"}
    assert await one.receive() == {"type": "http.disconnect"}


async def test_receive_says_when_more_is_to_come() -> None:
    one, _, wire = exchange(CHUNKED, b"2\r\nhi\r\n")
    first = await one.receive()
    assert (first["body"], first["more_body"]) == (b"hi", True)
    wire.pending += b"0\r\n\r\n"
    assert await one.receive() == {"type": "http.request", "body": b"", "more_body": False}


async def test_a_request_without_a_body_has_one_empty_piece() -> None:
    one, _, _ = exchange()
    assert await one.receive() == {"type": "http.request", "body": b"", "more_body": False}


async def test_after_the_extension_receive_has_nothing_to_give() -> None:
    one, _, _ = exchange(PUT, b"hello")
    await one.body.read_into(memoryview(bytearray(5)))
    one.end()
    assert await one.receive() == {"type": "http.disconnect"}


async def test_a_client_that_leaves_in_the_body_is_a_disconnect() -> None:
    one, _, _ = exchange(PUT)
    waiting = asyncio.get_running_loop().create_task(one.receive())
    await asyncio.sleep(0)
    one.end()
    assert await waiting == {"type": "http.disconnect"}


async def test_who_waits_for_a_client_that_says_no_more_is_told_that_it_left() -> None:
    one, _, _ = exchange(PUT, b"hello")
    one.hear_out()
    assert (await one.receive())["body"] == b"hello"  # what is here still counts
    assert await one.receive() == {"type": "http.disconnect"}
    other, _, _ = exchange(PUT, b"hello")
    await other.receive()
    waiting = asyncio.get_running_loop().create_task(other.receive())
    await asyncio.sleep(0)
    other.hear_out()
    assert await waiting == {"type": "http.disconnect"}


async def test_a_piece_on_the_wire_is_received_as_it_comes() -> None:
    one, _, _ = exchange(PUT)
    waiting = asyncio.get_running_loop().create_task(one.receive())
    await asyncio.sleep(0)
    arrive(one.body, b"hel")
    assert (await waiting)["body"] == b"hel"


async def test_send_adds_the_date_and_counts_no_word_after_the_client_left() -> None:
    one, line, _ = exchange()
    await one.send(START)
    await one.send({"type": "http.response.body", "body": b"o", "more_body": True})
    line.gone = True
    await one.send({"type": "http.response.body", "body": b"k"})
    assert line.sent == b"HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 2\r\n\r\no"
    assert not one.response.complete


async def test_a_client_that_left_before_the_head_is_no_bug_of_the_application(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        line.gone = True
        await send(START)
        try:
            await scope["extensions"]["sluice.writer"].write(memoryview(b"ok"))
        except ClientGone as error:
            met.append(error)
            raise

    met: list[ClientGone] = []
    one, line, _ = exchange()
    await one.run(app)
    assert len(met) == 1
    assert (line.sent, line.cuts, caplog.records) == (b"", 1, [])


async def test_send_is_silent_when_the_client_leaves_while_it_waits() -> None:
    one, line, _ = exchange()
    line.deaf = True
    await one.send(START)
    await one.send({"type": "http.response.body", "body": b"o", "more_body": True})
    assert not one.response.complete


async def test_an_unknown_message_is_a_bug_and_answered_as_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.trailers"})

    with caplog.at_level(logging.ERROR, "gateway.server"):
        line = await run(app)
    assert line.sent.startswith(b"HTTP/1.1 500 ")
    assert b"trailers" not in line.sent
    record = caplog.records[0]
    assert record.exc_info is not None
    assert "http.response.trailers" in str(record.exc_info[1])


async def test_an_error_of_the_tree_is_worded_for_the_request_it_belongs_to() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise Overloaded("Full.", retry_after=7)

    line = await run(app)
    assert line.sent.startswith(b"HTTP/1.1 503 ")
    (head, error), *more = line.rendered
    assert (head.raw_path, head.raw_query, head.scheme) == (b"/a%2Fb%20c", b"d=%65", "https")
    assert head.peer == "192.0.2.7"
    assert (error.retry_after, more) == (7, [])


async def test_an_error_over_a_unix_socket_has_no_peer() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise Overloaded("Full.")

    one, line, _ = exchange()
    line.client = None
    await one.run(app)
    assert line.rendered[0][0].peer is None


async def test_an_error_after_the_end_changes_nothing() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"ok"})
        raise Overloaded("too late")

    line = await run(app)
    assert line.sent.endswith(b"\r\n\r\nok<over>")
    assert (line.cuts, line.rendered) == (0, [])


async def test_an_error_in_the_middle_cuts_the_connection() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"o", "more_body": True})
        raise Overloaded("too late")

    line = await run(app)
    assert line.sent.endswith(b"\r\n\r\no")
    assert (line.cuts, line.rendered) == (1, [])


async def test_a_client_that_is_gone_is_nobodys_bug(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ClientGone("left")

    line = await run(app)
    assert (line.cuts, line.sent) == (1, b"")
    assert caplog.records == []


async def test_a_return_without_an_answer_matters_only_to_a_client_that_is_there() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        """Answers nothing."""

    assert (await run(app)).sent.startswith(b"HTTP/1.1 500 ")
    one, line, _ = exchange()
    line.gone = True
    await one.run(app)
    assert (line.sent, line.cuts) == (b"", 0)


async def test_a_cancelled_exchange_cuts_its_connection() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(60)

    one, line, _ = exchange()
    task = asyncio.get_running_loop().create_task(one.run(app))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert line.cuts == 1
