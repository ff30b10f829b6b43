"""Buffers that nobody has: kept for whoever asks next, and given back to the kernel when nobody does.

New memory costs as much as what moves through it: each page of it is a fault, and is cleared. So what is free may take
all that the budget leaves. Two rules keep it useful:

- *Taken is what was used last*, which the processor's caches still know; *dropped is what has lain longest*, whatever
  its size. So the sizes that are kept are those that are used: the small buffers of thousands of slow clients make
  room for a fast client's large ones once, and those stay as long as he moves bytes through them.
- *What nobody took for a while goes*, a little at a time. So memory is down again some seconds after a burst.
"""

import asyncio
import mmap
from collections import defaultdict, deque
from typing import Final

from gateway.units import MiB

#: Seconds after which what lies unused is looked for: it goes after one to two times that.
KEPT: Final = 5.0
#: Bytes that are given back in one turn of the event loop (unmapping 256 buffers of 16 KiB takes about a millisecond),
#: and the seconds between two of these turns.
_PER_TURN: Final = 4 * MiB
_BETWEEN_TURNS: Final = 0.01


class FreeMemory:
    """Free buffers by size. ``kept`` in seconds: see :data:`KEPT`. For one event loop, which runs when something is
    put."""

    def __init__(self, kept: float = KEPT) -> None:
        self._kept = kept
        #: Each with the number of its :meth:`put`; in each queue those put last are at the right.
        self._queues: defaultdict[int, deque[tuple[int, mmap.mmap]]] = defaultdict(deque)
        self._puts = 0
        self._seen = self._unused = 0
        self._timer: asyncio.TimerHandle | None = None
        #: Bytes in all.
        self.size = 0

    def take(self, size: int) -> mmap.mmap | None:
        """The buffer of exactly ``size`` bytes that was used last; None if there is none."""
        queue = self._queues[size]
        if not queue:
            return None
        self.size -= size
        return queue.pop()[1]

    def put(self, memory: mmap.mmap, size: int) -> None:
        """Keep a buffer of ``size`` bytes, at which nobody looks any more."""
        self._puts += 1
        self._queues[size].append((self._puts, memory))
        self.size += size
        if self._timer is None:
            self._look_in(self._kept)

    def shrink(self, most: int) -> None:
        """Keep at most ``most`` bytes: what has lain longest goes."""
        while self.size > most:
            self._drop(self._oldest())

    def _oldest(self) -> deque[tuple[int, mmap.mmap]]:
        """Where the buffer that has lain longest is the leftmost; there is one."""
        return min(
            (queue for queue in self._queues.values() if queue), key=lambda queue: queue[0][0]
        )

    def _drop(self, queue: deque[tuple[int, mmap.mmap]]) -> int:
        """Give the leftmost back to the kernel, which happens with its last reference; answers its bytes."""
        size = len(queue.popleft()[1])
        self.size -= size
        return size

    def _look_in(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        """Drop what has lain since the look before the last one; when that was all, look again later."""
        left = _PER_TURN
        while self.size and left > 0:
            queue = self._oldest()
            if queue[0][0] > self._unused:
                break
            left -= self._drop(queue)
        self._timer = None
        if left <= 0:
            self._look_in(_BETWEEN_TURNS)
            return
        self._unused, self._seen = self._seen, self._puts
        if self.size:
            self._look_in(self._kept)
