"""Slabs, which are leased buffers for bodies, and the accounts that pay for them.

What a lease charges is its capacity. No lease ever shows another's bytes: readers get views of exactly the filled
length, and a slab that somebody still looks at when its lease ends is not reused but left to the garbage collector.
"""

import mmap
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from gateway.adapt.buffer_size import SMALLEST
from gateway.model import Source
from gateway.pipeline.budget import Claim, Holder

if TYPE_CHECKING:
    from gateway.pipeline.pool import SlabPool


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
            self._account.pool.sealed(self.size)

    def retain(self) -> None:
        """One more :meth:`release` is needed before the memory goes back."""
        self._leases += 1

    def release(self) -> None:
        """Give the lease back. The bytes may be overwritten from then on."""
        if self._leases <= 0:
            raise AssertionError("a slab was released twice")
        self._leases -= 1
        if self._leases == 0:
            account, memory = self._account, self._memory
            if self._open:
                self.seal()
            self._view.release()
            del self._memory  # a slab that is kept by mistake keeps no memory
            account.pool.put(account.claim, memory)


class Account:
    """What one upload or download holds of the pool. Open it before use, close it after.

    Used as a context manager it opens and closes itself.
    """

    def __init__(self, pool: "SlabPool", principal: str) -> None:
        self.pool: Final = pool
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
        self.pool.admit(self.claim)
        self.claim.holder = holder

    def close(self) -> None:
        """Leave. What is still leased stays charged until it is released."""
        self.pool.dismiss(self.claim)
        self.claim.holder = (
            None  # which holds us: nobody but the garbage collector would part the two
        )

    async def take(self, size: int) -> Slab:
        """Wait for a slab of about ``size`` bytes: the next power of two in 16 KiB to 4 MiB, smaller when many
        share the budget."""
        return Slab(self, await self.pool.take(self.claim, size))

    def take_at_once(self, size: int) -> Slab | None:
        """The same where it needs no waiting; else None."""
        memory = self.pool.take_at_once(self.claim, size)
        return None if memory is None else Slab(self, memory)

    def spare(self, size: int) -> list[Slab]:
        """Slabs for ``size`` bytes out of memory that nobody misses, at once; none if there is not that much."""
        slabs = [Slab(self, memory) for memory in self.pool.spare(self.claim, size)]
        for slab in slabs:
            slab.seal()  # it waits for a store, not for a client
        return slabs

    async def take_room(self, size: int) -> None:
        """Wait until ``size`` bytes that are not in slabs may be resident.

        Raises:
            Overloaded: the budget is smaller than that.
        """
        await self.pool.charge(self.claim, size, complete=True)

    def leave_room(self, size: int) -> None:
        """They no longer are."""
        self.pool.credit(self.claim, size)

    def take_over(self, source: Source, size: int) -> memoryview | None:
        """A small body where it lies, if all ``size`` bytes of it are here already, which some sources can tell; else
        None. It counts as the smallest slab, as what it lies in holds a little more than the body: leave room of
        :data:`SMALLEST` bytes when it is let go of."""
        at_once: Callable[[int], memoryview | None] | None = getattr(source, "take_at_once", None)
        if at_once is None or not self.pool.charge_at_once(self.claim, SMALLEST):
            return None
        data = at_once(size)
        if data is None:
            self.pool.credit(self.claim, SMALLEST)
        return data

    def start_part(self) -> None:
        """An unfinished part begins: the youngest."""
        self.pool.budget.start_part(self.claim)

    def end_part(self) -> None:
        """It needs no more memory."""
        self.pool.budget.end_part(self.claim)
