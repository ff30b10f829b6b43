"""Bytes of memory, who holds them, who waits for them, and who goes first when there are none left.

``total`` is what bodies may take in this process; ``reserve`` of it is kept back for one part at a time.

- **General memory** (``total - reserve``) goes first come, first served within a principal and in turns
  between principals. The one whose turn it is is never overtaken by a smaller wish.
- **The right of way.** When general memory is out, one part among those that wait may use the reserve too,
  until it is complete: the oldest that is complete on disk and only waits to be sent, else the oldest
  unfinished one. What was not granted by right never exceeds general memory, a complete part always
  returns its memory (the store answers or times out), and the reserve holds the largest part: so the next
  holder finds room, and there is no deadlock, however many uploads hold pieces of parts.
- A part whose client is slow loses the right (:mod:`gateway.pipeline.pressure`) and is the youngest from then on.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Final, Protocol

from gateway.errors import Overloaded
from gateway.pipeline.fairness import FairQueue


class Holder(Protocol):
    """An upload, as memory pressure sees it."""

    def spillable(self) -> int:
        """Bytes of its unfinished part that could go to disk now."""
        ...

    def sending(self) -> bool:
        """Whether parts of it are with the store, so that memory will come back."""
        ...

    def due(self) -> float:
        """Seconds until its unfinished part is complete, at the rate its client shows."""
        ...

    def spill(self) -> None:
        """Begin to write them to disk; their memory comes back when that is done."""
        ...


class Claim:
    """One upload's or download's share of a budget: what it holds, and the age of its unfinished part."""

    __slots__ = ("held", "holder", "principal", "ticket", "waiter")

    def __init__(self, principal: str) -> None:
        self.principal = principal
        self.held = 0
        self.holder: Holder | None = None
        #: Age of the unfinished part, smaller is older. None: nothing here completes by itself (a
        #: download), so it has no right of way.
        self.ticket: int | None = None
        self.waiter: _Waiter | None = None


class _Waiter:
    __slots__ = ("claim", "complete", "ready", "size")

    def __init__(self, claim: Claim, size: int, complete: bool) -> None:
        self.claim = claim
        self.size = size
        self.complete = complete
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Budget:
    """Counts bytes and makes claims wait for them. ``total`` and ``reserve`` in bytes.

    Raises:
        ValueError: the reserve leaves no general memory.
    """

    def __init__(self, total: int, reserve: int) -> None:
        if not 0 <= reserve < total:
            raise ValueError(f"a reserve of {reserve} does not fit a budget of {total}")
        self.total = total
        self.reserve = reserve
        self.used = 0
        self.peak = 0
        #: Grows whenever memory comes back: how the pressure sees that something moves.
        self.returned = 0
        self.elder: Claim | None = None
        #: Called after a change that may call for relief.
        self.strained: Callable[[], None] = lambda: None
        #: Bytes in use up to which nothing calls for relief, while nobody waits.
        self.quiet = -1
        #: Claims that wait.
        self.queue: Final[FairQueue[_Waiter]] = FairQueue()
        self._tickets = count()

    @property
    def general(self) -> int:
        """Bytes that are for everybody."""
        return self.total - self.reserve

    @property
    def waiting(self) -> int:
        """How many claims wait."""
        return self.queue.count

    @property
    def wanted(self) -> int:
        """Bytes that are waited for."""
        return sum(waiter.size for waiter in self.queue)

    async def charge(self, claim: Claim, size: int, *, complete: bool = False) -> None:
        """Wait for ``size`` bytes and take them. ``complete``: they are all that a part needs to be sent.

        Raises:
            Overloaded: so much is never free.
        """
        if self.charge_at_once(claim, size):
            return
        if size > (self.general if claim.ticket is None else self.total):
            raise Overloaded("More memory is needed than this gateway may use.", retry_after=60)
        waiter = claim.waiter = _Waiter(claim, size, complete)
        self.queue.push(claim.principal, waiter)
        self._dispatch()
        try:
            await waiter.ready
            claim.waiter = None
        except asyncio.CancelledError:
            claim.waiter = None
            if waiter.ready.done() and not waiter.ready.cancelled():
                self.credit(claim, size)
            else:
                with suppress(ValueError):  # out of the queue already, when its turn came meanwhile
                    self.queue.remove(claim.principal, waiter)
                self._dispatch()
            raise

    def charge_at_once(self, claim: Claim, size: int) -> bool:
        """Take ``size`` bytes if nobody has to be waited for; answer whether they were taken."""
        used = self.used + size
        limit = self.total if claim is self.elder else self.total - self.reserve
        if used > limit or (self.queue.count and claim is not self.elder):
            return False
        self.used = used  # as _take(): this is on everybody's way
        if used > self.peak:
            self.peak = used
        claim.held += size
        if used > self.quiet or self.queue.count:
            self.strained()
        return True

    def spare(self, claim: Claim, size: int) -> bool:
        """Take ``size`` bytes that nobody misses, if there are as many: nobody waits, and half of general memory
        stays free, so that taking them brings nobody under pressure."""
        if self.queue or (self.used + size) * 2 > self.general:
            return False
        self._take(claim, size)
        return True

    def credit(self, claim: Claim, size: int) -> None:
        """Give bytes back."""
        if not 0 <= size <= claim.held:
            raise AssertionError(f"{size} bytes come back of {claim.held}")
        self.used -= size
        self.returned += size
        claim.held -= size
        if self.used > self.quiet or self.queue.count:
            self._dispatch()

    def start_part(self, claim: Claim) -> None:
        """A part begins: it is the youngest. Also for one that lost its right."""
        self.end_part(claim)
        claim.ticket = next(self._tickets)

    def end_part(self, claim: Claim) -> None:
        """The part is complete, or given up: it needs no more memory."""
        claim.ticket = None
        if claim is self.elder:
            self.elder = None
            self._dispatch()

    def _take(self, claim: Claim, size: int) -> None:
        self.used += size
        if self.used > self.peak:
            self.peak = self.used
        claim.held += size

    def _dispatch(self) -> None:
        if not self.queue.count and self.used <= self.quiet:
            return
        while (head := self.queue.head()) and self.used + head.size <= self.general:
            self._grant(self.queue.pop())
        if self.queue:
            self._by_right()
        self.strained()

    def _by_right(self) -> None:
        if self.elder is None:
            self.elder = self._oldest()
        waiter = None if self.elder is None else self.elder.waiter
        if waiter is None or waiter.ready.done() or self.used + waiter.size > self.total:
            return
        self.queue.remove(waiter.claim.principal, waiter)
        self._grant(waiter)

    def _oldest(self) -> Claim | None:
        """The claim that gets the right of way: with a part that depends on no client any more, if there is one."""
        able = [
            (not waiter.complete, waiter.claim.ticket, waiter.claim)
            for waiter in self.queue
            if waiter.claim.ticket is not None
        ]
        return min(able, key=lambda entry: entry[:2])[2] if able else None

    def _grant(self, waiter: _Waiter) -> None:
        if waiter.ready.cancelled():
            return
        self._take(waiter.claim, waiter.size)
        waiter.ready.set_result(None)
