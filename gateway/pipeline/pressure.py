"""Memory pressure: slow clients' unfinished parts go to disk, so that fast clients find memory.

Looked at when memory runs short and then ten times a second until it no longer does:

1. Above the high-water mark, uploads whose client will not complete its part within ``patience`` seconds spill,
   those with most memory first, until the low-water mark will be reached.
2. The holder of the right of way loses it by the same measure, and is the youngest from then on.
3. When nothing came back for a second although somebody waits, and no store owes an answer, the largest
   unfinished part spills, whoever's it is: the way out of every state that the first two do not foresee. (While a
   store stalls nothing is spilled for it: that would only read more than it takes.)
"""

import asyncio
from collections.abc import Callable
from typing import Final

from gateway.pipeline.budget import Budget, Claim, Holder

_TICK: Final = 0.1
_HIGH: Final = 0.75
_LOW: Final = 0.5
_STANDSTILL: Final = 1.0


class Pressure:
    """Watches one budget. ``patience`` in seconds; ``clock`` is monotonic."""

    def __init__(
        self, budget: Budget, *, patience: float = 2.0, clock: Callable[[], float]
    ) -> None:
        self._budget = budget
        self._patience = patience
        self._clock = clock
        self._claims: set[Claim] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._returned = 0
        self._moved_at = 0.0
        budget.strained = self.notice

    def __len__(self) -> int:
        return len(self._claims)

    def add(self, claim: Claim) -> None:
        """Count a claim in."""
        self._claims.add(claim)

    def remove(self, claim: Claim) -> None:
        """Count a claim out; the last one stops the watch."""
        self._claims.discard(claim)
        if not self._claims and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def _strained(self) -> bool:
        budget = self._budget
        return budget.waiting > 0 or budget.used > budget.general * _HIGH

    def notice(self) -> None:
        """Memory moved: begin to watch if it is short."""
        if self._timer is None and self._strained and self._claims:
            self._returned, self._moved_at = self._budget.returned, self._clock()
            self._timer = asyncio.get_running_loop().call_later(0, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._strained:
            return
        self._timer = asyncio.get_running_loop().call_later(_TICK, self._look)
        self._relieve()

    def _relieve(self) -> None:
        budget = self._budget
        elder = budget.elder
        holder = None if elder is None else elder.holder
        # Without a place on disk it keeps the right: slow progress is better than none.
        if elder is not None and holder is not None and self._slow(holder) and holder.spillable():
            holder.spill()
            budget.start_part(elder)
        needed = max(budget.wanted, budget.used - int(budget.general * _LOW))
        for holder in self._largest_first():
            if needed <= 0:
                break
            if self._slow(holder):
                needed -= holder.spillable()
                holder.spill()
        self._end_standstill()

    def _end_standstill(self) -> None:
        budget, now = self._budget, self._clock()
        if budget.returned != self._returned or not budget.waiting:
            self._returned, self._moved_at = budget.returned, now
        elif now - self._moved_at >= _STANDSTILL and not self._store_owes():
            for holder in self._largest_first()[:1]:
                holder.spill()

    def _store_owes(self) -> bool:
        holders = (claim.holder for claim in self._claims)
        return any(holder.sending() for holder in holders if holder is not None)

    def _slow(self, holder: Holder) -> bool:
        return holder.due() > self._patience

    def _largest_first(self) -> list[Holder]:
        holders = [
            claim.holder
            for claim in self._claims
            if claim.holder is not None and claim.holder.spillable()
        ]
        return sorted(holders, key=lambda holder: holder.spillable(), reverse=True)
