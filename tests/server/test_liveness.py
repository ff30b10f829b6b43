"""What the kernel tells of a peer that nobody reads from."""

import socket
import struct
import sys
import time
from collections.abc import Callable

import pytest

from gateway.server.liveness import TLS_SLACK, is_gone, keep_watch, unsent

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux's kernel")


def soon(fact: Callable[[], bool]) -> bool:
    until = time.monotonic() + 2
    while not fact() and time.monotonic() < until:
        time.sleep(0.002)
    return fact()


def test_a_silent_client_is_not_gone(pair: tuple[socket.socket, socket.socket]) -> None:
    assert not is_gone(pair[0].fileno(), 100, tls=False)
    assert not is_gone(pair[0].fileno(), None, tls=False)


@pytest.mark.parametrize("left", [0, 5, None])
def test_a_reset_is_an_end_whatever_is_missing(
    pair: tuple[socket.socket, socket.socket], left: int | None
) -> None:
    ours, client = pair
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert soon(lambda: is_gone(ours.fileno(), left, tls=False))


def test_a_fin_is_an_end_only_when_bytes_are_missing(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, client = pair
    client.sendall(b"x" * 10)
    client.shutdown(socket.SHUT_WR)
    assert soon(lambda: is_gone(ours.fileno(), 11, tls=False))
    assert not is_gone(ours.fileno(), 10, tls=False)  # all of it is in the socket
    assert not is_gone(ours.fileno(), None, tls=False)  # nobody knows what is missing


def test_tls_may_hold_bytes_that_the_socket_no_longer_shows(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, client = pair
    client.shutdown(socket.SHUT_WR)
    assert soon(lambda: is_gone(ours.fileno(), TLS_SLACK + 1, tls=True))
    assert not is_gone(ours.fileno(), TLS_SLACK, tls=True)


def test_a_descriptor_that_was_closed_is_gone_and_holds_nothing() -> None:
    one, other = socket.socketpair()
    fd = one.fileno()
    one.close()
    other.close()
    assert is_gone(fd, 5, tls=False)
    assert unsent(fd) == 0


def test_bytes_the_client_does_not_take_are_counted(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, _ = pair
    assert unsent(ours.fileno()) == 0
    ours.setblocking(False)
    sent = 0
    try:
        while True:
            sent += ours.send(b"x" * 65536)
    except BlockingIOError:
        assert 0 < unsent(ours.fileno()) <= sent


def test_the_kernel_asks_after_silent_hosts(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, _ = pair
    keep_watch(ours)
    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    first, step, count = (
        ours.getsockopt(socket.IPPROTO_TCP, option)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    )
    assert first + step * count <= 120


def test_elsewhere_the_systems_own_intervals_hold(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, _ = pair
    usual = ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
    monkeypatch.setattr("gateway.server.liveness.sys.platform", "darwin")
    keep_watch(ours)
    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == usual
