"""An S3 that is never the bottleneck: it throws bodies away and makes objects of nothing.

Bodies are dropped inside the kernel (``MSG_TRUNC`` on a TCP socket discards instead of copying) and downloads are
sent by ``sendfile`` from one static file in memory, so a GiB costs it a small share of what it costs a gateway.
On bad days it answers late (``--delay``), slowly (``--rate``, per connection) or not at all (``--throttle``, 503
after so many requests a second).

``python -m loadtests.null_s3`` prints its port, serves until its standard input ends, and then says what it cost.
Linux only.
"""

import argparse
import asyncio
import itertools
import json
import os
import resource
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import uvloop

from gateway.units import GiB, parse_size
from loadtests.null_connection import PATTERN_SIZE, Connection, Counters, Temper
from loadtests.null_objects import Answer, NullObjects, Request, error


def pattern_file() -> int:
    """A file in memory with bytes that do not compress; answers its descriptor."""
    handle = os.memfd_create("pattern")
    os.write(handle, os.urandom(1 << 20) * (PATTERN_SIZE >> 20))
    return handle


@dataclass(slots=True)
class NullS3:
    """One process's server; shared by its connections."""

    temper: Temper
    objects: NullObjects = field(default_factory=NullObjects)
    counters: Counters = field(default_factory=Counters)
    pattern: int = field(default_factory=pattern_file)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _window: int = 0
    _in_window: int = 0

    def accept(self, listener: socket.socket) -> None:
        """Take what waits at the listener."""
        for _ in range(64):
            try:
                sock, _ = listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Connection(self, sock).read_on()

    def respond(self, request: Request) -> Answer:
        """Carry out, or refuse what is too much."""
        self.counters.requests += 1
        second = int(time.monotonic())
        if second != self._window:
            self._window, self._in_window = second, 0
        self._in_window += 1
        if self.temper.throttle and self._in_window > self.temper.throttle:
            self.counters.throttled += 1
            return error(503, "SlowDown", "Please reduce your request rate.", Retry_After="1")
        return self.objects.answer(request)


def listen(port: int) -> socket.socket:
    """A listener that several processes may share."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(4096)
    listener.setblocking(False)
    return listener


async def serve(listener: socket.socket, temper: Temper) -> Counters:
    """Serve until standard input ends; answers what was done."""
    loop = asyncio.get_running_loop()
    server = NullS3(temper)
    loop.add_reader(listener.fileno(), server.accept, listener)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()
    return server.counters


def summary(counters: Counters) -> dict[str, float]:
    """What this process did and what it cost."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = usage.ru_utime + usage.ru_stime
    moved = (counters.received + counters.sent) / GiB
    return {
        "requests": counters.requests,
        "throttled": counters.throttled,
        "received": counters.received,
        "sent": counters.sent,
        "GiB": round(moved, 3),
        "CPU-s": round(cpu, 3),
        "CPU-s per GiB": round(cpu / moved, 3) if moved > 0.01 else 0.0,
    }


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument(
        "--rate", type=parse_size, default=0, help="bytes per second and connection"
    )
    parser.add_argument("--throttle", type=int, default=0, help="requests per second and process")
    given = parser.parse_args()
    listeners = [listen(given.port)]
    port: int = listeners[0].getsockname()[1]
    listeners += [listen(port) for _ in range(given.processes - 1)]
    mine = 0
    for number in range(1, given.processes):
        if not os.fork():
            mine = number
            break
    for number, listener in enumerate(listeners):
        if number != mine:
            listener.close()
    if not mine:
        print(port, flush=True)
    counters = uvloop.run(serve(listeners[mine], Temper(given.delay, given.rate, given.throttle)))
    # One write: the line of another process must not come between it and its end.
    os.write(sys.stderr.fileno(), json.dumps(summary(counters)).encode() + b"\n")


if __name__ == "__main__":
    main()
