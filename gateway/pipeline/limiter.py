"""Makes callers wait for a :class:`~gateway.adapt.concurrency.Limit`: the places in flight to one store.

Principals take turns, and an upload asks for one place at a time, so a small upload waits for one
part of each other, not for a queue of a large one's parts.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace

from gateway.adapt.concurrency import Limit
from gateway.adapt.samples import PartSample
from gateway.pipeline.fairness import FairQueue


@dataclass(frozen=True, slots=True)
class LimiterStatistics:
    """A limiter at one moment: places allowed, taken, the most ever taken, and callers that wait."""

    limit: int
    in_flight: int
    peak: int
    waiting: int


class Limiter:
    """Places for one store in this process."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._in_flight = 0
        self._peak = 0
        self._queue: FairQueue[asyncio.Future[None]] = FairQueue()

    @classmethod
    def of(cls, places: int) -> "Limiter":
        """As many places as that at once, fewer only while the store is congested."""
        return cls(Limit(places, maximum=places))

    def statistics(self) -> LimiterStatistics:
        """Figures for metrics and tests."""
        return LimiterStatistics(self._limit.value, self._in_flight, self._peak, len(self._queue))

    @property
    def shared(self) -> bool:
        """Whether more than one place is taken."""
        return self._in_flight > 1

    def acquire_now(self) -> bool:
        """Take a place if there is one and nobody waits for it; answer whether there was."""
        free = not self._queue.count and self._in_flight < self._limit.value
        if free:
            self._take()
        return free

    async def acquire(self, principal: str) -> int:
        """Wait for a place; answers how many are taken, this one included."""
        if self.acquire_now():
            return self._in_flight
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.push(principal, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            else:
                with suppress(ValueError):
                    self._queue.remove(principal, turn)
            raise
        return self._in_flight

    def spare(self) -> bool:
        """Take a place that nobody misses, if there is one: nobody waits, and half of the places are free."""
        if self._queue or self._in_flight * 2 >= self._limit.value:
            return False
        self._take()
        return True

    def release(self) -> None:
        """Give a place back."""
        if self._in_flight <= 0:
            raise AssertionError("a place was released twice")
        self._in_flight -= 1
        self._dispatch()

    def on_sample(self, sample: PartSample, in_flight: int) -> None:
        """An attempt ended: the store's limit learns from all uploads. ``in_flight`` as :meth:`acquire` answered."""
        self._limit.on_sample(replace(sample, in_flight=in_flight))
        self._dispatch()

    def _take(self) -> None:
        self._in_flight += 1
        self._peak = max(self._peak, self._in_flight)

    def _dispatch(self) -> None:
        while self._queue.count and self._in_flight < self._limit.value:
            turn = self._queue.pop()
            if not turn.cancelled():
                self._take()
                turn.set_result(None)
