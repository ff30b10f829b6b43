"""Following an upload: server-sent events (WHATWG HTML, 9.2) with what is received, durable, and still to come."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

from gateway.errors import UploadGone, UploadNotFound
from gateway.pipeline.owner import Owner
from gateway.protocol.upload_heads import upload_document
from gateway.sessions.uploads import UploadSession
from gateway.transfer.resumable.engine import Resumables
from gateway.web.streams import Receive, Send

#: Between two looks, and between two signs of life where nothing moves, in seconds.
EVERY: Final = 0.5
ALIVE: Final = 15.0
#: Older speed loses half its weight in so many seconds.
_HALF_LIFE: Final = 5.0

Look = Callable[[], Awaitable[UploadSession]]


class Pace:
    """Bytes per second lately."""

    def __init__(self, now: float, received: int) -> None:
        self._at, self._received = now, received
        self._rate: float | None = None

    def at(self, now: float, received: int) -> float:
        """The rate after ``received`` bytes at ``now``."""
        seconds = now - self._at
        if seconds > 0:
            fresh = max(0, received - self._received) / seconds
            weight = 0.5 ** (seconds / _HALF_LIFE)
            self._rate = fresh if self._rate is None else weight * self._rate + (1 - weight) * fresh
            self._at, self._received = now, received
        return self._rate or 0.0


def facts(engine: Resumables, session: UploadSession, pace: Pace, now: float) -> dict[str, Any]:
    """What an event says. ``durable`` and ``received`` are bytes (the second counts what a running request has in
    its hands besides), ``rate`` bytes per second, ``eta`` seconds (None: unknown)."""
    status = engine.status(session)
    in_hand = 0 if status.complete else engine.in_hand(session.id)
    received = max(status.received, in_hand)
    if status.length is not None:
        received = min(received, status.length)
    rate = pace.at(now, received)
    left = None if status.length is None else status.length - received
    document = upload_document(status)
    return {
        "id": document["id"],
        "durable": status.offset,
        "received": received,
        "length": status.length,
        "parts": sum(1 for extent in session.extents if extent.number),
        "rate": round(rate),
        "eta": round(left / rate, 1) if left is not None and rate > 0 else None,
        "complete": status.complete,
    }


def event(name: str, data: dict[str, Any]) -> bytes:
    """One event as it is sent."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode("ascii")


async def follow(
    engine: Resumables, look: Look, receive: Receive, send: Send, ended: Callable[[], bool]
) -> int:
    """Send events until the upload is done or gone, the client leaves, or ``ended`` says so; answers the bytes sent. An
    event is sent when something has changed, twice a second at most."""
    leaving, sent = Owner(), 0
    leave = leaving.start(_left(receive), name="client of events")
    try:
        async for piece in _pieces(engine, look, leave, ended):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            sent += len(piece)
    finally:
        leaving.cancel()
        await leaving.join()
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    return sent


async def _pieces(
    engine: Resumables, look: Look, leave: "asyncio.Task[None]", ended: Callable[[], bool]
) -> AsyncIterator[bytes]:
    pace: Pace | None = None
    last, alive = None, time.monotonic()
    while not leave.done() and not ended():
        try:
            session = await look()
        except (UploadGone, UploadNotFound):
            yield event("gone", {})
            return
        now = time.monotonic()
        pace = pace or Pace(now, engine.status(session).received)
        if session.state in ("ending", "gone", "failed"):
            yield event("gone", {"id": session.id})
            return
        found = facts(engine, session, pace, now)
        said = {name: value for name, value in found.items() if name not in ("rate", "eta")}
        if said != last:
            last, alive = said, now
            yield event("done" if found["complete"] else "progress", found)
        elif now - alive >= ALIVE:
            alive = now
            yield b": still here\n\n"
        if found["complete"]:
            return
        await asyncio.wait((leave,), timeout=EVERY)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
