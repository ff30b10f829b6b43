"""Paced transfers, each on a connection of its own: what :mod:`loadtests.swarm` plays.

A stream that was held up does not catch up, as a slow line would not.
"""

import abc
import json
import os
import socket
import ssl
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from gateway.units import KiB, MiB
from loadtests import tls

#: Turns per second of each stream.
TURNS: Final = 4
_TRASH: Final = bytearray(MiB)
_PATTERN: Final = 8 * MiB


@dataclass
class Tally:
    """What the streams did. ``seconds`` of each that completed."""

    completed: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    bytes: int = 0

    def json(self, idle: int, idle_open: int) -> str:
        """For whoever started the program."""
        return json.dumps(
            {
                "completed": self.completed,
                "failed": dict(self.failed),
                "bytes": self.bytes,
                "fastest": min(self.seconds, default=0.0),
                "median": statistics.median(self.seconds) if self.seconds else 0.0,
                "slowest": max(self.seconds, default=0.0),
                "idle": idle,
                "idle_open": idle_open,
            }
        )


class Stream(abc.ABC):
    """One paced transfer after the other on one connection. ``head`` is the request, ``size`` the body's bytes."""

    def __init__(self, port: int, head: bytes, size: int, rate: int, tally: Tally) -> None:
        self.sock = self._connect(port)
        self.done = False
        self.clean = True
        self._head, self._size, self._rate, self._tally = head, size, rate, tally
        self.begin()

    def _connect(self, port: int) -> socket.socket:
        return socket.create_connection(("127.0.0.1", port), timeout=30)

    def begin(self) -> None:
        """Send a request's head."""
        self._began = self._last = time.monotonic()
        self._left = self._size
        self._answer = b""
        self.sock.setblocking(True)
        self.sock.sendall(self._head)
        self.sock.setblocking(False)

    def turn(self, now: float) -> None:
        """Move what the rate allows since the last turn, at most two turns' worth."""
        credit = int(min(now - self._last, 2 / TURNS) * self._rate)
        self._last = now
        while credit > 0 and self._left and not self.done:
            try:
                moved = self._move(min(credit, self._left))
            except BlockingIOError:
                return None
            except OSError as error:
                return self.end(type(error).__name__)
            if not moved:
                return self.end("closed early")
            credit -= moved
            self._left -= moved
            self._tally.bytes += moved
        return None

    @abc.abstractmethod
    def _move(self, size: int) -> int:
        """Send or take up to ``size`` bytes of the body now; 0: the server closed."""

    @abc.abstractmethod
    def readable(self) -> None:
        """Something came."""

    def status(self) -> int:
        """Of the answer so far."""
        return int(self._answer.split(b" ", 2)[1])

    def end(self, failure: str = "") -> None:
        """This transfer is over."""
        self.done = True
        self.clean = not failure
        if failure:
            self._tally.failed[failure] += 1
        else:
            self._tally.completed += 1
            self._tally.seconds.append(time.monotonic() - self._began)

    def again(self) -> None:
        """One more transfer."""
        self.done = False
        try:
            self.begin()
        except OSError as error:
            self.end(type(error).__name__)


class Upload(Stream):
    """A PUT."""

    pattern: Final[list[int]] = []

    def _move(self, size: int) -> int:
        if not self.pattern:
            self.pattern.append(os.memfd_create("swarm"))
            os.write(self.pattern[0], os.urandom(MiB) * (_PATTERN // MiB))
        at = (self._size - self._left) % _PATTERN
        return os.sendfile(self.sock.fileno(), self.pattern[0], at, min(size, _PATTERN - at))

    def readable(self) -> None:
        try:
            data = self.sock.recv(16 * KiB)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None  # TLS: a record of its own
        except OSError as error:
            return self.end(type(error).__name__)
        self._answer += data
        if not data:
            return self.end("closed early")
        if b"\r\n\r\n" not in self._answer or self.status() == 100:
            return None
        if self.status() != 200:
            return self.end(f"status {self.status()}")
        return self.end("answered early" if self._left else "")


class TlsUpload(Upload):
    """A PUT over TLS, a record at a time."""

    record: Final = memoryview(os.urandom(16 * KiB))
    context: Final[list[ssl.SSLContext]] = []
    _offered = 0

    def _connect(self, port: int) -> socket.socket:
        return tls.wrap(self.context[0], super()._connect(port))

    def _move(self, size: int) -> int:
        # A record that was begun has to be offered again as it was.
        size = self._offered or min(size, len(self.record))
        try:
            self._offered = size
            moved = self.sock.send(self.record[:size])
        except ssl.SSLWantWriteError as error:
            raise BlockingIOError from error
        self._offered = 0
        return moved


class Download(Stream):
    """A GET. Its kernel buffer is small, so that the server feels its pace."""

    def begin(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * KiB)
        super().begin()

    def _move(self, size: int) -> int:
        if not self._answer and not self._take_head():
            return 0
        moved = self.sock.recv_into(_TRASH, min(size, MiB), socket.MSG_TRUNC)
        if moved == self._left:
            self.end()
        return moved

    def _take_head(self) -> bool:
        """Take the answer's head and nothing after it; False: the server closed."""
        seen = self.sock.recv(16 * KiB, socket.MSG_PEEK)
        if not seen:
            return False
        end = seen.find(b"\r\n\r\n")
        if end < 0:
            raise BlockingIOError  # the rest will come
        self._answer = self.sock.recv(end + 4)
        if self.status() != 200:
            raise ConnectionAbortedError
        return True

    def readable(self) -> None:
        """It has its turn."""
