"""How many parts are in flight: a window that grows on evidence only.

Goodput is measured in rounds of as many finished parts as the window is wide. After a step up the next
round decides: it must bring a third of what the step could have brought at best, or the step is
taken back and not tried again for a while (twice as long each time). The window doubles until a step brings
nothing, then it tries one more. It never grows when the callers did not use it, is cut by three tenths once
per congestion event, and stays within its bounds. Time is only what the samples say.
"""

from collections import deque
from typing import Final

from gateway.adapt.samples import Decision, Outcome, PartSample

DEFAULT_START: Final = 2
DEFAULT_MAXIMUM: Final = 10
LARGEST: Final = 20
#: What a large transfer begins with: half of what most stores want of one client, so that a far one is at its rate
#: after one doubling, a round trip and a part's time each.
FIRST: Final = 8

_CUT: Final = 0.7
_SHARE_OF_GAIN: Final = 1 / 3
_REST: Final = 4
_LONGEST_REST: Final = 32


class Limit:
    """The number; :class:`gateway.pipeline.limiter.Limiter` makes callers wait for it.

    ``before``: a narrower window and the goodput (bytes per second) that it had. Then the start is a step already, and
    the first round decides on it.

    Raises:
        ValueError: the bounds are not 1 <= minimum <= start <= maximum.
    """

    def __init__(
        self,
        start: int = DEFAULT_START,
        *,
        minimum: int = 1,
        maximum: int = DEFAULT_MAXIMUM,
        before: tuple[int, float] | None = None,
    ) -> None:
        if not 1 <= minimum <= maximum or not minimum <= start <= maximum:
            raise ValueError(
                f"a limit needs 1 <= minimum <= start <= maximum, got {minimum}, {start}, {maximum}"
            )
        self._value = start
        self._minimum = minimum
        self._maximum = maximum
        self._doubling = True
        self._before_step = before  # the window and goodput before it
        self._rest = 0
        self._next_rest = _REST
        self._cut_at = float("-inf")
        self._changed_at = float("-inf")
        self._begin_round(float("-inf"))
        self.decisions: deque[Decision] = deque(maxlen=64)

    @property
    def value(self) -> int:
        """How many may be in flight now."""
        return self._value

    def on_sample(self, sample: PartSample) -> None:
        """Take one finished attempt into account. Samples come in the order in which they finished."""
        if sample.outcome is Outcome.CONGESTED:
            self._congested(sample)
        elif sample.outcome is Outcome.OK:
            self._count(sample)

    def _begin_round(self, now: float) -> None:
        self._since = now
        self._bytes = 0
        self._parts = 0
        self._reached = 0

    def _congested(self, sample: PartSample) -> None:
        if sample.started < self._cut_at:
            return  # sent before the last cut: the same event
        self._cut_at = sample.finished
        self._doubling = False
        self._before_step = None
        self._rest, self._next_rest = _REST, _REST
        self._move(max(self._minimum, int(self._value * _CUT)), sample.finished, "congestion", None)

    def _count(self, sample: PartSample) -> None:
        if sample.started < self._changed_at:
            # Sent under the old window: it says nothing of this one.
            self._since = sample.finished
            return
        if self._parts == 0:
            # What was in flight before the round counts from its begin; idle time before it does not.
            self._since = max(self._since, sample.started)
        self._bytes += sample.size
        self._parts += 1
        self._reached += sample.in_flight >= self._value
        if self._parts < max(self._value, 2):
            return
        seconds = sample.finished - self._since
        goodput = self._bytes / seconds if seconds > 0 else None
        # The first parts after a step are sent while the window fills.
        stepped = self._before_step is not None
        used = self._reached > 0 if stepped else self._reached * 2 >= self._parts
        self._begin_round(sample.finished)
        if goodput is not None and used:
            self._decide(goodput, sample.finished)
        elif self._before_step is not None:
            width, earlier = self._before_step
            self._before_step = None
            self._move(width, sample.finished, "unused", goodput, earlier)

    def _decide(self, goodput: float, now: float) -> None:
        before, self._before_step = self._before_step, None
        if before is not None:
            width, earlier = before
            wanted = earlier * (1 + _SHARE_OF_GAIN * (self._value / width - 1))
            if goodput < wanted:
                self._doubling = False
                self._rest = self._next_rest
                self._next_rest = min(self._next_rest * 2, _LONGEST_REST)
                # As wide as what it did bring is worth.
                worth = min(round(width * goodput / earlier), self._value - 1)
                self._move(max(width, worth), now, "no gain", goodput, earlier)
                return
            self._next_rest = _REST
        if self._rest:
            self._rest -= 1
        elif self._value < self._maximum:
            self._before_step = (self._value, goodput)
            step = self._value if self._doubling else 1
            self._move(min(self._value + step, self._maximum), now, "probe", goodput)

    def _move(
        self, new: int, now: float, reason: str, goodput: float | None, before: float | None = None
    ) -> None:
        old, self._value = self._value, new
        self._begin_round(now)
        if old != new:
            self._changed_at = now
            self.decisions.append(
                Decision(at=now, old=old, new=new, reason=reason, before=before, goodput=goodput)
            )
