"""Many slow clients in one cheap process: paced uploads, paced downloads, and connections that only wait.

Every stream has a connection of its own and moves a little several times a second, out of memory by ``sendfile``
and into nothing by ``MSG_TRUNC``. A stream that was held up does not catch up, as a slow line would not.

``python -m loadtests.swarm --port 8080 --uploads 100 --size 6MiB --rate 64KiB`` signs for itself, runs until every
stream is done (or, with ``--seconds``, repeats until then) and prints what happened as JSON. Linux only.
"""

import abc
import argparse
import json
import os
import select
import socket
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from gateway.units import KiB, MiB, parse_size
from loadtests import signing

#: Turns per second of each stream, and groups of streams that have their turns at different times.
TURNS: Final = 4
GROUPS: Final = 25
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
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.done = False
        self.clean = True
        self._head, self._size, self._rate, self._tally = head, size, rate, tally
        self.begin()

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
                return
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


def run(starts: Iterator[Stream], until: float, limit: float) -> list[Stream]:
    """Give every stream its turns; ``until``: begin anew before that time, ``limit``: give up after that one.
    Streams join a few at a time. Answers all that took part."""
    poll = select.epoll()
    everyone: list[Stream] = []
    by_number: dict[int, Stream] = {}
    turn = 0
    next_turn = time.monotonic()
    more = True
    while time.monotonic() < limit:
        if more:
            more = _join(starts, everyone, by_number, poll)
        now = time.monotonic()
        for number, _ in poll.poll(max(0.0, next_turn - now)):
            stream = by_number[number]
            stream.readable()
            if stream.done:
                poll.unregister(number)
                if stream.clean and _next(stream, until):
                    poll.register(number, select.EPOLLIN)
        now = time.monotonic()
        if now >= next_turn:
            for stream in everyone[turn % GROUPS :: GROUPS]:
                if not stream.done:
                    stream.turn(now)
                    if stream.done and stream.clean:
                        _next(stream, until)
            turn += 1
            next_turn = max(next_turn + 1 / (TURNS * GROUPS), now)
        if not more and all(stream.done for stream in everyone):
            break
    poll.close()
    return everyone


def _join(
    starts: Iterator[Stream],
    everyone: list[Stream],
    by_number: dict[int, Stream],
    poll: select.epoll,
) -> bool:
    """A few more streams; whether there may be others."""
    for _ in range(10):
        stream = next(starts, None)
        if stream is None:
            return False
        everyone.append(stream)
        by_number[stream.sock.fileno()] = stream
        if isinstance(stream, Upload):
            poll.register(stream.sock.fileno(), select.EPOLLIN)
    return True


def _next(stream: Stream, until: float) -> bool:
    """Whether the stream has begun once more."""
    if time.monotonic() < until:
        stream.again()
    return not stream.done


def open_idle(port: int, count: int) -> list[socket.socket]:
    """Connections that made one small request and then wait."""
    made = []
    head = signing.plain("GET", "/-/healthz", port)
    for _ in range(count):
        sock = socket.create_connection(("127.0.0.1", port), timeout=30)
        sock.sendall(head)
        sock.recv(16 * KiB)
        sock.setblocking(False)
        made.append(sock)
    return made


def still_open(sock: socket.socket) -> bool:
    """Whether the server has kept it."""
    try:
        return bool(sock.recv(16 * KiB, socket.MSG_PEEK))
    except BlockingIOError:
        return True
    except OSError:
        return False


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--uploads", type=int, default=0)
    parser.add_argument("--downloads", type=int, default=0)
    parser.add_argument("--idle", type=int, default=0)
    parser.add_argument("--size", type=parse_size, default=6 * MiB, help="bytes of one transfer")
    parser.add_argument(
        "--rate", type=parse_size, default=64 * KiB, help="bytes per second of one stream"
    )
    parser.add_argument("--seconds", type=float, default=0.0, help="repeat transfers until then")
    parser.add_argument(
        "--limit", type=float, default=600.0, help="seconds after which it gives up"
    )
    parser.add_argument("--bucket", default="bench")
    given = parser.parse_args()
    tally = Tally()
    size, port = given.size, given.port
    length = [(b"content-length", b"%d" % size)]

    def streams() -> Iterator[Stream]:
        for number in range(max(given.uploads, given.downloads)):
            if number < given.uploads:
                path = f"/{given.bucket}/slow/up-{number}"
                yield Upload(
                    port, signing.presigned("PUT", path, port, length), size, given.rate, tally
                )
            if number < given.downloads:
                path = f"/{given.bucket}/slow/{number}/{size}"
                yield Download(port, signing.presigned("GET", path, port), size, given.rate, tally)

    idle = open_idle(port, given.idle)
    now = time.monotonic()
    everyone = run(streams(), now + given.seconds, now + given.limit)
    tally.failed["unfinished"] += sum(not stream.done for stream in everyone)
    tally.failed = +tally.failed
    print(tally.json(len(idle), sum(still_open(sock) for sock in idle)))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
