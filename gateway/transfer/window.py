"""A stretch of an object: read into memory ahead of its turn, and straight through when its turn has come."""

import asyncio
from collections import deque
from collections.abc import Iterable

from gateway.pipeline.slabs import Slab
from gateway.transfer.resuming import ResumingSource


class Window:
    """The bytes of ``source``. ``memory`` for all of them, or none: then nothing can be read ahead.

    :meth:`fill` runs as ``filling``, a task of whoever owns the window, until everything is in memory or the
    window's turn has come; from the first :meth:`read_into` on its reader needs no memory of ours.
    ``began``, in seconds, is None for a stream whose time says nothing about windows; ``width`` counts the streams
    that there were then, itself included.
    """

    def __init__(
        self,
        start: int,
        source: ResumingSource,
        memory: Iterable[Slab] = (),
        *,
        began: float | None = None,
        width: int = 1,
    ) -> None:
        self.start = start
        self.source = source
        self.size = source.length
        self.began = began
        self.width = width
        self.filling: asyncio.Task[None] | None = None
        self._slabs = deque(memory)
        self._taken = 0
        self._has_turn = False

    def end_at(self, stop: int, now: float) -> None:
        """From ``now`` on it is a window like others, and ends at ``stop``."""
        self.source.end_at(stop)
        self.size, self.began = self.source.length, now

    @property
    def received(self) -> bool:
        """Whether all of it came from the store."""
        return self.source.length == 0

    @property
    def running(self) -> bool:
        """Whether it takes part in what is asked of the store now."""
        if self._has_turn:
            return not self.received
        return self.filling is not None and not self.filling.done()

    @property
    def held(self) -> int:
        """Bytes of memory."""
        return sum(slab.size for slab in self._slabs)

    async def fill(self) -> None:
        """Read it into memory.

        Raises:
            GatewayError: the store fails. What is missing is asked for again when the window's turn comes.
        """
        for slab in tuple(self._slabs):
            while slab.filled < slab.size and not self.received:
                if self._has_turn:
                    return
                with slab.window(slab.size) as view:
                    slab.filled += await self.source.read_into(view)

    async def read_into(self, view: memoryview) -> int:
        """What comes next, 0 at the window's end. Its turn has come.

        Raises:
            GatewayError: the store fails for good.
        """
        self._has_turn = True
        if not self._unread and self.filling is not None:
            await asyncio.wait([self.filling])
            filling, self.filling = self.filling, None
            filling.result()
        if self._unread:
            return self._give(view)
        self.release()
        return await self.source.read_into(view)

    @property
    def _unread(self) -> int:
        """Bytes of the first slab that were not given on yet."""
        return self._slabs[0].filled - self._taken if self._slabs else 0

    def _give(self, view: memoryview) -> int:
        slab = self._slabs[0]
        with slab.data() as data:
            size = min(len(view), len(data) - self._taken)
            view[:size] = data[self._taken : self._taken + size]
        self._taken += size
        if self._taken == slab.size:
            self._slabs.popleft().release()
            self._taken = 0
        return size

    def drop(self) -> None:
        """Give it up before its turn: its memory comes back at once, or when its task has ended."""
        if self.filling is None or self.filling.done():
            self.release()
        else:
            self.filling.add_done_callback(lambda _: self.release())
            self.filling.cancel()

    def release(self) -> None:
        """Give its memory back. It must not be filled any more."""
        while self._slabs:
            self._slabs.popleft().release()
        self._taken = 0
