"""Where slow clients' uploads sleep while bytes gather, and how they come back: a few in each turn of the event loop.

Thousands that wake when their time comes make a turn of the event loop as long as all of them take together, and
a fast client gets one read per turn: it waits behind slow ones for the one thing that no budget counts. So only so
many wake in one turn. The others sleep on for a few turns, which costs them nothing (their bytes gather in the kernel,
and one read takes more of them), and whoever is awake has as many turns as it can use.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable
from heapq import heappop, heappush
from itertools import count
from typing import Final

#: Uploads that come back in one turn of the event loop. A turn is some milliseconds then; and still thousands come back
#: in a second.
PER_TURN: Final = 32
#: Seconds in which sleepers wake together: one after the other they find the processor's caches warm, each by itself
#: would need up to twice the time.
_GRAIN: Final = 0.03


class Naps:
    """All the sleepers of one event loop."""

    def __init__(self) -> None:
        self._sleeping: list[tuple[float, int, asyncio.Future[None]]] = []
        self._due: deque[asyncio.Future[None]] = deque()
        self._numbers = count()
        self._timer: asyncio.Handle | None = None
        self._rings_at = 0.0
        self._turn: asyncio.Handle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        """How many sleep."""
        return len(self._sleeping) + len(self._due)

    def nap(self, seconds: float) -> Awaitable[None]:
        """To sleep so long, and then until it is one's turn: first due, first awake."""
        loop = self._loop
        if loop is None:  # asked once: asking costs a system call
            loop = self._loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        if seconds > 0:
            heappush(self._sleeping, (loop.time() + seconds, next(self._numbers), woken))
            self._set(loop)
        else:
            self._due.append(woken)
            self._go_on(loop)
        return woken

    def _set(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have the alarm ring for the first of the sleepers."""
        due = self._sleeping[0][0]
        if self._timer is not None:
            if self._rings_at <= due:
                return
            self._timer.cancel()
        self._rings_at = due
        self._timer = loop.call_at(due, self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        # What the clock's grain makes late would else cost a timer of its own each.
        now = loop.time() + _GRAIN
        while self._sleeping and self._sleeping[0][0] <= now:
            self._due.append(heappop(self._sleeping)[2])
        if self._sleeping:
            self._set(loop)
        self._go_on(loop)

    def _go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._due and self._turn is None:
            self._turn = loop.call_soon(self._wake, loop)

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        """One turn's worth. What is called soon from here is called in the next turn."""
        self._turn = None
        left = PER_TURN
        while self._due and left:
            woken = self._due.popleft()
            if not woken.done():  # its upload may be gone
                woken.set_result(None)
                left -= 1
        self._go_on(loop)
