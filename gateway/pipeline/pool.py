"""Pooled buffers for bodies, 16 KiB to 4 MiB, under one byte budget.

A slab is anonymous private memory of its own (``mmap``): giving it back to the kernel really frees it,
whatever malloc's thresholds are, so resident memory follows the budget. What nobody has lies in
:mod:`gateway.pipeline.free` until it is taken again, as far as the budget has room for it beside what is in use.
"""

import mmap
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.adapt.buffer_size import LARGEST, SMALLEST
from gateway.errors import Overloaded
from gateway.pipeline.budget import Budget, Claim
from gateway.pipeline.free import KEPT, FreeMemory
from gateway.pipeline.pressure import Pressure
from gateway.pipeline.slabs import Account
from gateway.telemetry import Instrument
from gateway.units import KiB

_FLAGS: Final = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
#: Slabs that wait for their clients' bytes can't be spilled. They may own this share of general memory.
_SHARE_OF_CLIENTS: Final = 4
#: Larger slabs are for clients that fill them at once: slow ones never keep half of that share from them.
_GATHERING: Final = 128 * KiB


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStatistics:
    """A pool at one moment. Sizes in bytes."""

    budget: int
    used: int
    #: The most that was ever in use.
    peak: int
    #: Kept for reuse; ``used + free <= budget``, but for what was granted to claims that have not woken up yet.
    free: int
    #: Claims that wait for memory.
    waiting: int
    #: Accounts that are open.
    accounts: int
    #: Slabs newly allocated, taken from the pool, and given up because somebody still looked at them.
    allocated: int
    reused: int
    retired: int


