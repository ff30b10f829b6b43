"""The transport's half of a connection, over a transport that does as it is told."""

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from gateway.drain import Drain
from gateway.server import census
from gateway.server.exchange import Receive, Scope, Send
from gateway.server.http_protocol import Front, FrontFactory
from gateway.server.refusals import render_refusal
from gateway.server.rules import Rules
from tests.server.lab import Client, answer

RULES = Rules(linger=0.02, probe=0.02, header_timeout=5)
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Transport(asyncio.Transport):
    """A transport that writes down what is asked of it."""

    def __init__(self, sock: socket.socket, **extra: Any) -> None:
        super().__init__({"socket": sock, **extra})
        self.sent = b""
        self.asked: list[str] = []
        self.held = 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Backpressure is test_outlet's."""

    def get_write_buffer_size(self) -> int:
        return self.held

    def write(self, data: Any) -> None:
        self.sent += bytes(data)

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.sent += b"".join(map(bytes, list_of_data))

    def is_closing(self) -> bool:
        return "close" in self.asked

    def __getattribute__(self, name: str) -> Any:
        if name in ("close", "abort", "write_eof", "pause_reading", "resume_reading"):
            return lambda: self.asked.append(name)
        return super().__getattribute__(name)


class Bench:
    """A front, made as uvicorn makes it."""

    def __init__(self, sock: socket.socket, rules: Rules = RULES, **extra: Any) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            self.calls += 1
            await self.go.wait()
            await answer(send, 200, b"ok")

        self.calls = 0
        self.go = asyncio.Event()
        self.state = ServerState()
        self.factory = FrontFactory(rules, Drain(), render_refusal)
        config = uvicorn.Config(app, interface="asgi3", log_config=None)
        config.load()
        self.front: Front = self.factory(config, self.state, {})
        names = {"peername": ("192.0.2.7", 5000), "sockname": ("192.0.2.1", 80)}
        self.transport = Transport(sock, **{**names, **extra})
        self.front.connection_made(self.transport)

    def say(self, data: bytes) -> None:
        self.front.get_buffer(-1)[: len(data)] = data
        self.front.buffer_updated(len(data))

    def lose(self) -> None:
        self.front.connection_lost(None)

    async def asked(self, what: str) -> bool:
        """Whether the transport is asked for something in time."""
        for _ in range(200):
            if what in self.transport.asked:
                return True
            await asyncio.sleep(0.005)
        return False


