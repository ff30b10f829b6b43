"""TLS connections before they are connections of HTTP."""

import asyncio
import contextlib
import errno
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from gateway.server import census, handshakes
from gateway.server.handshakes import TlsListener
from gateway.server.http_protocol import Front
from tests.server.lab import QUICK, Lab, eventually, running

NEXT = b"GET /index HTTP/1.1\r\nHost: x\r\n\r\n"


def silent(lab: Lab) -> socket.socket:
    """A connection to the TLS port that never speaks."""
    return socket.create_connection(("127.0.0.1", lab.port), timeout=5)


@contextlib.contextmanager
def silence(lab: Lab, count: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(silent(lab)) for _ in range(count)]


def ended(peer: socket.socket, within: float) -> bool:
    peer.settimeout(within)
    try:
        return peer.recv(1000) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def served(lab: Lab) -> bool:
    """Whether a client is served; False: it is told that the house is full."""
    with lab.client() as client:
        client.send(NEXT)
        return client.reply().status == 200


def test_case_53_a_handshake_has_the_time_of_a_head() -> None:
    with running(replace(QUICK, header_timeout=0.3), tls=True) as lab, silence(lab, 1) as (peer,):
        started = time.monotonic()
        assert ended(peer, within=3)
        assert 0.2 < time.monotonic() - started < 2


def test_case_53_a_handshake_that_drips_has_no_more_time() -> None:
    with running(replace(QUICK, header_timeout=0.4), tls=True) as lab, silence(lab, 1) as (peer,):
        started = time.monotonic()
        with contextlib.suppress(ConnectionError):
            for byte in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50):
                peer.sendall(bytes([byte]))
                time.sleep(0.05)
        assert ended(peer, within=1)
        assert time.monotonic() - started < 2


def test_case_56_connections_count_from_accept_on() -> None:
    with running(replace(QUICK, max_connections=2), tls=True) as lab:
        with silence(lab, 2):
            assert not served(lab)
        assert eventually(lambda: served(lab))


def test_case_56_a_flood_of_silence_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(census, "TOLD", 2)
    with running(replace(QUICK, max_connections=3), tls=True) as lab, silence(lab, 9) as peers:
        assert eventually(lambda: all(ended(peer, within=0.01) for peer in peers[5:]))
        assert not any(ended(peer, within=0.01) for peer in peers[:5])


def test_case_56_a_handshake_that_fails_leaves_its_place() -> None:
    with running(replace(QUICK, max_connections=1), tls=True) as lab:
        for words in (NEXT, b"\x16\x03\x01\x00\x05nonsense", b""):
            with silence(lab, 1) as (peer,):
                peer.sendall(words)
                if words:
                    assert ended(peer, within=2)
                else:
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            assert eventually(lambda: served(lab))


def test_a_server_that_ends_does_not_wait_for_handshakes() -> None:
    with running(replace(QUICK, header_timeout=60), tls=True) as lab:
        peer = silent(lab)
        assert served(lab)
        started = time.monotonic()
    assert time.monotonic() - started < 2
    with peer:
        assert ended(peer, within=1)


class Exhausted:
    """A listener of a process that has no more files, at first."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.refusals = 3

    def fileno(self) -> int:
        return self._listener.fileno()

    def accept(self) -> tuple[socket.socket, Any]:
        if self.refusals:
            self.refusals -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self._listener.accept()


async def test_without_files_accepting_pauses_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshakes, "_PAUSE", 0.02)
    accepted = asyncio.Event()

    class Door:
        def enter(self, address: str) -> bool:
            assert address == "127.0.0.1"
            accepted.set()
            return False

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        exhausted = Exhausted(listener)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server = TlsListener(
            cast("socket.socket", exhausted), context, lambda: cast("Front", Door())
        )
        with socket.create_connection(listener.getsockname()) as peer:
            await asyncio.wait_for(accepted.wait(), 5)
            assert ended(peer, within=1)
        assert exhausted.refusals == 0
        exhausted.refusals = 1
        with socket.create_connection(listener.getsockname()):
            async with asyncio.timeout(5):
                while exhausted.refusals:
                    await asyncio.sleep(0.001)
            server.close()  # while it pauses
            accepted.clear()
            await asyncio.sleep(0.05)
            assert not accepted.is_set()
