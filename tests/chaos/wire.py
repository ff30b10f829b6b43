"""A way to a gateway over a real socket, one connection for each request, that breaks off where it is told to."""

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from tests.chaos.line import NO_ANSWER, Answer, Break, Call

#: How long a client waits for an answer, in seconds.
PATIENCE: Final = 90.0
_BODILESS: Final = (204, 304)
_PIECE: Final = 256 * 1024


@dataclass(frozen=True)
class Wire:
    """To a port of this machine."""

    port: int

    async def send(self, call: Call, broken: Break | None = None) -> Answer:
        """See Line."""
        answer = Answer()
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, EOFError):
            async with asyncio.timeout(PATIENCE):
                await self._send(call, broken, answer)
                return answer
        answer.status = NO_ANSWER
        return answer

    async def _send(self, call: Call, broken: Break | None, answer: Answer) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            sending = asyncio.create_task(self._write(writer, call, broken))
            reading = asyncio.create_task(_read(reader, call, answer))
            try:
                # An answer may come before the body is over, and is the last word then.
                await asyncio.wait((sending, reading), return_when=asyncio.FIRST_COMPLETED)
                if not reading.done() and broken is None:
                    await reading
                if reading.done():
                    reading.result()
                else:
                    answer.status = NO_ANSWER
            finally:
                for task in (sending, reading):
                    task.cancel()
                await asyncio.gather(sending, reading, return_exceptions=True)
        finally:
            if broken is not None:
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            writer.close()

    async def _write(self, writer: asyncio.StreamWriter, call: Call, broken: Break | None) -> None:
        lines = [f"{call.method} {call.target} HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        lines += [f"{name}: {value}" for name, value in call.headers]
        if call.body or call.method in ("PUT", "POST", "PATCH"):
            lines.append(f"Content-Length: {len(call.body)}")
        writer.write(("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode("latin-1"))
        body = memoryview(call.body if broken is None else call.body[: broken.after])
        for at in range(0, len(body), _PIECE):
            writer.write(body[at : at + _PIECE])
            await writer.drain()
        if broken is not None:
            await asyncio.sleep(broken.silence)


async def _read(reader: asyncio.StreamReader, call: Call, answer: Answer) -> None:
    while True:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ")[1])
        pairs = (line.partition(":") for line in head[1:-2])
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        if status >= 200:
            break
        answer.early.append(headers)
    if call.method != "HEAD" and status not in _BODILESS:
        answer.body = await reader.readexactly(int(headers.get("content-length", 0)))
    answer.status, answer.headers = status, headers