async def test_a_connection_is_known_from_its_start_to_its_end(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    bench = Bench(pair[0])
    assert bench.state.connections == {bench.front}
    assert bench.front.client == ("192.0.2.7", 5000)
    assert bench.front.server == ("192.0.2.1", 80)
    assert bench.factory.census.total == 1
    bench.lose()
    assert bench.state.connections == set()
    assert bench.factory.census.total == 0


@pytest.mark.parametrize("name", ["", "/run/socket", None])
async def test_a_peer_without_an_address_is_nobody_in_particular(
    pair: tuple[socket.socket, socket.socket], name: object
) -> None:
    bench = Bench(pair[0], peername=name, sockname=name)
    assert (bench.front.client, bench.front.server) == (None, None)
    bench.lose()
    assert bench.factory.census.total == 0


async def test_case_56_one_connection_too_many_is_answered_and_lingers(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    bench = Bench(pair[0], replace(RULES, max_connections=0))
    assert bench.transport.sent.startswith(b"HTTP/1.1 503 ")
    bench.say(GET)  # read, and not answered
    assert bench.calls == 0
    assert bench.transport.asked == ["write_eof"]
    assert await bench.asked("close")
    bench.lose()


async def test_case_56_of_too_many_that_are_too_many_nothing_is_said(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(census, "TOLD", 0)
    bench = Bench(pair[0], replace(RULES, max_connections=0))
    assert (bench.transport.sent, bench.transport.asked) == (b"", ["abort"])
    bench.lose()
    assert bench.state.connections == set()


async def test_a_request_is_a_task_that_the_server_knows(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    bench = Bench(pair[0])
    bench.say(GET)
    (task,) = bench.state.tasks
    bench.go.set()
    await task
    assert bench.transport.sent.endswith(b"\r\n\r\nok")
    await asyncio.sleep(0)
    assert bench.state.tasks == set()
    bench.lose()


async def test_nothing_is_read_that_has_no_place(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    bench = Bench(pair[0])
    bench.say(GET + GET)
    assert bench.transport.asked == ["pause_reading"]
    bench.go.set()
    assert await bench.asked("resume_reading")
    bench.lose()


async def test_what_has_gathered_in_the_socket_can_be_taken_at_once(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    pair[0].setblocking(False)
    bench = Bench(pair[0])
    view = memoryview(bytearray(8))
    assert bench.front.grab(view) == 0
    pair[1].sendall(b"hello")
    assert bench.front.grab(view[:3]) == 3
    assert bench.front.grab(view[3:]) == 2
    assert bytes(view[:5]) == b"hello"
    pair[1].close()
    assert bench.front.grab(view) == 0  # the transport will say that this is the end
    bench.lose()


@pytest.mark.parametrize("state", ["tls", "closing", "lost"])
async def test_nothing_is_taken_past_a_transport_that_has_its_own_way(
    pair: tuple[socket.socket, socket.socket], state: str
) -> None:
    pair[0].setblocking(False)
    bench = Bench(pair[0], sslcontext=object() if state == "tls" else None)
    pair[1].sendall(b"hello")
    if state == "closing":
        bench.front.shutdown()
    elif state == "lost":
        bench.lose()
    assert bench.front.grab(memoryview(bytearray(8))) == 0
    if state != "lost":
        bench.lose()


async def test_a_paused_client_that_vanished_is_noticed(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    bench = Bench(pair[0])
    bench.say(GET + GET)
    Client(pair[1]).reset()
    assert await bench.asked("abort")
    bench.lose()


async def test_a_client_that_takes_nothing_is_cut_off(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    bench = Bench(pair[0], replace(RULES, body_idle_timeout=0.05))
    bench.say(GET)
    bench.transport.held = 1000
    assert await bench.asked("abort")
    bench.lose()


async def test_tls_lingers_without_a_half_close(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    bench = Bench(pair[0], sslcontext=object())
    bench.say(b"nonsense\r\n\r\n")
    assert bench.transport.sent.startswith(b"HTTP/1.1 400 ")
    assert bench.transport.asked == []
    assert await bench.asked("close")
    bench.lose()


async def test_a_close_that_nothing_holds_up_and_does_not_come_is_forced(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """uvloop's TLS waits for the client's goodbye as long as it likes."""
    bench = Bench(pair[0])
    bench.front.shutdown()
    assert bench.transport.asked == ["close"]
    assert await bench.asked("abort")
    bench.lose()


async def test_bytes_still_to_be_sent_hold_a_close_up(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    bench = Bench(pair[0])
    bench.transport.held = 1
    bench.front.shutdown()
    await asyncio.sleep(0.06)
    assert bench.transport.asked == ["close"]
    bench.lose()


async def test_a_lost_connection_asks_nothing_more_of_its_transport(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    bench = Bench(pair[0])
    bench.say(GET + GET)
    bench.lose()
    asked = list(bench.transport.asked)
    bench.front.linger()
    bench.front.close()
    bench.front.update_reading()
    bench.go.set()
    await asyncio.sleep(0.05)
    assert bench.transport.asked == asked
    assert bench.transport.sent == b""
    assert bench.calls == 1


async def test_the_end_of_the_clients_bytes_is_the_end_of_the_client(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    for said in (b"", GET[:9], b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhello"):
        bench = Bench(pair[0])
        bench.say(said)
        assert bench.front.eof_received() is False
        assert bench.front.outlet.gone
        bench.lose()


async def test_a_client_whose_request_is_here_is_answered_after_its_bytes_ended(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    bench = Bench(pair[0])
    bench.say(GET)
    assert bench.front.eof_received() is True
    bench.go.set()
    assert await bench.asked("close")
    assert bench.transport.sent.startswith(b"HTTP/1.1 200")
    assert b"\r\nconnection: close\r\n" in bench.transport.sent
    bench.lose()


async def test_over_tls_the_end_of_the_clients_bytes_is_its_end_whatever_is_here(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    bench = Bench(pair[0], sslcontext=object())
    bench.say(GET)
    assert bench.front.eof_received() is False
    assert bench.front.outlet.gone
    bench.lose()


async def test_who_is_reset_after_his_bytes_ended_is_noticed(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    bench = Bench(pair[0])
    bench.say(GET)
    assert bench.front.eof_received() is True
    await asyncio.sleep(0.05)  # looks that find nothing
    assert "abort" not in bench.transport.asked
    pair[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    pair[1].close()
    assert await bench.asked("abort")
    bench.lose()


async def test_an_abort_is_one_at_once(pair: tuple[socket.socket, socket.socket]) -> None:
    bench = Bench(pair[0])
    bench.front.abort()
    assert bench.transport.asked == ["abort"]
    bench.lose()


async def test_a_head_that_never_comes_ends_the_connection(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    bench = Bench(pair[0], replace(RULES, header_timeout=0.02))
    assert await bench.asked("close")
    assert bench.transport.sent == b""
    bench.lose()


async def test_writing_pauses_and_resumes_with_the_transport(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    bench = Bench(pair[0])
    bench.front.pause_writing()
    waiting = asyncio.get_running_loop().create_task(bench.front.outlet.flushed(0))
    await asyncio.sleep(0)
    assert not waiting.done()
    bench.front.resume_writing()
    await waiting
    bench.lose()
