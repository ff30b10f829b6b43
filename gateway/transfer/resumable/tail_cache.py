"""The newest segments once more, in memory, so that whoever goes on here need not read them back."""

from collections import OrderedDict

from gateway.errors import Overloaded
from gateway.model import Views
from gateway.pipeline.slabs import Account, SlabPool

_Place = tuple[str, str]
#: It takes no memory while more than this share of the general budget is in use.
_CALM = 0.5


class TailCache:
    """At most ``limit`` bytes, charged to the budget; all of it is given up as soon as memory is short.

    For the budget it is a :class:`~gateway.pipeline.budget.Holder` that spills by forgetting.
    """

    def __init__(self, pool: SlabPool, limit: int) -> None:
        self._pool = pool
        self._limit = limit
        self._account: Account | None = None
        self._kept: OrderedDict[_Place, bytes] = OrderedDict()
        self.size = 0

    async def keep(self, upload: str, name: str, views: Views) -> None:
        """Remember a segment's bytes, if there is room to spare."""
        size = sum(len(view) for view in views)
        if not size or size > self._limit or not self._calm(size):
            return
        while self.size + size > self._limit:
            self._forget(next(iter(self._kept)))
        try:
            account = self._opened()
        except Overloaded:
            return
        await account.take_room(size)  # at once: nobody waits, and there is room
        self._kept[upload, name] = b"".join(views)
        self.size += size

    def _calm(self, size: int) -> bool:
        budget = self._pool.budget
        return not budget.waiting and budget.used + size <= budget.general * _CALM

    def _opened(self) -> Account:
        if self._account is None:
            account = self._pool.account("tails")
            account.open(self)
            self._account = account
        return self._account

    def get(self, upload: str, name: str) -> bytes | None:
        """A segment's bytes, if they are remembered."""
        return self._kept.get((upload, name))

    def drop(self, upload: str, name: str) -> None:
        """The segment is gone."""
        if (upload, name) in self._kept:
            self._forget((upload, name))

    def clear(self) -> None:
        """Forget everything, and leave the budget."""
        for place in tuple(self._kept):
            self._forget(place)

    def _forget(self, place: _Place) -> None:
        assert self._account is not None
        size = len(self._kept.pop(place))
        self.size -= size
        self._account.leave_room(size)
        if not self._kept:
            account, self._account = self._account, None
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
