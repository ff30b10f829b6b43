"""A server with a flaw: Sluice behind a proxy that changes what it says, or what it is told."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

_PIECE = 256 * 1024
_HEAD = re.compile(rb"\A(?:[A-Z]+ [^\r]*|HTTP/1\.1 [^\r]*)\r\n(?:[^\r]+\r\n)*\r\n")


@dataclass(frozen=True)
class Flaw:
    """``pattern`` becomes ``into`` in heads: of answers, or of requests where ``asked``. Bodies pass as they are."""

    pattern: bytes
    into: bytes
    asked: bool = False

    def change(self, data: bytes) -> bytes:
        """The heads that ``data`` begins with, changed, and the rest."""
        changed = b""
        while (found := _HEAD.match(data)) is not None:
            changed += re.sub(self.pattern, self.into, found[0], flags=re.IGNORECASE | re.DOTALL)
            data = data[found.end() :]
        return changed + data


@contextmanager
def tampering(port: int, flaw: Flaw) -> Iterator[int]:
    """The port of a proxy before the server at ``port``, for the length of the block."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        accepting = threading.Thread(target=_accept, args=(listener, port, flaw, over))
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            accepting.join()


def _accept(listener: socket.socket, port: int, flaw: Flaw, over: threading.Event) -> None:
    relays = []
    while not over.is_set():
        with suppress(TimeoutError):
            client, _ = listener.accept()
            client.settimeout(None)
            relays.append(threading.Thread(target=_relay, args=(client, port, flaw)))
            relays[-1].start()
            del client  # the relay's, to close
    for relay in relays:
        relay.join()


def _relay(client: socket.socket, port: int, flaw: Flaw) -> None:
    with client, socket.create_connection(("127.0.0.1", port)) as server:
        asking = threading.Thread(target=_pass, args=(client, server, flaw if flaw.asked else None))
        asking.start()
        _pass(server, client, None if flaw.asked else flaw)
        asking.join()


def _pass(source: socket.socket, target: socket.socket, flaw: Flaw | None) -> None:
    """Until either end is gone; then both are. A head comes in one piece over loopback."""
    with suppress(OSError):
        while data := source.recv(_PIECE):
            target.sendall(data if flaw is None else flaw.change(data))
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