class SlabPool:
    """Memory for bodies in transit. ``budget`` and ``reserve`` in bytes; the reserve, a quarter of the budget
    where none is given, is what the oldest unfinished part may use besides. ``kept``: see
    :class:`~gateway.pipeline.free.FreeMemory`.

    Raises:
        ValueError: the reserve leaves nothing for others, or holds no part beside a slab.
    """

    def __init__(
        self,
        budget: int,
        reserve: int | None = None,
        instrument: Instrument | None = None,
        *,
        patience: float = 2.0,
        kept: float = KEPT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.budget: Final = Budget(budget, budget // 4 if reserve is None else reserve)
        self._share: Final = self.budget.general // _SHARE_OF_CLIENTS
        self._instrument = instrument or Instrument()
        self._pressure = Pressure(self.budget, patience=patience, clock=clock)
        self._clock = clock
        self._free = FreeMemory(kept)
        self._open_bytes = 0
        self._open_large = 0
        self._allocated = self._reused = self._retired = 0

    @property
    def part_cap(self) -> int:
        """The largest part that a plan may use, in bytes: it fits the reserve beside its last slab."""
        return max(self.budget.reserve - SMALLEST, 0) // SMALLEST * SMALLEST

    def account(self, principal: str) -> Account:
        """An account, still to be opened, that shares fairly as ``principal``."""
        return Account(self, principal)

    def statistics(self) -> PoolStatistics:
        """Figures for metrics and tests."""
        return PoolStatistics(
            budget=self.budget.total,
            used=self.budget.used,
            peak=self.budget.peak,
            free=self._free.size,
            waiting=self.budget.waiting,
            accounts=len(self._pressure),
            allocated=self._allocated,
            reused=self._reused,
            retired=self._retired,
        )

    # --- for Account ---

    def admit(self, claim: Claim) -> None:
        """Count a claim in, if the smallest slabs of all fit twice."""
        if (len(self._pressure) + 1) * SMALLEST * 2 > self.budget.general:
            raise Overloaded(
                "Too many bodies are in transit for the memory of this gateway.", retry_after=1
            )
        self._pressure.add(claim)

    def dismiss(self, claim: Claim) -> None:
        """Count it out."""
        self.budget.end_part(claim)
        self._pressure.remove(claim)

    async def charge(self, claim: Claim, size: int, *, complete: bool = False) -> None:
        """Take bytes of the budget, and have the memory for them ready."""
        waiting = self.budget.charge(claim, size, complete=complete)
        if self.budget.waiting or self.budget.used + size > self.budget.general:
            started = self._clock()
            await waiting
            self._instrument.memory_waited(self._clock() - started)
        else:
            await waiting
        if complete:
            self._make_room()  # what comes is no slab, so free ones don't serve
        self._instrument.memory_held(self.budget.used, self.budget.waiting)

    def charge_at_once(self, claim: Claim, size: int) -> bool:
        """The same for bytes that are not in slabs, where nobody must be waited for; answer whether it was done."""
        budget = self.budget
        if not budget.charge_at_once(claim, size):
            return False
        if self._free.size:
            self._make_room()
        self._instrument.memory_held(budget.used, budget.waiting)
        return True

    async def take(self, claim: Claim, size: int) -> mmap.mmap:
        """A buffer of the right class, charged."""
        memory = self.take_at_once(claim, size)
        if memory is not None:
            return memory
        size = self.class_of(size)
        self._open_bytes += size  # from now on: many may wait, and all will get what they asked for
        if size > _GATHERING:
            self._open_large += size
        try:
            await self.charge(claim, size)
        finally:
            self.sealed(size)
        return self._allocate(size)

    def take_at_once(self, claim: Claim, size: int) -> mmap.mmap | None:
        """The same where nobody must be waited for; else None."""
        size = self.class_of(size)
        budget = self.budget
        if not budget.charge_at_once(claim, size):
            return None
        self._instrument.memory_held(budget.used, budget.queue.count)
        return self._allocate(size)

    def spare(self, claim: Claim, size: int) -> list[mmap.mmap]:
        """Buffers for ``size`` bytes, charged as :meth:`Budget.spare` does, or none."""
        piece = self.class_of(size)
        count = -(-size // piece)
        if not self.budget.spare(claim, count * piece):
            return []
        self._instrument.memory_held(self.budget.used, self.budget.waiting)
        return [self._allocate(piece) for _ in range(count)]

    def _allocate(self, size: int) -> mmap.mmap:
        """A free buffer of that size, or a new one; charged already. It is open until it is sealed."""
        self._open_bytes += size
        if size > _GATHERING:
            self._open_large += size
        memory = self._free.take(size)
        if memory is not None:
            self._reused += 1
            self._instrument.slab_taken(size, reused=True)
            return memory
        self._make_room()
        self._allocated += 1
        self._instrument.slab_taken(size, reused=False)
        return mmap.mmap(-1, size, flags=_FLAGS)

    def class_of(self, size: int) -> int:
        """The size of slab that is given for a wish of ``size`` bytes: it fits what slabs that wait for their
        clients leave of their share, or what large ones leave of half of it, or else everybody's part of that."""
        if size <= SMALLEST:
            return SMALLEST
        share = self._share
        left = share - self._open_bytes
        wanted = 1 << (size - 1).bit_length()
        if wanted <= left:
            return min(wanted, LARGEST)
        fair = share // max(1, len(self._pressure))
        if size > _GATHERING:
            left = max(left, share // 2 - self._open_large)
        largest = min(LARGEST, _power_below(max(fair, left)))
        return max(SMALLEST, min(wanted, largest))

    def sealed(self, size: int) -> None:
        """A slab of ``size`` bytes waits for nobody any more."""
        self._open_bytes -= size
        if size > _GATHERING:
            self._open_large -= size

    def put(self, claim: Claim, memory: mmap.mmap) -> None:
        """Take a buffer back."""
        size = len(memory)
        if self._is_looked_at(memory):
            self._retired += 1
        else:
            self._free.put(memory, size)
        budget = self.budget
        budget.credit(claim, size)
        self._instrument.memory_held(budget.used, budget.queue.count)

    def credit(self, claim: Claim, size: int) -> None:
        """Give bytes of the budget back."""
        self.budget.credit(claim, size)
        self._instrument.memory_held(self.budget.used, self.budget.waiting)

    @staticmethod
    def _is_looked_at(memory: mmap.mmap) -> bool:
        # Python looks for views before it looks at the size, which is none: so nothing changes, and the kernel is
        # not asked.
        try:
            memory.resize(-1)
        except ValueError:
            return False
        except BufferError:
            return True
        raise AssertionError("a buffer took a negative size")  # pragma: no cover

    def _make_room(self) -> None:
        """Free memory is kept as far as the budget has room for it beside what is in use."""
        self._free.shrink(self.budget.total - self.budget.used)


def _power_below(size: int) -> int:
    """The largest power of two that is not over ``size``; 0 of nothing."""
    return 1 << (size.bit_length() - 1) if size > 0 else 0
