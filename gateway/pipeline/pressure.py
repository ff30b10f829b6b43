"""Memory pressure: slow clients' unfinished parts go to disk, so that fast clients find memory.

Looked at when memory runs short and then again and again until it no longer is:

1. Above the high-water mark, uploads whose client will not complete its part within ``patience`` seconds spill,
   those with most memory first, until the low-water mark will be reached.
2. The holder of the right of way loses it by the same measure, and is the youngest from then on.
3. When somebody waits although unfinished parts hold most of the memory, they block each other, and only the
   holder of the right of way gets on. Then the largest spill, whoever's they are, until the low-water mark will be
   reached. This is also the way out of every state that the first two do not foresee. (While a store stalls
   nothing is spilled for it: that would only read more than it takes.)
"""

import asyncio
from collections.abc import Callable
from typing import Final

from gateway.pipeline.budget import Budget, Claim, Holder

_TICK: Final = 0.02
#: A look may take this share of the time, at most.
_SHARE: Final = 0.1
_HIGH: Final = 0.75
_LOW: Final = 0.5
#: How long unfinished parts may block each other, and how long a store may owe an answer before it counts
#: as stalled; in seconds.
_BLOCKED: Final = 0.2
_STALLED: Final = 1.0


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
        self._open_at = 0.0
        budget.strained = self.notice
        budget.quiet = int(budget.general * _HIGH)

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
            self._open_at = self._moved_at
            self._timer = asyncio.get_running_loop().call_later(0, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._strained:
            return
        started = self._clock()
        self._relieve()
        pause = max(_TICK, (self._clock() - started) / _SHARE)
        self._timer = asyncio.get_running_loop().call_later(pause, self._look)

    def _relieve(self) -> None:
        budget = self._budget
        elder = budget.elder
        holder = None if elder is None else elder.holder
        # Without a place on disk it keeps the right: slow progress is better than none.
        if elder is not None and holder is not None and self._slow(holder) and holder.spillable():
            holder.spill()
            budget.start_part(elder)
        able = self._largest_first()
        blocked = self._is_blocked(sum(holder.spillable() for holder in able))
        needed = max(budget.wanted, budget.used - int(budget.general * _LOW))
        for holder in able:
            if needed <= 0:
                break
            if blocked or self._slow(holder):
                needed -= holder.spillable()
                holder.spill()

    def _is_blocked(self, unfinished: int) -> bool:
        budget, now = self._budget, self._clock()
        if budget.returned != self._returned:
            self._returned, self._moved_at = budget.returned, now
        if not budget.waiting or unfinished * 2 < budget.general:
            self._open_at = now
        stalled = now - self._moved_at >= _STALLED and self._store_owes()
        return now - self._open_at >= _BLOCKED and not stalled

    def _store_owes(self) -> bool:
        holders = (claim.holder for claim in self._claims)
        return any(holder.sending() for holder in holders if holder is not None)

    def _slow(self, holder: Holder) -> bool:
        return holder.due() > self._patience

    def _largest_first(self) -> list[Holder]:
        """Who could spill; the holder of the right of way comes last."""
        elder = self._budget.elder
        sizes = [
            (claim is not elder, claim.holder.spillable(), claim.holder)
            for claim in self._claims
            if claim.holder is not None
        ]
        able = [entry for entry in sizes if entry[1]]
        able.sort(key=lambda entry: entry[:2], reverse=True)
        return [holder for _, _, holder in able]
