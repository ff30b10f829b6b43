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

from gateway.settings.sections import S3Storage
from gateway.storage.s3 import S3Store
from gateway.storage.s3.connection import Connection
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


Script = Callable[[Peer], Awaitable[None]]


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
    script: Callable[[RawStore, Peer], Awaitable[None]], *, secure: bool = False
) -> AsyncIterator[RawStore]:
    """Run ``script`` on every connection; it ends when the script does."""
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
    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context, limit=1 << 16)
    store.port = server.sockets[0].getsockname()[1]
    try:
        yield store
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def section(url: str, **more: object) -> S3Storage:
    return S3Storage.model_validate(
        {
            "kind": "s3",
            "endpoint_url": url,
            "access_key_id": "AKIDEXAMPLE000000001",
            "secret_access_key": "secret",
            "idle_timeout": 0.4,
            "connect_timeout": 1.0,
            **more,
        }
    )


@asynccontextmanager
async def plane_to(url: str, **more: object) -> AsyncIterator[WirePlane]:
    """A plane of its own, without a store around it."""
    connection = await Connection.open(section(url, **more))
    plane = WirePlane(connection)
    try:
        yield plane
    finally:
        await plane.aclose()
        await connection.aclose()
        await asyncio.sleep(0.01)  # let transports end


@asynccontextmanager
async def store_to(url: str, **more: object) -> AsyncIterator[S3Store]:
    store = S3Store("main", section(url, **more))
    await store.start()
    try:
        yield store
    finally:
        await store.aclose()
