"""A real front on a real socket, with a small application, and a client that counts every byte."""

import asyncio
import contextlib
import hashlib
import json
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import trustme
import uvicorn

from gateway.drain import Drain
from gateway.errors import StorageUnavailable
from gateway.server.exchange import Receive, Scope, Send
from gateway.server.handshakes import FrontServer
from gateway.server.http_protocol import Front, FrontFactory
from gateway.server.refusals import Render, render_refusal
from gateway.server.rules import Rules

AUTHORITY = trustme.CA()
CERTIFICATE = AUTHORITY.issue_cert("localhost")
QUICK = Rules(probe=0.05, linger=0.06)


@dataclass
class Seen:
    """What the application met, for the test to look at."""

    scopes: list[Scope] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    views: list[int] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    reached: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)


async def answer(send: Send, status: int, body: bytes, **headers: str) -> None:
    """A whole response with Content-Length."""
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-length", b"%d" % len(body)), *lines],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})


class App:
    """One route for each way of using the front."""

    def __init__(self) -> None:
        self.seen = Seen()
        self.release = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.scopes.append(scope)
        route = getattr(self, scope["path"].strip("/").split("/")[0] or "index")
        try:
            await route(scope, receive, send)
        except BaseException as error:
            self.seen.errors.append(error)
            raise
        finally:
            self.seen.done.set()

    async def index(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 200, scope["method"].encode() + b" " + scope["raw_path"])

    async def put(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read with the extension, answer with size and digest."""
        body = scope["extensions"]["sluice.body"]
        slab = memoryview(bytearray(256 * 1024))
        digest, size = hashlib.sha256(), 0
        while got := await body.read_into(slab):
            self.seen.views.append(got)
            digest.update(slab[:got])
            size += got
        self.seen.facts["trailers"] = body.trailers
        self.seen.facts["paused"] = body.paused_seconds
        self.seen.facts["headers"] = list(scope["headers"])
        await answer(send, 200, json.dumps([size, digest.hexdigest(), body.length]).encode())

    async def stock(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The same with plain ASGI."""
        digest, size, more = hashlib.sha256(), 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError("disconnected")
            digest.update(message["body"])
            size += len(message["body"])
            more = message["more_body"]
        await answer(send, 200, json.dumps([size, digest.hexdigest(), None]).encode())

    async def refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 403, b"no")

    async def hold(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the head of the body, then nothing until released or disconnected."""
        body = scope["extensions"]["sluice.body"]
        if scope["headers"] and body.length:
            self.seen.facts["first"] = await body.read_into(memoryview(bytearray(16)))
        self.seen.reached.set()
        await self.release.wait()
        if not body.complete:
            await self.put(scope, receive, send)
        else:
            await answer(send, 200, b"held")

    async def late_reader(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read nothing until released."""
        self.seen.reached.set()
        await self.release.wait()
        await self.put(scope, receive, send)

    async def wait(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body with receive(), then wait for the disconnect."""
        while (message := await receive())["type"] != "http.disconnect":
            self.seen.reached.set()
            self.seen.facts["more"] = message["more_body"]
        self.seen.facts["disconnected"] = True

    async def get(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write a pattern with one slab that is overwritten as soon as write() returns."""
        size = int(scope["query_string"] or b"0")
        start = {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", b"%d" % size)],
        }
        await send(start)
        writer = scope["extensions"]["sluice.writer"]
        slab = memoryview(bytearray(1 << 20))
        offset = 0
        while offset < size:
            part = min(len(slab), size - offset)
            slab[:part] = pattern(offset, part)
            await writer.write(slab[:part])
            slab[:part] = b"\xee" * part
            offset += part
            self.seen.facts["offset"] = offset
        await send({"type": "http.response.body"})

    async def stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stock download, chunked: first a piece, the rest when released."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        self.seen.reached.set()
        await self.release.wait()
        await send({"type": "http.response.body", "body": b"second", "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def empty(self, scope: Scope, receive: Receive, send: Send) -> None:
        """304 and 204, with a writer that is used all the same."""
        status = int(scope["query_string"])
        headers = [(b"content-length", b"5")] if status != 204 else []
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await scope["extensions"]["sluice.writer"].write(memoryview(b"hello"))
        await send({"type": "http.response.body"})

    async def late(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An error after the start of the response: before its first byte, or after."""
        lines = [(b"content-length", b"100")]
        await send({"type": "http.response.start", "status": 200, "headers": lines})
        if scope["query_string"] == b"sent":
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise StorageUnavailable("The store broke.", retry_after=3)

    async def nothing(self, scope: Scope, receive: Receive, send: Send) -> None:
        """No response at all."""

    async def mixed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """receive() after the extension has read everything waits for the disconnect."""
        body = scope["extensions"]["sluice.body"]
        slab = memoryview(bytearray(100))
        while await body.read_into(slab):
            pass
        self.seen.reached.set()
        self.seen.facts["message"] = (await receive())["type"]

    async def cancelled(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A write that is given up while the transport still holds the slab."""
        lines = [(b"content-length", b"100000000")]
        await send({"type": "http.response.start", "status": 200, "headers": lines})
        slab = memoryview(bytearray(50_000_000))
        async with asyncio.timeout(0.2):
            await scope["extensions"]["sluice.writer"].write(slab)

    async def bug(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("secret detail")


_NOISE = random.Random(4).randbytes(1 << 20) * 2


def pattern(offset: int, size: int) -> bytes:
    """Bytes that differ from one MiB to the next; ``offset`` is at the start of one."""
    pieces = []
    for at in range(offset, offset + size, 1 << 20):
        start = (at >> 20) * 7919 % (1 << 20)
        pieces.append(_NOISE[start : start + min(1 << 20, offset + size - at)])
    return b"".join(pieces)


@dataclass
class Reply:
    """A response as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes
    interim: list[int] = field(default_factory=list)


class Client:
    """A blocking socket that speaks bytes."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = bytearray()

    def send(self, *pieces: bytes, pause: float = 0.0) -> None:
        for piece in pieces:
            self.sock.sendall(piece)
            if pause:
                time.sleep(pause)

    def more(self) -> bytes:
        """The next bytes; empty at the end."""
        try:
            data = self.sock.recv(1 << 16)
        except (ConnectionError, ssl.SSLEOFError):
            data = b""
        self.buffer += data
        return data

    def head(self) -> tuple[int, dict[str, str]]:
        while b"\r\n\r\n" not in self.buffer:
            if not self.more():
                raise ConnectionError(f"closed after {self.buffer!r}")
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        line, *lines = bytes(head).decode("latin-1").split("\r\n")
        fields = dict(item.split(": ", 1) for item in lines)
        return int(line.split(" ")[1]), {name.lower(): value for name, value in fields.items()}

    def take(self, size: int) -> bytes:
        while len(self.buffer) < size:
            if not self.more():
                raise ConnectionError(f"closed after {len(self.buffer)} of {size}")
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    def reply(self, *, bodiless: bool = False) -> Reply:
        """One whole response."""
        interim = []
        status, headers = self.head()
        while status < 200:
            interim.append(status)
            status, headers = self.head()
        if bodiless or status in (204, 304):
            return Reply(status, headers, b"", interim)
        if headers.get("transfer-encoding") == "chunked":
            return Reply(status, headers, self._chunks(), interim)
        return Reply(status, headers, self.take(int(headers["content-length"])), interim)

    def _chunks(self) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in self.buffer:
                if not self.more():
                    raise ConnectionError("closed in a chunk")
            line, _, self.buffer = self.buffer.partition(b"\r\n")
            size = int(line, 16)
            data = self.take(size + 2)
            assert data.endswith(b"\r\n")
            if not size:
                return body
            body += data[:-2]

    def closed(self, within: float = 3.0) -> bool:
        """Whether the server ends the connection in time; what it still sent is in ``buffer``."""
        self.sock.settimeout(within)
        try:
            while self.more():
                pass
        except TimeoutError:
            return False
        finally:
            self.sock.settimeout(10)
        return True

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Vanish with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.sock.close()


class Server(FrontServer):
    """uvicorn's, without its tenths of seconds."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stop = asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.stop.wait()
        for connection in list(self.server_state.connections):
            cast("Front", connection).abort()
        await asyncio.sleep(0)


class Lab:
    """A running front."""

    def __init__(self, server: Server, port: int, drain: Drain, *, tls: bool) -> None:
        self.drain = drain
        self.port = port
        self.tls = tls
        self.server = server
        self.loop: asyncio.AbstractEventLoop
        self.renew()

    def renew(self) -> None:
        """Forget what was seen."""
        self.app = App()
        self.seen = self.app.seen

    @contextlib.contextmanager
    def client(self, receive_buffer: int = 0) -> Iterator[Client]:
        client = self.connect(receive_buffer)
        try:
            yield client
        finally:
            client.close()

    def connect(self, receive_buffer: int = 0) -> Client:
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(10)
        sock.connect(("127.0.0.1", self.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            context = ssl.create_default_context()
            AUTHORITY.configure_trust(context)
            sock = context.wrap_socket(sock, server_hostname="localhost")
        return Client(sock)

    def call(self, function: Callable[[], Any]) -> None:
        """Run something in the server's thread."""
        self.loop.call_soon_threadsafe(function)

    def release(self) -> None:
        self.call(self.app.release.set)

    def connections(self) -> int:
        return len(self.server.server_state.connections)


@contextlib.contextmanager
def running(
    rules: Rules = QUICK, *, tls: bool = False, render: Render = render_refusal
) -> Iterator[Lab]:
    """Start a front in a thread of its own; end it with the block."""
    drain = Drain()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await lab.app(scope, receive, send)

    config = uvicorn.Config(
        app,
        http=FrontFactory(rules, drain, render),  # type: ignore[arg-type]
        loop="uvloop",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    config.load()
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        CERTIFICATE.configure_cert(context)
        config.ssl = context
    server = Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    lab = Lab(server, listener.getsockname()[1], drain, tls=tls)
    started = threading.Event()

    async def main() -> None:
        lab.loop = asyncio.get_running_loop()
        started.set()
        await server.serve(sockets=[listener])

    def run() -> None:
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(main())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield lab
    finally:
        lab.call(server.stop.set)
        thread.join(10)
        assert not thread.is_alive(), "the server did not end"


def eventually(fact: Callable[[], object], within: float = 5.0) -> bool:
    """Whether ``fact`` comes true in time."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if fact():
            return True
        time.sleep(0.01)
    return False
