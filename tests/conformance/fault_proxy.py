"""A proxy between a server and its S3 that makes the store fail on order, for checks that are black-box otherwise.

    python -m tests.conformance.fault_proxy http://127.0.0.1:9000 --port 9100 --control-port 9101

The server under test is given ``http://127.0.0.1:9100`` as its S3 (path-style URLs), the suite
``--fault-url http://127.0.0.1:9101/``. There,

- ``POST`` of a JSON object orders a fault: ``operation`` (an S3 name, ``*`` for all), then ``status`` and ``code`` (the
  store is not asked), or ``fault`` (``RESET``: the connection is reset in the middle of the request; ``LOST``: the
  request is carried out, the connection reset instead of an answer; ``SILENCE``: no answer), or neither; ``delay``
  (seconds before the request is passed on, or refused), ``match`` (a text that the request's target must hold),
  ``nth`` (the first call that it applies to, 1 by default), ``times`` (how many, 1 by default, null: until the end).
- ``DELETE`` ends all faults and answers the operations that were asked since the last time, in order.

Every answer closes its connection. Host and signatures pass through unchanged.
"""

import argparse
import asyncio
import json
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs, urlsplit

_PIECE: Final = 256 * 1024
_FOR_EVER: Final = 3600.0

Serve: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Order:
    """A fault; see the module's text."""

    operation: str
    status: int | None = None
    code: str = "InternalError"
    fault: str | None = None
    delay: float = 0.0
    match: str = ""
    nth: int = 1
    times: int | None = 1
    met: int = 0

    def applies(self, operation: str, target: str) -> bool:
        """Count a request, and say whether this one is to fail."""
        if self.operation not in {"*", operation} or self.match not in target:
            return False
        self.met += 1
        return self.met >= self.nth and (self.times is None or self.met < self.nth + self.times)


@dataclass(frozen=True)
class Request:
    """A head as it came, and what it says."""

    raw: bytes
    method: str
    target: str
    length: int
    chunked: bool
    waits: bool

    @classmethod
    def parsed(cls, raw: bytes) -> "Request":
        """Of a whole head with its empty line."""
        first, *lines = raw[:-4].decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        fields = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        return cls(
            raw,
            method,
            target,
            int(fields.get("content-length", 0)),
            "chunked" in fields.get("transfer-encoding", "").lower(),
            "100-continue" in fields.get("expect", "").lower(),
        )

    def forwarded(self) -> bytes:
        """The head without what concerns this connection alone."""
        lines = self.raw[:-4].split(b"\r\n")
        kept = [line for line in lines if not line.lower().startswith((b"connection:", b"expect:"))]
        return b"\r\n".join([*kept, b"Connection: close", b"", b""])


@dataclass
class FaultProxy:
    """The proxy of one upstream, and its orders."""

    upstream: str
    orders: list[Order] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One S3 request."""
        request = Request.parsed(await reader.readuntil(b"\r\n\r\n"))
        operation = operation_of(request.method, request.target)
        self.calls.append(operation)
        # All of them count the call, and the first that applies is carried out.
        found = [order for order in self.orders if order.applies(operation, request.target)]
        order = found[0] if found else Order(operation)
        if request.waits:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if order.status is not None:
            await _swallow(reader, request)
            await asyncio.sleep(order.delay)
            return await _refuse(writer, request.method, order)
        if order.fault == "RESET":
            await reader.read(max(1, min(_PIECE, request.length // 2)))
            return _reset(writer)
        if order.fault == "SILENCE":
            await _swallow(reader, request)
            await asyncio.sleep(_FOR_EVER)
        await asyncio.sleep(order.delay)
        await self._forward(reader, writer, request, lost=order.fault == "LOST")
        return None

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        request: Request,
        *,
        lost: bool,
    ) -> None:
        where = urlsplit(self.upstream)
        answers, upstream = await asyncio.open_connection(where.hostname, where.port)
        sending = asyncio.create_task(_copy(reader, upstream))
        try:
            upstream.write(request.forwarded())
            while piece := await answers.read(_PIECE):
                if not lost:
                    writer.write(piece)
                    await writer.drain()
            if lost:
                _reset(writer)
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await sending
            upstream.close()

    async def control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request of the suite."""
        request = Request.parsed(await reader.readuntil(b"\r\n\r\n"))
        body = await reader.readexactly(request.length)
        status, found = 200, list[Any]()
        if request.method == "POST":
            try:
                self.orders.append(Order(**json.loads(body)))
            except (TypeError, ValueError) as error:
                status, found = 400, [str(error)]
        elif request.method == "DELETE":
            found = self.calls.copy()
            self.orders.clear()
            self.calls.clear()
        text = json.dumps(found).encode()
        writer.write(f"HTTP/1.1 {status} Done\r\nContent-Length: {len(text)}\r\n".encode())
        writer.write(b"Connection: close\r\n\r\n" + text)
        await writer.drain()


