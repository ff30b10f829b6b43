"""Pooled buffers for bodies, 16 KiB to 4 MiB, under one byte budget.

A slab is anonymous private memory of its own (``mmap``): giving it back to the kernel really frees it,
whatever malloc's thresholds are, so resident memory follows the budget. Free slabs are kept for reuse
only as far as the budget has room for them beside what is in use. What a lease charges is its capacity.

No lease ever shows another's bytes: readers get views of exactly the filled length, and a slab that
somebody still looks at when its lease ends is not reused but left to the garbage collector.
"""

import mmap
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from gateway.adapt.buffer_size import LARGEST, SMALLEST, power_of_two
from gateway.errors import Overloaded
from gateway.pipeline.budget import Budget, Claim, Holder
from gateway.pipeline.pressure import Pressure
from gateway.telemetry import Instrument
from gateway.units import KiB

_FLAGS: Final = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
#: Slabs that wait for their clients' bytes can't be spilled. They may own this share of general memory.
_SHARE_OF_CLIENTS: Final = 4
#: Larger slabs are for clients that fill them at once: slow ones never keep half of that share from them.
_GATHERING: Final = 128 * KiB
#: Slabs that nobody has may take this share of the budget.
_SHARE_OF_FREE: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStatistics:
    """A pool at one moment. Sizes in bytes."""

    budget: int
    used: int
    #: The most that was ever in use.
    peak: int
    #: Kept for reuse; ``used + free <= budget`` always.
    free: int
    #: Claims that wait for memory.
    waiting: int
    #: Accounts that are open.
    accounts: int
    #: Slabs newly allocated, taken from the pool, and given up because somebody still looked at them.
    allocated: int
    reused: int
    retired: int


class Slab:
    """A leased buffer. ``filled`` bytes of it, from its start, are somebody's data."""

    __slots__ = ("_account", "_leases", "_memory", "_open", "_view", "filled", "size")

    def __init__(self, account: "Account", memory: mmap.mmap) -> None:
        self._account = account
        self._memory = memory
        self._view = memoryview(memory)
        self._leases = 1
        self._open = True
        self.size: Final = len(memory)
        self.filled = 0

    def window(self, size: int) -> memoryview:
        """The next ``size`` bytes to be filled, or fewer where the slab ends."""
        return self._view[self.filled : min(self.filled + size, self.size)]

    def data(self) -> memoryview:
        """What is filled, not writable."""
        return self._view[: self.filled].toreadonly()

    def seal(self) -> None:
        """It takes no more bytes: it waits for nobody who might not send any."""
        if self._open:
            self._open = False
            self._account.sealed(self.size)

    def retain(self) -> None:
        """One more :meth:`release` is needed before the memory goes back."""
        self._leases += 1

    def release(self) -> None:
        """Give the lease back. The bytes may be overwritten from then on."""
        if self._leases <= 0:
            raise AssertionError("a slab was released twice")
        self._leases -= 1
        if self._leases == 0:
            self.seal()
            self._view.release()
            memory = self._memory
            del self._memory  # a slab that is kept by mistake keeps no memory
            self._account.give_back(memory)


class Account:
    """What one upload or download holds of the pool. Open it before use, close it after.

    Used as a context manager it opens and closes itself.
    """

    def __init__(self, pool: "SlabPool", principal: str) -> None:
        self._pool = pool
        self.claim: Final = Claim(principal)

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def principal(self) -> str:
        """Who pays."""
        return self.claim.principal

    @property
    def held(self) -> int:
        """Bytes charged to it now."""
        return self.claim.held

    def open(self, holder: Holder | None = None) -> None:
        """Be admitted. ``holder`` can give memory back under pressure.

        Raises:
            Overloaded: the budget is too small for one more body.
        """
        self._pool.admit(self.claim)
        self.claim.holder = holder

    def close(self) -> None:
        """Leave. What is still leased stays charged until it is released."""
        self._pool.dismiss(self.claim)
        self.claim.holder = (
            None  # which holds us: nobody but the garbage collector would part the two
        )

    async def take(self, size: int) -> Slab:
        """Wait for a slab of about ``size`` bytes: the next power of two in 16 KiB to 4 MiB, smaller when many
        share the budget."""
        return Slab(self, await self._pool.take(self.claim, size))

    def sealed(self, size: int) -> None:
        """For :class:`Slab` only."""
        self._pool.sealed(size)

    def take_at_once(self, size: int) -> Slab | None:
        """The same where it needs no waiting; else None."""
        memory = self._pool.take_at_once(self.claim, size)
        return None if memory is None else Slab(self, memory)

    def spare(self, size: int) -> list[Slab]:
        """Slabs for ``size`` bytes out of memory that nobody misses, at once; none if there is not that much."""
        slabs = [Slab(self, memory) for memory in self._pool.spare(self.claim, size)]
        for slab in slabs:
            slab.seal()  # it waits for a store, not for a client
        return slabs

    def give_back(self, memory: mmap.mmap) -> None:
        """For :class:`Slab` only."""
        self._pool.put(self.claim, memory)

    async def take_room(self, size: int) -> None:
        """Wait until ``size`` bytes that are not in slabs may be resident.

        Raises:
            Overloaded: the budget is smaller than that.
        """
        await self._pool.charge(self.claim, size, complete=True)

    def take_room_at_once(self, size: int) -> bool:
        """The same where it needs no waiting; answer whether it was taken."""
        return self._pool.charge_at_once(self.claim, size)

    def leave_room(self, size: int) -> None:
        """They no longer are."""
        self._pool.credit(self.claim, size)

    def start_part(self) -> None:
        """An unfinished part begins: the youngest."""
        self._pool.budget.start_part(self.claim)

    def end_part(self) -> None:
        """It needs no more memory."""
        self._pool.budget.end_part(self.claim)


