"""A proxy on loopback in front of a real S3 that does what real stores do on bad days, on order.

It knows the operations by their requests, counts them, and applies a fault to the n-th call of one:

    async with FaultyS3(endpoint.url) as proxy:
        proxy.fail("UploadPart", Fault.RESET, nth=2)          # the second UploadPart from now
        proxy.fail("CompleteMultipartUpload", Fault.LOST)     # executed, the answer never arrives
        proxy.fail("PutObject", answer(503, "SlowDown", retry_after=2), times=None)
        ...
        assert proxy.calls == ["CreateMultipartUpload", ...]

The Host header passes through unchanged, so signatures stay right for servers that trust it. Every answer
closes its connection.
"""

import asyncio
import socket
import ssl
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Self, TypeAlias
from urllib.parse import parse_qs, urlsplit

_PIECE = 64 * 1024


class Fault(Enum):
    """What may go wrong beside an answer that is an error."""

    SILENCE = "the request is read, nothing is answered"
    DEAF = "only the head is read, then nothing"
    RESET = "RST in the middle of the request"
    SLOW = "forwarded; the answer comes in 20 pieces, 50 ms apart"
    TRUNCATED = "forwarded; the answer ends after half of its bytes"
    LOST = "forwarded and executed; RST instead of the answer"