def operation_of(method: str, target: str) -> str:
    """The S3 operation of a path-style request."""
    parts = urlsplit(target)
    query = parse_qs(parts.query, keep_blank_values=True)
    key = parts.path.lstrip("/").partition("/")[2]
    if "uploads" in query:
        return "CreateMultipartUpload" if method == "POST" else "ListMultipartUploads"
    if "uploadId" in query:
        names = {
            "PUT": "UploadPart",
            "POST": "CompleteMultipartUpload",
            "DELETE": "AbortMultipartUpload",
        }
        return names.get(method, "ListParts")
    if "delete" in query:
        return "DeleteObjects"
    what = "Object" if key else "Bucket"
    verb = {"PUT": "Put", "HEAD": "Head", "GET": "Get", "DELETE": "Delete"}.get(method, method)
    return f"{verb}{what}"


async def _swallow(reader: asyncio.StreamReader, request: Request) -> None:
    """Read the body: a client that still sends would not see the answer."""
    left, end = request.length, b""
    while left > 0:
        piece = await reader.read(min(left, _PIECE))
        if not piece:
            return
        left -= len(piece)
    while request.chunked and not end.endswith(b"0\r\n\r\n"):
        piece = await reader.read(_PIECE)
        if not piece or (b"\r\n0\r\n" in end + piece and piece.endswith(b"\r\n\r\n")):
            return
        end = (end + piece)[-4096:]


async def _refuse(writer: asyncio.StreamWriter, method: str, order: Order) -> None:
    text = (
        f"<?xml version='1.0'?><Error><Code>{order.code}</Code><Message>ordered</Message></Error>"
    )
    body = b"" if method == "HEAD" else text.encode()
    head = f"HTTP/1.1 {order.status} Ordered\r\nContent-Type: application/xml\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
    await writer.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """RST instead of FIN."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


def _closing(serve: Serve) -> Serve:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await serve(reader, writer)
        writer.close()

    return accept


async def start(proxy: FaultProxy, port: int, control_port: int) -> tuple[asyncio.Server, ...]:
    """Listen on loopback: the proxy, and its control."""
    return (
        await asyncio.start_server(_closing(proxy.serve), "127.0.0.1", port, limit=1 << 20),
        await asyncio.start_server(_closing(proxy.control), "127.0.0.1", control_port),
    )


async def _run(upstream: str, port: int, control_port: int) -> None:
    servers = await start(FaultProxy(upstream), port, control_port)
    await asyncio.gather(*(server.serve_forever() for server in servers))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.fault_proxy")
    parser.add_argument("upstream", help="http:// URL of an S3")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--control-port", type=int, required=True)
    given = parser.parse_args(arguments)
    with suppress(KeyboardInterrupt):
        asyncio.run(_run(given.upstream, given.port, given.control_port))
    return 0


if __name__ == "__main__":
    sys.exit(main())
