"""What receiving costs: CPU seconds of the server per GiB, by how the application reads.

Run it by hand: ``python -m tests.bench.receiving [GiB]``. Nothing is asserted; a shared machine is
too noisy for that. Each road is its own process, and the operating system does the accounting.
"""

import os
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

import uvicorn

from gateway.drain import Drain
from gateway.server.exchange import Receive, Scope, Send
from gateway.server.http_protocol import FrontFactory
from gateway.server.refusals import render_refusal
from gateway.server.rules import Rules

SLAB = 256 * 1024
TICKS = os.sysconf("SC_CLK_TCK")
ROADS = {
    "uvicorn, receive()": ("httptools", b"/receive", False),
    "front, receive()": ("front", b"/receive", False),
    "front, read_into()": ("front", b"/into", False),
    "uvicorn, receive(), chunked": ("httptools", b"/receive", True),
    "front, read_into(), chunked": ("front", b"/into", True),
}


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Read everything, one way or the other."""
    if scope["path"] == "/into":
        body = scope["extensions"]["sluice.body"]
        slab = memoryview(bytearray(SLAB))
        while await body.read_into(slab):
            pass
    else:
        while (await receive())["more_body"]:
            pass
    length = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 200, "headers": length})
    await send({"type": "http.response.body"})


def serve(protocol: str, listener: socket.socket) -> None:
    """One server, until it is killed."""
    http: Any = FrontFactory(Rules(), Drain(), render_refusal) if protocol == "front" else protocol
    app: Any = application
    config = uvicorn.Config(
        app, http=http, loop="uvloop", lifespan="off", log_config=None, proxy_headers=False
    )
    uvicorn.Server(config).run(sockets=[listener])


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def blocks(size: int, *, chunked: bool) -> Iterator[bytes]:
    """The body, in writes of a MiB."""
    data = bytes(1 << 20)
    framed = (b"10000\r\n" + data[:65536] + b"\r\n") * 16
    for _ in range(size >> 20):
        yield framed if chunked else data
    if chunked:
        yield b"0\r\n\r\n"


def measure(road: str, size: int) -> tuple[float, float]:
    """CPU seconds of the server and wall seconds for one upload of ``size`` bytes."""
    protocol, path, chunked = ROADS[road]
    listener = socket.create_server(("127.0.0.1", 0))
    pid = os.fork()
    if not pid:
        serve(protocol, listener)
        os._exit(0)
    client = socket.create_connection(listener.getsockname())
    listener.close()
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
    head = b"PUT %b HTTP/1.1\r\nHost: x\r\n" % path
    try:
        client.sendall(head + b"Content-Length: 0\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        cpu, wall = cpu_seconds(pid), time.monotonic()
        client.sendall(head + framing + b"\r\n\r\n")
        for block in blocks(size, chunked=chunked):
            client.sendall(block)
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        return cpu_seconds(pid) - cpu, time.monotonic() - wall
    finally:
        client.close()
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def main() -> None:
    """Interleaved runs, medians."""
    size = int(float(sys.argv[1]) * (1 << 30)) if len(sys.argv) > 1 else 1 << 30
    runs: dict[str, list[tuple[float, float]]] = {road: [] for road in ROADS}
    for _ in range(3):
        for road, results in runs.items():
            results.append(measure(road, size))
    for road, results in runs.items():
        cpu = statistics.median(result[0] for result in results) * (1 << 30) / size
        rate = size / statistics.median(result[1] for result in results) / 1e9
        print(f"{road:30} {cpu:5.2f} CPU-s/GiB {rate:6.2f} GB/s")


if __name__ == "__main__":
    main()
