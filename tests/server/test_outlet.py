"""Backpressure of one connection, over a transport that does as it is told."""

import asyncio
import socket
from collections.abc import Iterable
from typing import Any

import pytest

from gateway.errors import ClientGone
from gateway.server.outlet import BURST, TLS_BACKLOG, Outlet


class Transport(asyncio.Transport):
    """Keeps what it is given and how; ``held`` is its write buffer."""

    def __init__(self, sock: socket.socket, *, tls: bool = False) -> None:
        super().__init__({"socket": sock, "sslcontext": object() if tls else None})
        self.writes: list[bytes] = []
        self.limits: int | None = None
        self.held = 0
        self.aborted = False
        self.closing = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.limits = high

    def get_write_buffer_size(self) -> int:
        return self.held

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.writes.append(b"|".join(map(bytes, list_of_data)))

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.aborted = True


@pytest.fixture
def transport(pair: tuple[socket.socket, socket.socket]) -> Transport:
    return Transport(pair[0])


def outlet(transport: Transport) -> Outlet:
    return Outlet(transport, asyncio.get_running_loop())


async def test_trap_4_a_plain_transport_pauses_at_the_first_byte_it_holds(
    transport: Transport,
) -> None:
    one = outlet(transport)
    assert (transport.limits, one.piece, one.tls) == (0, 0, False)


async def test_a_tls_transport_has_a_backlog_and_small_pieces(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    transport = Transport(pair[0], tls=True)
    one = outlet(transport)
    assert (transport.limits, one.piece, one.tls) == (TLS_BACKLOG, TLS_BACKLOG, True)


async def test_pieces_leave_together(transport: Transport) -> None:
    one = outlet(transport)
    one.write(b"one")
    one.write(b"two", memoryview(b"three"))
    assert transport.writes == [b"one", b"two|three"]


async def test_what_is_written_to_who_left_is_dropped(transport: Transport) -> None:
    one = outlet(transport)
    transport.closing = True
    one.write(b"x")
    with pytest.raises(ClientGone):
        await one.flushed(0)
    assert one.gone  # known to all, before connection_lost() comes: a reset that a write met
    transport.closing = False
    one.leave()
    one.write(b"x")
    with pytest.raises(ClientGone):
        await one.flushed(0)
    assert transport.writes == []


async def test_a_writer_waits_until_the_transport_resumes(transport: Transport) -> None:
    one = outlet(transport)
    one.pause()
    waiting = asyncio.get_running_loop().create_task(one.flushed(0))
    await asyncio.sleep(0)
    assert not waiting.done()
    with pytest.raises(RuntimeError, match="already being written"):
        await one.flushed(0)
    one.resume()
    await waiting
    one.resume()  # once more hurts nobody


async def test_a_backlog_that_is_small_enough_is_not_waited_for(transport: Transport) -> None:
    one = outlet(transport)
    one.pause()
    transport.held = 10
    await one.flushed(10)


async def test_a_writer_that_waits_learns_that_the_client_left(transport: Transport) -> None:
    one = outlet(transport)
    one.pause()
    waiting = asyncio.get_running_loop().create_task(one.flushed(0))
    await asyncio.sleep(0)
    one.leave()
    one.leave()
    with pytest.raises(ClientGone):
        await waiting


async def test_a_wait_that_is_given_up_ends_the_connection(transport: Transport) -> None:
    """The transport points into a slab that somebody else will soon fill."""
    one = outlet(transport)
    one.pause()
    waiting = asyncio.get_running_loop().create_task(one.flushed(0))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert transport.aborted


async def test_a_client_that_takes_everything_still_lets_others_have_their_turn(
    transport: Transport,
) -> None:
    one = outlet(transport)
    turns: list[str] = []
    asyncio.get_running_loop().call_soon(turns.append, "another connection")
    one.write(bytes(BURST - 1))
    await one.flushed(0)
    assert turns == []
    one.write(b"x")
    await one.flushed(0)
    assert turns == ["another connection"]


async def test_only_a_writer_that_gets_rid_of_nothing_is_stalled(
    transport: Transport, pair: tuple[socket.socket, socket.socket]
) -> None:
    one = outlet(transport)
    assert not one.is_stalled(0.0, 5.0)
    transport.held = 100
    assert not one.is_stalled(1.0, 5.0)
    assert not one.is_stalled(5.9, 5.0)
    transport.held = 99
    assert not one.is_stalled(6.0, 5.0)  # a byte is progress
    assert one.is_stalled(11.0, 5.0)
    transport.held = 0
    assert not one.is_stalled(12.0, 5.0)
    transport.held = 99
    assert not one.is_stalled(13.0, 5.0)  # the old stall is forgotten
    del pair
