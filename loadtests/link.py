"""A link between two ends of a TCP connection, on loopback: delay, rate, drops, and a client that moves.

It relays connections to an upstream. Per connection and direction, bytes come out ``delay`` seconds after they went
in (a round trip has two delays) and at most at ``rate``; a connection may be reset at random; and clients may come
from changing addresses, as phones do: :meth:`Link.move` resets what is open, and what is opened next comes from the
next address of ``sources``. It moves by itself at random moments (``moves``) and, as a program, at SIGUSR1.

``python -m loadtests.link --upstream 9000`` prints its port, serves until its standard input ends, and then says on
standard error, in JSON, what happened. What it does not show: slow start and loss inside a connection, which TCP hides
from both ends.
"""

import argparse
import asyncio
import itertools
import os
import random
import signal
import socket
import struct
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, cast

import uvloop

from gateway.units import KiB, MiB, parse_size
from loadtests.weather import Story, Weather

#: Bytes of one read.
_READ: Final = 256 * KiB


class Lane(asyncio.Protocol):
    """One end of a connection: what arrives here leaves at ``other``, later."""

    def __init__(self, link: "Link") -> None:
        self.link = link
        self.transport: asyncio.Transport | None = None
        self.other: Lane | None = None
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[float, bytes | None]] = deque()
        self._queued = 0
        self._free_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._other_full = False
        self._reading = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.link.weather.rate:
            # Small kernel buffers, or a sender would see megabytes "sent" that the link has not taken.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _READ)

    def data_received(self, data: bytes) -> None:
        weather = self.link.weather
        if weather.drops and random.random() < weather.drops * len(data) / MiB:
            self.link.story.dropped += 1
            return self.reset()
        now = self._loop.time()
        step = max(4 * KiB, weather.rate // 500) if weather.rate else len(data)
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            if weather.rate:
                self._free_at = max(self._free_at, now) + len(piece) / weather.rate
            else:
                self._free_at = now
            self._queue.append((self._free_at + weather.delay, piece))
        self._queued += len(data)
        self._flow()
        return self.release()

    def eof_received(self) -> bool:
        self._queue.append((max(self._free_at, self._loop.time()) + self.link.weather.delay, None))
        self.release()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.link.lanes.discard(self)
        self.transport = None
        if exc is not None:
            self.reset()
        elif self.other is not None and self.other.transport is not None and not self._queue:
            self.other.transport.close()

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other._other_full = True

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other._other_full = False
            self.other.release()

    def reset(self) -> None:
        """RST to both ends."""
        for lane in (self, self.other):
            if lane is not None and lane.transport is not None:
                sock = lane.transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                lane.transport.abort()
        self._queue.clear()

    @property
    def waiting(self) -> bool:
        """Whether something is under way."""
        return bool(self._queue)

    def _flow(self) -> None:
        """Read on while the link has room."""
        if self.transport is None or self.transport.is_closing():
            return
        room = self._queued < self.link.weather.queue
        if room and not self._reading:
            self.transport.resume_reading()
        elif not room and self._reading:
            self.transport.pause_reading()
        self._reading = room

    def release(self) -> None:
        """Let out what has been under way long enough; look again when the next is due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.other is None:
            return
        now = self._loop.time() + 0.0005
        due: list[bytes] = []
        while self._queue and self._queue[0][0] <= now and not self._other_full:
            piece = self._queue.popleft()[1]
            if piece is None:
                self._write(due)
                due = []
                self._write_eof()
            else:
                due.append(piece)
                self._queued -= len(piece)
        self._write(due)
        self._flow()
        if self._queue and not self._other_full:
            self._timer = self._loop.call_at(self._queue[0][0], self.release)

    def _write(self, pieces: Sequence[bytes]) -> None:
        if pieces and self.other is not None and self.other.transport is not None:
            self.other.transport.writelines(pieces)

    def _write_eof(self) -> None:
        other = self.other.transport if self.other is not None else None
        if other is not None and not other.is_closing():
            if self.transport is None:
                other.close()
            else:
                other.write_eof()


class Link:
    """A listener in front of an upstream port. ``port`` is known once :meth:`open` is done."""

    def __init__(self, upstream: int, weather: Weather) -> None:
        self.upstream = upstream
        self.weather = weather
        self.lanes: set[Lane] = set()
        self.port = 0
        self._server: asyncio.Server | None = None
        self._dialling: set[asyncio.Task[None]] = set()
        self.story = Story()
        self._sources: Iterator[str] = itertools.cycle(weather.sources or ("127.0.0.1",))
        self._source = next(self._sources)
        self._next_move: asyncio.TimerHandle | None = None

    async def open(self, port: int = 0) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, "127.0.0.1", port, backlog=4096)
        self.port = self._server.sockets[0].getsockname()[1]
        self._plan_move()

    def _plan_move(self) -> None:
        """Move at a random moment, and again and again."""
        if self.weather.moves:
            after = random.uniform(0.5, 1.5) * self.weather.moves
            self._next_move = asyncio.get_running_loop().call_later(after, self._wander)

    def _wander(self) -> None:
        self.move()
        self._plan_move()

    async def aclose(self) -> None:
        """Stop listening, reset what is open."""
        assert self._server is not None
        self._server.close()
        if self._next_move is not None:
            self._next_move.cancel()
        self.drop_all()
        for task in self._dialling:
            task.cancel()

    def drop_all(self) -> None:
        """Reset every connection."""
        for lane in list(self.lanes):
            lane.reset()

    def move(self) -> None:
        """The clients' network changes: everything open is gone, new connections come from the next address."""
        self._source = next(self._sources)
        self.story.moves += 1
        self.story.moved += len(self.lanes) // 2
        self.drop_all()

    def _accept(self) -> Lane:
        return _Near(self)

    def dial(self, near: Lane) -> None:
        """Connect a new client on."""
        task = asyncio.get_running_loop().create_task(self._dial(near))
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)

    async def _dial(self, near: Lane) -> None:
        try:
            _, far = await asyncio.get_running_loop().create_connection(
                lambda: Lane(self), "127.0.0.1", self.upstream, local_addr=(self._source, 0)
            )
        except OSError:
            near.reset()
            return
        near.other, far.other = far, near
        self.lanes |= {near, far}
        self.story.connections += 1
        self.story.addresses.add(self._source)
        if near.transport is None and not near.waiting:
            far.reset()
        near.release()


class _Near(Lane):
    """The client's end. What comes before the upstream is there waits in the queue."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.link.dial(self)


async def serve(port: int, upstream: int, weather: Weather) -> Story:
    """Until standard input ends; answers what happened."""
    loop = asyncio.get_running_loop()
    link = Link(upstream, weather)
    await link.open(port)
    loop.add_signal_handler(signal.SIGUSR1, link.move)
    print(link.port, flush=True)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()
    await link.aclose()
    return link.story


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--upstream", type=int, required=True, help="port on loopback")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds, one way")
    parser.add_argument(
        "--rate", type=parse_size, default=0, help="bytes per second, connection and direction"
    )
    parser.add_argument("--drops", type=float, default=0.0, help="resets per MiB relayed")
    parser.add_argument(
        "--sources", nargs="*", default=(), help="loopback addresses of the clients"
    )
    parser.add_argument(
        "--moves", type=float, default=0.0, help="mean seconds until the clients' address changes"
    )
    given = parser.parse_args()
    weather = Weather(given.delay, given.rate, given.drops, tuple(given.sources), given.moves)
    story = uvloop.run(serve(given.port, given.upstream, weather))
    os.write(sys.stderr.fileno(), story.told().encode() + b"\n")


if __name__ == "__main__":
    main()
