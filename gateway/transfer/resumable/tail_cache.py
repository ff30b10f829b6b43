"""The newest segments once more, in memory, so that whoever goes on here need not read them back.

They are kept in the slabs in which they came: nothing is copied, and what they charge to the budget stays charged.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from gateway.errors import Overloaded
from gateway.model import ByteRange
from gateway.pipeline.pool import SlabPool
from gateway.pipeline.slabs import Account, Slab

_Place = tuple[str, str]
#: It keeps nothing more while more than this share of the general budget is in use.
_CALM: Final = 0.5

#: Views of a segment's bytes, and what to call when they are no longer looked at.
Borrowed = tuple[list[memoryview], Callable[[], None]]


class TailCache:
    """Slabs of ``limit`` bytes at most; all of it is given up as soon as memory is short.

    For the budget it is a :class:`~gateway.pipeline.budget.Holder` that spills by forgetting.
    """

    def __init__(self, pool: SlabPool, limit: int) -> None:
        self._pool = pool
        self._limit = limit
        self._account: Account | None = None
        self._kept: OrderedDict[_Place, tuple[Slab, ...]] = OrderedDict()
        self.size = 0

    def keep(self, upload: str, name: str, slabs: Sequence[Slab]) -> None:
        """Remember a segment's bytes, which are all in ``slabs``, if there is room to spare."""
        size = sum(slab.size for slab in slabs)
        budget = self._pool.budget
        calm = not budget.waiting and budget.used <= budget.general * _CALM
        if not size or size > self._limit or not calm:
            return
        while self.size + size > self._limit:
            self._forget(next(iter(self._kept)))
        if not self._opened():  # only now: with the last of the old ones it may have left
            return
        for slab in slabs:
            slab.retain()
        self._kept[upload, name] = tuple(slabs)
        self.size += size

    def _opened(self) -> bool:
        """Whether the budget knows whom to ask for the memory."""
        if self._account is None:
            account = self._pool.account("tails")
            try:
                account.open(self)
            except Overloaded:
                return False
            self._account = account
        return True

    def borrow(self, upload: str, name: str, span: ByteRange) -> Borrowed | None:
        """Bytes ``span`` of a segment, if it is remembered."""
        slabs = self._kept.get((upload, name))
        if slabs is None:
            return None
        views: list[memoryview] = []
        at = 0
        for slab in slabs:
            start, stop = max(span.start - at, 0), min(span.stop - at, slab.filled)
            if start < stop:
                with slab.data() as data:
                    views.append(data[start:stop])
            slab.retain()
            at += slab.filled

        def give_back() -> None:
            for view in views:
                view.release()
            for slab in slabs:
                slab.release()

        return views, give_back

    def drop(self, upload: str, name: str) -> None:
        """The segment is gone."""
        if (upload, name) in self._kept:
            self._forget((upload, name))

    def clear(self) -> None:
        """Forget everything, and leave the budget."""
        for place in tuple(self._kept):
            self._forget(place)
        self._leave()

    def _forget(self, place: _Place) -> None:
        for slab in self._kept.pop(place):
            self.size -= slab.size
            slab.release()
        if not self._kept:
            self._leave()

    def _leave(self) -> None:
        account, self._account = self._account, None
        if account is not None:
            account.close()

    # --- under memory pressure ---

    def spillable(self) -> int:
        """All of it."""
        return self.size

    def sending(self) -> bool:
        """Nothing is under way."""
        return False

    def due(self) -> float:
        """It never completes by itself."""
        return float("inf")

    def spill(self) -> None:
        """Give it up."""
        self.clear()
