"""A bad line to a gateway: ``loadtests.link`` in a process of its own, as long as a block lasts."""

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from loadtests.processes import Server, running_module

#: Where a client that moves comes from.
SOURCES = ("127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5")


@dataclass
class Line:
    """A line that is up. ``story`` is known when it is down: what ``loadtests.link`` says at its end."""

    server: Server
    story: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """What clients are told instead of the gateway's own."""
        return f"http://127.0.0.1:{self.server.port}"

    @property
    def breaks(self) -> int:
        """How many connections were reset in the middle."""
        return int(self.story["dropped"]) + int(self.story["moved"])

    def move(self) -> None:
        """Reset what is open; the clients come from another address now."""
        self.server.process.send_signal(signal.SIGUSR1)


@contextmanager
def line(
    url: str,
    folder: Path,
    *,
    drops: float = 0.0,
    moves: float = 0.0,
    rate: str = "0",
    delay: float = 0.0,
) -> Iterator[Line]:
    """A line to the server at ``url``: ``drops`` resets per MiB, a move every ``moves`` seconds (both are means, it
    happens at random), ``rate`` bytes per second and connection, ``delay`` seconds one way."""
    port = urlsplit(url).port
    weather = [
        "--upstream", str(port), "--drops", str(drops), "--moves", str(moves), "--rate", rate,
        "--delay", str(delay), "--sources", *SOURCES,
    ]  # fmt: skip
    with running_module(f"line-{port}", "loadtests.link", folder, *weather) as server:
        up = Line(server)
        yield up
    up.story = json.loads(server.log.read_text().splitlines()[-1])


def half_open(url: str, offset: int, body: bytes, length: int) -> socket.socket:
    """A connection whose tus PATCH has announced ``length`` bytes, sent ``body``, and says nothing more."""
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=10)
    head = (
        f"PATCH {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nTus-Resumable: 1.0.0\r\n"
        f"Content-Type: application/offset+octet-stream\r\nUpload-Offset: {offset}\r\n"
        f"Content-Length: {length}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    return connection
