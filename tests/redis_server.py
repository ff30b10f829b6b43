"""A real Redis on loopback, for the tests of one session."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class RedisServer:
    """A redis-server process of our own. Nothing is kept on disk, unless it is ``durable``: then every write is
    there before it is answered."""

    def __init__(self, folder: Path, port: int | None = None, *, durable: bool = False) -> None:
        self._folder = folder
        self._durable = (
            ("--appendonly", "yes", "--appendfsync", "always")
            if durable
            else ("--appendonly", "no")
        )
        self.port = port or _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: int = 0) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Run it, and wait until it answers."""
        program = shutil.which("redis-server")
        assert program is not None
        settings = ("--save", "", "--bind", "127.0.0.1", "--databases", "512", *self._durable)
        self._process = subprocess.Popen(
            [program, "--port", str(self.port), "--dir", str(self._folder), *settings],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while not self._answers():
            assert self._process.poll() is None, "redis-server ended"
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.02)

    def stop(self) -> None:
        """End it, by its own pid."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


@contextmanager
def running_redis(folder: Path, *, durable: bool = False) -> Iterator[RedisServer]:
    """A server that runs inside the block."""
    server = RedisServer(folder, durable=durable)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
