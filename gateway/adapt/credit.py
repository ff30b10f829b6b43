"""How much of an upload a store may leave unanswered: as much as it had when it last answered, and a little more.

A store that stops can't be told from one that is slow before time has passed, and bytes that were sent can't be taken
back. So what an upload holds grows by receipts only. From then on, to the end of time, it grows by the grant at
most; while a store answers, each receipt lets more than its own part follow, so the window doubles and more in
every round trip, and a store that is far away is at its rate after two of them.
"""

from collections import deque
from typing import Final

from gateway.units import MiB

#: What may follow the last receipt, in bytes: three parts of the usual size. One client of a store that stands still
#: is to cost 32 MiB at most, and the rest is for what is not its bytes.
GRANT: Final = 24 * MiB
#: With larger parts: as many of them, for with one in flight no receipt could ever widen the window.
_PARTS: Final = 2
#: Receipts come in bursts, and then nothing is unanswered for a moment: what there was before the last so many counts.
#: It is in memory still, free for reuse.
_RECEIPTS: Final = 16


class Credit:
    """Of one upload. Parts are counted from :meth:`sent` to :meth:`answered`."""

    def __init__(self) -> None:
        #: Bytes that were sent and not answered.
        self.unanswered = 0
        self._had: deque[int] = deque(maxlen=_RECEIPTS)
        self._base = 0

    def covers(self, size: int) -> bool:
        """Whether a part of ``size`` bytes may be begun."""
        return self.unanswered + size <= self._base + max(GRANT, _PARTS * size)

    def sent(self, size: int) -> None:
        """A part of ``size`` bytes is on its way."""
        self.unanswered += size

    def answered(self, size: int) -> None:
        """The store has answered for one."""
        self._had.append(self.unanswered)
        self._base = max(self._had)
        self.unanswered -= size
