"""A request that stands still in the middle of its body, in this process."""

import asyncio
from typing import Any

from tests.chaos.inside import Process
from tests.chaos.line import Answer, Call


class Stalled:
    """``offset`` is where its body begins in the upload; ``overtaken``: whether somebody else has written since."""

    def __init__(self, process: Process, call: Call, offset: int) -> None:
        self.call = call
        self.offset = offset
        self.overtaken = False
        self._process = process
        self._coming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._sent = 0
        self._task: asyncio.Task[Answer] | None = None

    async def begin(self, size: int) -> None:
        """Send so many bytes, and let them arrive."""
        self._task = asyncio.create_task(self._process.speak(self.call, self._coming.get))
        self._put(self.call.body[:size], more=True)
        upload = self.call.target.split("/")[3].split(".")[0]
        for _ in range(100):
            await asyncio.sleep(0.002)
            if self._task.done() or self._process.writes(upload):
                break
        await asyncio.sleep(0.005)

    def _put(self, body: bytes, *, more: bool) -> None:
        self._sent += len(body)
        self._coming.put_nowait({"type": "http.request", "body": body, "more_body": more})

    async def end(self, other: bytes | None) -> Answer:
        """Send the rest, or ``other`` bytes (counted from the body's beginning) in its place, and hear the answer."""
        assert self._task is not None
        left = (self.call.body if other is None else other)[self._sent : len(self.call.body)]
        self._put(left, more=False)
        self._coming.put_nowait({"type": "http.disconnect"})
        return await self._task
