"""Uploads as bad networks make them: trickling, cut off, many at once; over raw sockets."""

import asyncio
import hashlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

BLOCK = 64 * 1024


def pattern(size: int, seed: int = 0, block: int = BLOCK) -> Iterator[bytes]:
    """``size`` bytes that differ by position and by seed, in blocks."""
    counter, left = 0, size
    while left > 0:
        piece = hashlib.sha256(f"{seed}:{counter}".encode()).digest() * (block // 32)
        yield piece[: min(left, block)]
        left -= min(left, block)
        counter += 1


def pattern_digest(size: int, seed: int = 0) -> str:
    """The SHA-256 of :func:`pattern`, in hex."""
    digest = hashlib.sha256()
    for piece in pattern(size, seed):
        digest.update(piece)
    return digest.hexdigest()


@dataclass
class Answer:
    """A response: its status and body. Status 0: the connection ended without one."""

    status: int
    body: bytes = b""


async def upload(
    url: str,
    size: int,
    seed: int = 0,
    *,
    rate: float | None = None,
    chunked: bool = False,
    stop_after: int | None = None,
    reset: bool = True,
    progress: list[int] | None = None,
) -> Answer:
    """PUT :func:`pattern`. ``rate`` in bytes per second; ``stop_after`` ends the connection there, with
    RST or else FIN. ``progress`` is set to the bytes sent so far."""
    parts = urlsplit(url)
    context = ssl.create_default_context() if parts.scheme == "https" else None
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=context)
    try:
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
        target = f"{parts.path}?{parts.query}"
        writer.write(f"PUT {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n{framing}\r\n\r\n".encode())
        sent = 0
        try:
            async for piece in _paced(size, seed, rate):
                if stop_after is not None and sent >= stop_after:
                    _cut(writer, reset)
                    return Answer(0)
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                await writer.drain()
                sent += len(piece)
                if progress is not None:
                    progress[:] = [sent]
            if chunked:
                writer.write(b"0\r\n\r\n")
                await writer.drain()
        except ConnectionError:
            pass
        return await _answer(reader)
    finally:
        writer.close()


def _cut(writer: asyncio.StreamWriter, reset: bool) -> None:
    if reset:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _paced(size: int, seed: int, rate: float | None) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    started, sent = loop.time(), 0
    for piece in pattern(size, seed):
        for at in range(0, len(piece), BLOCK if rate is None else 4096):
            slice_ = piece if rate is None else piece[at : at + 4096]
            if rate is not None:
                await asyncio.sleep(max(0.0, started + sent / rate - loop.time()))
            yield slice_
            sent += len(slice_)


async def _answer(reader: asyncio.StreamReader) -> Answer:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return Answer(0)
    lines = head.decode("latin-1").split("\r\n")
    status = int(lines[0].split()[1])
    length = next(
        (int(line[15:]) for line in lines if line.lower().startswith("content-length:")), 0
    )
    body = await reader.readexactly(length) if length else b""
    return Answer(status, body)
