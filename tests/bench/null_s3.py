"""A store that throws parts away and makes objects of nothing, as fast as one process can.

It is a process of its own, so that a client's cost can be told from its. ``python -m tests.bench.null_s3`` prints
its port. Objects are named by their size: ``GET /bucket/16384``.
"""

import asyncio
import sys
from typing import Final, cast

import uvloop

_SCRATCH: Final = memoryview(bytearray(1 << 20))
_OBJECT: Final = memoryview(bytes(1 << 20))
_ETAG: Final = b'ETag: "9b2cf535f27731c974343645a3985328"\r\n'
_STORED: Final = b"HTTP/1.1 200 OK\r\n" + _ETAG + b"Content-Length: 0\r\n\r\n"
_GONE: Final = b"HTTP/1.1 204 No Content\r\n\r\n"
_XML: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n%b"
_CREATED: Final = (
    b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
)
_COMPLETED: Final = (
    b"<CompleteMultipartUploadResult><ETag>&quot;9b2cf535f27731c974343645a3985328-1&quot;</ETag>"
    b"</CompleteMultipartUploadResult>"
)
_GOT: Final = (
    b"HTTP/1.1 200 OK\r\n"
    + _ETAG
    + b"Content-Length: %d\r\nContent-Type: application/octet-stream\r\n"
    + b"Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nx-amz-request-id: null\r\n\r\n"
)


class NullS3(asyncio.BufferedProtocol):
    """One connection."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._head = bytearray()
        self._left = 0
        self._to_send = 0
        self._paused = False
        self._answer = _STORED

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=0)

    def get_buffer(self, sizehint: int) -> memoryview:
        return _SCRATCH

    def buffer_updated(self, nbytes: int) -> None:
        if self._left:
            self._left -= nbytes
            if not self._left:
                self._transport.write(self._answer)
            return
        self._head += _SCRATCH[:nbytes]
        end = self._head.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        lines = bytes(self._head[:end]).split(b"\r\n")
        rest = len(self._head) - end
        self._head.clear()
        method, target, _ = lines[0].split(b" ")
        if method in (b"GET", b"HEAD"):
            name = target.rpartition(b"/")[2]
            size = int(name) if name.isdigit() else 0
            self._transport.write(_GOT % size)
            self._to_send = size if method == b"GET" else 0
            self._push()
            return
        self._answer = {b"PUT": _STORED, b"DELETE": _GONE}.get(method, b"") or _posted(target)
        lengths = [int(line[15:]) for line in lines if line[:15].lower() == b"content-length:"]
        self._left = sum(lengths) - rest
        if not self._left:
            self._transport.write(self._answer)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._push()

    def _push(self) -> None:
        while self._to_send and not self._paused:
            size = min(self._to_send, len(_OBJECT))
            self._to_send -= size
            self._transport.write(_OBJECT[:size])


def _posted(target: bytes) -> bytes:
    body = _CREATED if target.endswith(b"uploads") else _COMPLETED
    return _XML % (len(body), body)


async def main() -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(NullS3, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main())
