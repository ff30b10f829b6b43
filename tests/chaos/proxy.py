"""A way to the real store that fails on order: for one bucket of the gateways' (a lane) at a time, by the number of the
call; and that can kill the gateway which called."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from tests.servers.faulty_s3 import Fault, FaultyS3, _parse, _reset, _send, answer

#: What a call to the store can meet.
FAULTS: Final = ("500", "503", "silence", "reset", "lost", "truncated", "kill before", "kill after")
_LANE: Final = re.compile(rb"<Key>(lane[0-9]+)/")
_PLANNED: Final = {"500": answer(500, "InternalError"), "503": answer(503, "SlowDown")}
_SPOILT: Final = {"lost": Fault.LOST, "truncated": Fault.TRUNCATED}


@dataclass
class Lane:
    """Calls of one lane since its run began, and what the next ones will meet, by their number."""

    faults: dict[int, str] = field(default_factory=dict)
    calls: int = 0
    met: list[str] = field(default_factory=list)

    def begin(self, faults: dict[int, str]) -> None:
        """A new run."""
        self.faults, self.calls, self.met = dict(faults), 0, []

    def next(self, operation: str) -> str | None:
        """Count a call; answers what it meets."""
        self.calls += 1
        fault = self.faults.pop(self.calls, None)
        self.met.append(operation if fault is None else f"{operation}: {fault}")
        return fault


@dataclass
class LaneProxy(FaultyS3):
    """In front of the store for one gateway, which ``kill`` kills. ``lanes`` by name, shared by all proxies."""

    lanes: dict[str, Lane] = field(default_factory=dict)
    kill: Callable[[], None] = lambda: None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, headers = _parse(head)
        if "expect" in headers:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        lane = self._lane(target, body)
        fault = None if lane is None else lane.next(f"{method} {target.partition('?')[0][-12:]}")
        if fault is None:
            return await self._forward(head, body, writer, None)
        if fault in _PLANNED:
            return await _send(writer, method, _PLANNED[fault])
        if fault == "silence":
            await asyncio.sleep(30)
        if fault == "kill before":
            self.kill()
        if fault in ("silence", "reset", "kill before"):
            return _reset(writer)
        if fault == "kill after":
            await self._carried_out(head, body)
            self.kill()
            return _reset(writer)
        return await self._forward(head, body, writer, _SPOILT[fault])

    def _lane(self, target: str, body: bytes) -> Lane | None:
        """Whose call it is; DeleteObjects says so in its body."""
        parts = urlsplit(target).path.lstrip("/").split("/")
        name = parts[1] if len(parts) > 1 else ""
        if name not in self.lanes:
            found = _LANE.search(body[:4096])
            name = "" if found is None else found[1].decode()
        return self.lanes.get(name)

    async def _carried_out(self, head: bytes, body: bytes) -> None:
        """Forward it, and keep the answer."""
        where = urlsplit(self.upstream)
        reader, upstream = await asyncio.open_connection(where.hostname, where.port)
        lines = [
            line
            for line in head[:-4].split(b"\r\n")
            if not line.lower().startswith((b"connect", b"expect"))
        ]
        upstream.write(b"\r\n".join([*lines, b"Connection: close", b"", b""]) + body)
        await reader.read()
        upstream.close()
