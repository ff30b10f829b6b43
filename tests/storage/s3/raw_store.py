"""A store in the test's own event loop that says exactly what a test has it say, byte for byte."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import trustme
from aiobotocore.session import AioSession

from gateway.storage.s3.connection import Connection, Endpoint
from gateway.storage.s3.wire_plane import WirePlane

AUTHORITY = trustme.CA()
ETAG = "9b2cf535f27731c974343645a3985328"


def reply(
    body: bytes = b"", status: str = "200 OK", *headers: str, length: int | None = None
) -> bytes:
    """A whole answer."""
    lines = [
        f"HTTP/1.1 {status}",
        f'ETag: "{ETAG}"',
        f"Content-Length: {len(body) if length is None else length}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def error(status: str, code: str, *headers: str, more: str = "") -> bytes:
    """An S3 error."""
    xml = f"<?xml version='1.0'?>\n<Error><Code>{code}</Code><Message>m</Message>{more}</Error>"
    return reply(xml.encode(), status, *headers)


@dataclass
class Request:
    """As it came; ``headers`` with lower-case names."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    #: Which connection of the store it came over, from 0.
    connection: int = 0


class Peer:
    """One connection, seen from the store."""

    def __init__(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.number = number
        self.reader = reader
        self.writer = writer

    async def head(self) -> Request:
        text = (await self.reader.readuntil(b"\r\n\r\n"))[:-4].decode()
        first, *lines = text.split("\r\n")
        method, target, version = first.split(" ")
        assert version == "HTTP/1.1"
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(": ")
            assert name.lower() not in headers
            headers[name.lower()] = value
        return Request(method, target, headers, connection=self.number)

    async def request(self) -> Request:
        found = await self.head()
        found.body = await self.reader.readexactly(int(found.headers.get("content-length", 0)))
        return found

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    def reset(self) -> None:
        """RST instead of FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass
class RawStore:
    """``requests`` that scripts noted with :meth:`note`; ``peers``: connections so far."""

    port: int = 0
    secure: bool = False
    requests: list[Request] = field(default_factory=list)
    peers: int = 0
    open: int = 0

    async def note(self, peer: Peer) -> Request:
        request = await peer.request()
        self.requests.append(request)
        return request

    @property
    def url(self) -> str:
        return f"http{'s' if self.secure else ''}://127.0.0.1:{self.port}"


@asynccontextmanager
async def raw_store(
    script: Callable[[RawStore, Peer], Awaitable[None]],
    *,
    secure: bool = False,
    window: int | None = None,
) -> AsyncIterator[RawStore]:
    """Run ``script`` on every connection; it ends when the script does. ``window``: of the kernel, bytes."""
    store = RawStore(secure=secure)
    tasks: set[asyncio.Task[Any]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        peer = Peer(store.peers, reader, writer)
        store.peers += 1
        store.open += 1
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await script(store, peer)
        finally:
            store.open -= 1
            tasks.discard(task)
            writer.close()

    context = None
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        AUTHORITY.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))
    if window is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    server = await asyncio.start_server(accept, sock=listener, ssl=context, limit=1 << 16)
    store.port = server.sockets[0].getsockname()[1]
    try:
        yield store
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def connection_to(url: str, **more: Any) -> Connection:
    """What a plane needs of a connection, without the tenth of a second that botocore's client takes."""
    session = AioSession()
    session.set_credentials("AKIDEXAMPLE000000001", "secret")
    facts: dict[str, Any] = {
        "region": "us-east-1",
        "path_style": True,
        "verify": True,
        "connect_timeout": 5.0,
        "idle_timeout": 0.4,
        "max_connections": 64,
        "hash_payload": url.startswith("http:"),
    }
    return Connection(session, None, Endpoint(url=url, **(facts | more)))


@asynccontextmanager
async def plane_to(url: str, **more: Any) -> AsyncIterator[WirePlane]:
    """A plane of its own, without a store around it."""
    plane = WirePlane(connection_to(url, **more))
    try:
        yield plane
    finally:
        await plane.aclose()
        await asyncio.sleep(0.01)  # let transports end
