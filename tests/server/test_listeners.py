"""Sockets to listen on."""

import asyncio
import os
import socket

import pytest
import uvloop

from gateway.server.listeners import ListenError, Listeners, open_listeners
from gateway.settings.sections import ServerSection


def test_port_zero_is_announced_as_the_port_that_was_chosen() -> None:
    listeners = open_listeners(ServerSection(port=0))
    port = listeners.main.getsockname()[1]
    assert listeners.url == f"http://127.0.0.1:{port}"
    socket.create_connection(("127.0.0.1", port)).close()
    listeners.close()


def test_copies_in_another_process_leave_the_shared_socket_as_it_is() -> None:
    """Whether calls block is a property of what all processes share: else a worker that starts makes one that runs
    hang in accept()."""
    ours = open_listeners(ServerSection(port=0))
    theirs = Listeners(socket.socket(fileno=os.dup(ours.main.fileno())), None, tls=False)
    assert theirs.main.gettimeout() is None  # as after its way to another process

    copies = theirs.acceptors()

    assert not os.get_blocking(ours.main.fileno())
    assert [os.get_blocking(copy.fileno()) for copy in copies] == [False] * len(copies)
    for copy in copies:
        copy.close()
    ours.close()


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_ipv6_addresses_are_bracketed() -> None:
    listeners = open_listeners(ServerSection(host="::1", port=0, metrics_listen="[::1]:0"))
    assert listeners.url.startswith("http://[::1]:")
    assert listeners.metrics is not None
    listeners.close()


@pytest.mark.parametrize("address", ["9100", "localhost:", "localhost:http", "localhost:70000"])
def test_a_metrics_address_that_is_none_is_explained(address: str) -> None:
    with pytest.raises(ListenError, match="write host:port"):
        open_listeners(ServerSection(port=0, metrics_listen=address))


def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(ListenError, match="cannot listen on 192.0.2.1"):
        open_listeners(ServerSection(host="192.0.2.1", port=0))


def test_several_connections_are_accepted_in_one_turn_of_the_event_loop() -> None:
    """libuv accepts one per listening socket: else thousands of busy connections keep new clients waiting."""
    listeners = open_listeners(ServerSection(port=0))
    acceptors = listeners.acceptors()
    clients = [socket.create_connection(listeners.main.getsockname()) for _ in range(24)]
    turns: list[int] = []

    async def accept() -> int:
        loop, turn = asyncio.get_running_loop(), 0

        class Counted(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                turns.append(turn)
                transport.close()

        servers = [await loop.create_server(Counted, sock=acceptor) for acceptor in acceptors]
        while len(turns) < len(clients) and turn < 100:
            turn += 1
            await asyncio.sleep(0)
        for server in servers:
            server.close()
        return turn

    turn = uvloop.run(accept())
    for client in clients:
        client.close()
    listeners.close()
    assert len(turns) == 24
    assert turn < 12


def test_a_taken_metrics_port_names_its_own_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ListenError, match="choose another with server.metrics_listen"):
            open_listeners(ServerSection(port=0, metrics_listen=address))
