"""Many slow clients in one cheap process: paced uploads, paced downloads, and connections that only wait.

Every stream has a connection of its own and moves a little several times a second, out of memory by ``sendfile``
and into nothing by ``MSG_TRUNC``. A stream that was held up does not catch up, as a slow line would not.

``python -m loadtests.swarm --port 8080 --uploads 100 --size 6MiB --rate 64KiB`` signs for itself, runs until every
stream is done (or, with ``--seconds``, repeats until then) and prints what happened as JSON. Linux only.

``--tls AUTHORITY`` has uploads and idle connections speak TLS; then bytes are copied and encrypted here.
"""

import argparse
import select
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from typing import Final

from gateway.units import KiB, MiB, parse_size
from loadtests import signing, tls
from loadtests.streams import TURNS, Download, Stream, Tally, TlsUpload, Upload

#: Groups of streams that have their turns at different times.
GROUPS: Final = 25


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


def open_idle(port: int, count: int, context: ssl.SSLContext | None = None) -> list[socket.socket]:
    """Connections that made one small request and then wait."""
    made = []
    head = signing.plain("GET", "/-/healthz", port)
    for _ in range(count):
        sock = socket.create_connection(("127.0.0.1", port), timeout=30)
        if context is not None:
            sock = tls.wrap(context, sock)
        sock.sendall(head)
        sock.recv(16 * KiB)
        sock.setblocking(False)
        made.append(sock)
    return made


def still_open(sock: socket.socket) -> bool:
    """Whether the server has kept it."""
    peek = 0 if isinstance(sock, ssl.SSLSocket) else socket.MSG_PEEK
    try:
        return bool(sock.recv(16 * KiB, peek))
    except (BlockingIOError, ssl.SSLWantReadError):
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
    parser.add_argument("--tls", metavar="AUTHORITY", help="its certificate; then no downloads")
    given = parser.parse_args()
    tally = Tally()
    size, port = given.size, given.port
    context = ssl.create_default_context(cafile=given.tls) if given.tls else None
    upload = Upload
    if context is not None:
        TlsUpload.context.append(context)
        upload = TlsUpload
    length = [(b"content-length", b"%d" % size)]

    def streams() -> Iterator[Stream]:
        for number in range(max(given.uploads, given.downloads)):
            if number < given.uploads:
                path = f"/{given.bucket}/slow/up-{number}"
                yield upload(
                    port, signing.presigned("PUT", path, port, length), size, given.rate, tally
                )
            if number < given.downloads:
                path = f"/{given.bucket}/slow/{number}/{size}"
                yield Download(port, signing.presigned("GET", path, port), size, given.rate, tally)

    idle = open_idle(port, given.idle, context)
    now = time.monotonic()
    everyone = run(streams(), now + given.seconds, now + given.limit)
    tally.failed["unfinished"] += sum(not stream.done for stream in everyone)
    tally.failed = +tally.failed
    print(tally.json(len(idle), sum(still_open(sock) for sock in idle)))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