class SlabPool:
    """Memory for bodies in transit. ``budget`` and ``reserve`` in bytes; the reserve, a quarter of the budget
    where none is given, is what the oldest unfinished part may use besides.

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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.budget: Final = Budget(budget, budget // 4 if reserve is None else reserve)
        self._instrument = instrument or Instrument()
        self._pressure = Pressure(self.budget, patience=patience, clock=clock)
        self._clock = clock
        self._free: dict[int, list[mmap.mmap]] = {}
        self._free_bytes = 0
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
            free=self._free_bytes,
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
        if self._free_bytes:
            self._make_room()
        self._instrument.memory_held(budget.used, budget.waiting)
        return True

    async def take(self, claim: Claim, size: int) -> mmap.mmap:
        """A buffer of the right class, charged."""
        memory = self.take_at_once(claim, size)
        if memory is not None:
            return memory
        size = self.class_of(size)
        self._opened(size)  # from now on: many may wait, and all will get what they asked for
        try:
            await self.charge(claim, size)
        finally:
            self.sealed(size)
        return self._allocate(size)

    def take_at_once(self, claim: Claim, size: int) -> mmap.mmap | None:
        """The same where nobody must be waited for; else None."""
        size = self.class_of(size)
        if not self.budget.charge_at_once(claim, size):
            return None
        self._instrument.memory_held(self.budget.used, self.budget.waiting)
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
        self._opened(size)
        free = self._free.get(size)
        if free:
            self._reused += 1
            self._free_bytes -= size
            self._instrument.slab_taken(size, reused=True)
            return free.pop()
        self._make_room()
        self._allocated += 1
        self._instrument.slab_taken(size, reused=False)
        return mmap.mmap(-1, size, flags=_FLAGS)

    def class_of(self, size: int) -> int:
        """The size of slab that is given for a wish of ``size`` bytes: it fits what slabs that wait for their
        clients leave of their share, or what large ones leave of half of it, or else everybody's part of that."""
        if size <= SMALLEST:
            return SMALLEST
        share = self.budget.general // _SHARE_OF_CLIENTS
        fair = share // max(1, len(self._pressure))
        left = share - self._open_bytes
        if size > _GATHERING:
            left = max(left, share // 2 - self._open_large)
        largest = min(LARGEST, _power_below(max(fair, left)))
        return max(SMALLEST, min(power_of_two(max(1, size)), largest))

    def _opened(self, size: int) -> None:
        self._open_bytes += size
        if size > _GATHERING:
            self._open_large += size

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
            self._free.setdefault(size, []).append(memory)
            self._free_bytes += size
        self.credit(claim, size)
        self._make_room()

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
        """Drop free slabs while they and what is in use exceed the budget, or they alone a part of it: thousands of
        slow clients' small slabs would stay for ever, of no use to anybody else. Those go first of whose size most is
        free: a fast client's few large ones are taken again at once, and new memory costs as much as what moves through
        it."""
        most = self.budget.total // _SHARE_OF_FREE
        while self._free_bytes > min(most, self.budget.total - self.budget.used):
            size = max(self._free, key=lambda size: (size * len(self._free[size]), size))
            self._free[size].pop()
            self._free_bytes -= size


def _power_below(size: int) -> int:
    """The largest power of two that is not over ``size``; 0 of nothing."""
    return 1 << (size.bit_length() - 1) if size > 0 else 0
