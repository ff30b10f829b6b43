"""How large the next receive buffer of a client is, from how fast the client really sends.

A slab should hold what a client sends in a fiftieth of a second: fewer calls for fast clients, little
memory for slow ones. Only time spent waiting for the client counts, never our own pauses. Growth
is one doubling per filled slab, because the first bytes come out of the kernel's socket buffer and
say nothing of the line; shrinking is immediate.
"""

from typing import Final

from gateway.units import KiB, MiB

SMALLEST: Final = 16 * KiB
LARGEST: Final = 1 * MiB

_FILL_TIME: Final = 0.02
#: Older measurements lose half their weight for every such time spent reading.
_HALF_LIFE: Final = 1.0


def power_of_two(size: int) -> int:
    """The smallest power of two that is at least ``size`` (which is at least 1)."""
    return 1 << (size - 1).bit_length()


class BufferSize:
    """Measures one client and sizes its slabs: the first is ``start``, ``largest`` bounds them, in bytes."""

    __slots__ = ("_largest", "_seconds", "_size", "_total")

    def __init__(self, largest: int = LARGEST, start: int = SMALLEST) -> None:
        self._largest = max(SMALLEST, largest)
        self._size = start
        self._total = 0.0
        self._seconds = 0.0

    @property
    def size(self) -> int:
        """Bytes for the next slab: a power of two from 16 KiB to 1 MiB."""
        return self._size

    def on_read(self, size: int, seconds: float) -> None:
        """The client gave ``size`` bytes after we had waited ``seconds`` for them."""
        if self._seconds > _HALF_LIFE:
            self._total /= 2
            self._seconds /= 2
        self._total += size
        self._seconds += seconds

    def on_filled(self) -> None:
        """A slab is full: choose the next size."""
        fitting = power_of_two(max(1, int(min(self.rate() * _FILL_TIME, self._largest))))
        self._size = max(SMALLEST, min(fitting, self._size * 2, self._largest))

    def rate(self, pending: float = 0.0) -> float:
        """Bytes per second lately; ``pending`` seconds of waiting that are not over yet count as well."""
        seconds = self._seconds + pending
        return self._total / seconds if seconds > 0 else float(self._largest) / _FILL_TIME
