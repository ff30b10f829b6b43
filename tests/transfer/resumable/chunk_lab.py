"""Sending chunks; sources and sessions to which something happens meanwhile."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from gateway.errors import (
    SessionsUnavailable,
)
from gateway.model import ByteRange
from gateway.protocol.upload_commands import PutChunk
from gateway.sessions.memory import MemorySessions
from gateway.sessions.uploads import Change, UploadSession
from tests.transfer.lab import KEY, Bytes
from tests.transfer.resumable.lab import PART, Gateway, content

DATA = content(6 * PART + 777)


async def put(
    gateway: Gateway, session: UploadSession, start: int, data: bytes | Bytes, **more: Any
) -> UploadSession:
    source = Bytes(data) if isinstance(data, bytes) else data
    more.setdefault("range", ByteRange(start, start + len(source.data)))
    command = PutChunk(
        key=KEY,
        total=more.pop("total", session.length),
        body=more["range"].size,
        session=session.id,
        **more,
    )
    return await gateway.engine.put_chunk(session, command, source)


def pieces(size: int, seed: int = 1) -> list[tuple[int, bytes]]:
    found = [(at, DATA[at : at + size]) for at in range(0, len(DATA), size)]
    random.Random(seed).shuffle(found)
    return found


class Mute(MemorySessions):
    """Sessions that make a change, and then fail to answer or are slow to: as when the connection breaks."""

    def __init__(self, which: Callable[[Change], bool], error: Exception | None) -> None:
        super().__init__()
        self.which, self.error = which, error
        self.made = asyncio.Event()

    async def change_upload(self, upload_id: str, epoch: int, change: Change) -> UploadSession:
        after = await super().change_upload(upload_id, epoch, change)
        if self.which(change) and not self.made.is_set():
            self.made.set()
            if self.error is not None:
                raise self.error
            await asyncio.sleep(0.05)
        return after


UNANSWERED = SessionsUnavailable("No answer in time.")


class Meanwhile(Bytes):
    """A body at whose end something else has happened."""

    def __init__(self, data: bytes, happens: Callable[[], Awaitable[object]]) -> None:
        super().__init__(data)
        self._happens: Callable[[], Awaitable[object]] | None = happens

    async def read_into(self, view: memoryview, /) -> int:
        count = await super().read_into(view)
        if not self.length and self._happens is not None:
            happens, self._happens = self._happens, None
            await happens()
        return count
