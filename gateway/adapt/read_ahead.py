"""Whether one stream from the store is what a download waits for, and how the rest is cut when it is.

Other streams beside the first help where the store, or the way to it, gives each connection only so much: then a
download spends its time waiting for bytes, while its client takes at once whatever comes and the gateway is idle.
Whether more streams really bring more is then for :class:`~gateway.adapt.concurrency.Limit` to find out.
"""

from dataclasses import dataclass
from typing import Final

from gateway.adapt.buffer_size import power_of_two
from gateway.units import MiB

#: A period has at least so many seconds, and a verdict needs so many bytes in it.
PERIOD: Final = 0.1
EVIDENCE: Final = MiB // 2

SMALLEST_WINDOW: Final = 2 * MiB
LARGEST_WINDOW: Final = 8 * MiB

#: At least this share of the time goes into waiting for the store ...
_WAITED: Final = 0.7
#: ... and at most this one into our own work, or it is us who are slow, and more streams are more work.
_BUSY: Final = 0.5
#: Bytes per second that are fast enough for one stream. No store holds its connections to as much: who waits at such
#: a rate waits for the machine.
_FAST: Final = 200 * MiB
#: A client that waited at least this share of the time could take more.
_STARVED: Final = 0.2
#: Seconds that a window's bytes take: long against a round trip, and short enough to learn from.
_WINDOW_TIME: Final = 0.2
#: So many windows fit the memory, if they can.
_WINDOWS: Final = 4
#: Periods to wait after streams that brought nothing.
_REST: Final = 8
_LONGEST_REST: Final = 256


@dataclass(frozen=True, slots=True)
class Period:
    """A while of a download: ``size`` bytes came in ``seconds``, of which ``waited`` were spent waiting for them;
    ``busy`` are the CPU seconds of the event loop's thread meanwhile."""

    size: int
    seconds: float
    waited: float
    busy: float

    @property
    def rate(self) -> float:
        """Bytes per second."""
        return self.size / self.seconds

    @property
    def starved(self) -> bool:
        """Whether the client could have taken more."""
        return self.waited >= _STARVED * self.seconds


class Bottleneck:
    """Decides for one download, period by period, whether other streams are worth a trial.

    After one that brought nothing it waits before the next, twice as long each time.
    """

    __slots__ = ("_next_rest", "_rest")

    def __init__(self) -> None:
        self._rest = 0
        self._next_rest = _REST

    def on_period(self, period: Period) -> bool:
        """Whether to open other streams now: this one is what the download waits for."""
        if self._rest:
            self._rest -= 1
            return False
        return (
            period.size >= EVIDENCE
            and period.rate < _FAST
            and period.waited >= _WAITED * period.seconds
            and period.busy <= _BUSY * period.seconds
        )

    def on_narrowed(self) -> None:
        """The download is back at one stream."""
        self._rest = self._next_rest
        self._next_rest = min(self._next_rest * 2, _LONGEST_REST)


def window_size(rate: float, memory: int) -> int:
    """Bytes of one ranged GET, a power of two: for streams of ``rate`` bytes per second each, when ``memory`` bytes
    may be taken by windows of this download."""
    most = min(LARGEST_WINDOW, memory // _WINDOWS)
    fitting = power_of_two(max(1, int(min(rate * _WINDOW_TIME, most))))
    return max(SMALLEST_WINDOW, fitting if fitting <= most else fitting // 2)