@dataclass(frozen=True)
class Answer:
    """An answer that the store itself never sees the request for. ``early``: given to the head alone, the body is
    not read, the connection stays open."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    early: bool = False


@dataclass(frozen=True)
class Break:
    """Forwarded; the answer ends after ``after`` bytes of its body: by RST ("reset"), FIN ("truncated") or not at all
    ("silent")."""

    after: int
    how: str = "reset"


@dataclass(frozen=True)
class Request:
    """A request as it came: ``headers`` with lower-case names."""

    operation: str
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


#: A fault, an answer, or what makes an answer of a request (None: forward it).
Behaviour: TypeAlias = Fault | Answer | Break | Callable[[Request], Answer | None]


def answer(status: int, code: str, *, retry_after: int | None = None) -> Answer:
    """An S3 error."""
    xml = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>planned</Message></Error>"
    headers = () if retry_after is None else (("Retry-After", str(retry_after)),)
    return Answer(status, xml.encode(), headers)


@dataclass
class _Rule:
    first: int
    last: float
    behaviour: Behaviour


@dataclass
class FaultyS3:
    """See the module's text. ``calls`` are operations in order, ``requests`` the whole requests (bodies too).
    With ``tls`` it speaks TLS."""

    upstream: str
    tls: ssl.SSLContext | None = None
    calls: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    _rules: dict[str, list[_Rule]] = field(default_factory=dict)
    _counts: Counter[str] = field(default_factory=Counter)
    _server: asyncio.Server | None = None
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Where to point a client."""
        assert self._server is not None
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def fail(
        self, operation: str, behaviour: Behaviour, *, nth: int = 1, times: int | None = 1
    ) -> None:
        """From the ``nth`` call of ``operation`` from now, ``times`` calls (None: for ever)."""
        first = self._counts[operation] + nth
        last = float("inf") if times is None else first + times - 1
        self._rules.setdefault(operation, []).append(_Rule(first, last, behaviour))

    def heal(self) -> None:
        """Forget all faults, the calls as well."""
        self._rules.clear()
        self._counts.clear()
        self.calls.clear()
        self.requests.clear()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", 0, limit=1 << 20, ssl=self.tls
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, headers = _parse(head)
        operation = operation_of(method, target)
        self.calls.append(operation)
        self._counts[operation] += 1
        behaviour = self._behaviour(operation)
        if isinstance(behaviour, Answer) and behaviour.early:
            await _send(writer, method, behaviour)
            behaviour = Fault.DEAF
        if behaviour is Fault.DEAF:
            await asyncio.sleep(3600)
        length = int(headers.get("content-length", 0))
        if "expect" in headers:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if behaviour is Fault.RESET:
            await reader.readexactly(length // 2)
            return _reset(writer)
        body = await reader.readexactly(length)
        request = Request(operation, method, target, headers, body)
        self.requests.append(request)
        if behaviour is Fault.SILENCE:
            await asyncio.sleep(3600)
        if callable(behaviour):
            behaviour = await asyncio.to_thread(behaviour, request)
        if isinstance(behaviour, Answer):
            return await _send(writer, method, behaviour)
        assert behaviour is None or isinstance(behaviour, Fault | Break)
        return await self._forward(head, body, writer, behaviour)

    def _behaviour(self, operation: str) -> Behaviour | None:
        number = self._counts[operation]
        for rule in self._rules.get(operation, ()):
            if rule.first <= number <= rule.last:
                return rule.behaviour
        return None

    async def _forward(
        self, head: bytes, body: bytes, writer: asyncio.StreamWriter, fault: Fault | Break | None
    ) -> None:
        where = urlsplit(self.upstream)
        reader, upstream = await asyncio.open_connection(where.hostname, where.port)
        try:
            lines = [
                line
                for line in head[:-4].split(b"\r\n")
                if not line.lower().startswith((b"connect", b"expect"))
            ]
            upstream.write(b"\r\n".join([*lines, b"Connection: close", b"", b""]) + body)
            if fault is None:
                while piece := await reader.read(_PIECE):
                    writer.write(piece)
                    await writer.drain()
                return
            await _spoil(await reader.read(), writer, fault)
        finally:
            upstream.close()


async def _spoil(whole: bytes, writer: asyncio.StreamWriter, fault: Fault | Break) -> None:
    """Send an answer that did arrive from the store as ``fault`` has it."""
    if isinstance(fault, Break):
        return await _break(whole, writer, fault)
    if fault is Fault.LOST:
        return _reset(writer)
    if fault is Fault.TRUNCATED:
        head_size = whole.index(b"\r\n\r\n") + 4
        left = len(whole) - head_size
        writer.write(whole[: head_size + left // 2] if left else whole[: head_size // 2])
        return await writer.drain()
    step = len(whole) // 20 + 1
    for at in range(0, len(whole), step):
        writer.write(whole[at : at + step])
        await writer.drain()
        await asyncio.sleep(0.05)
    return None


async def _break(whole: bytes, writer: asyncio.StreamWriter, fault: Break) -> None:
    writer.transport.set_write_buffer_limits(0)
    writer.write(whole[: whole.index(b"\r\n\r\n") + 4 + fault.after])
    await writer.drain()
    if fault.how == "silent":
        await asyncio.sleep(3600)
    if fault.how == "reset":
        # What the other side has not read yet would go with a RST.
        await asyncio.sleep(0.05)
        _reset(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    """RST instead of FIN."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _send(writer: asyncio.StreamWriter, method: str, planned: Answer) -> None:
    lines = [f"HTTP/1.1 {planned.status} Planned", f"Content-Length: {len(planned.body)}"]
    lines += [f"{name}: {value}" for name, value in planned.headers]
    writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode())
    if method != "HEAD":
        writer.write(planned.body)
    await writer.drain()


def _parse(head: bytes) -> tuple[str, str, dict[str, str]]:
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines)
    return method, target, {name.lower(): value.strip() for name, _, value in pairs}


def operation_of(method: str, target: str) -> str:
    """The S3 operation of a path-style request."""
    parts = urlsplit(target)
    query = parse_qs(parts.query, keep_blank_values=True)
    _, _, key = parts.path.lstrip("/").partition("/")
    if "uploads" in query:
        return "CreateMultipartUpload" if method == "POST" else "ListMultipartUploads"
    if "uploadId" in query:
        return {
            "PUT": "UploadPart",
            "POST": "CompleteMultipartUpload",
            "DELETE": "AbortMultipartUpload",
        }.get(method, "ListParts")
    if not key:
        return {"HEAD": "HeadBucket", "PUT": "CreateBucket", "GET": "ListObjects"}[method]
    return {"PUT": "PutObject", "HEAD": "HeadObject", "GET": "GetObject"}.get(
        method, "DeleteObject"
    )
