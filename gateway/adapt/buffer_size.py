"""How large the next receive buffer of a client is, from how fast the client really sends.

A slab should hold what a client sends in a fiftieth of a second: fewer calls for fast clients, little
memory for slow ones. Only time spent waiting for the client counts, never our own pauses. Growth
is one doubling per filled slab, because the first bytes come out of the kernel's socket buffer and
say nothing of the line; shrinking is immediate.
"""

from typing import Final

from gateway.units import KiB, MiB

SMALLEST: Final = 16 * KiB
LARGEST: Final = 4 * MiB

_FILL_TIME: Final = 0.02
#: Older measurements lose half their weight for every such time spent reading.
_HALF_LIFE: Final = 1.0

#: Clients between these rates, in bytes per second, are read from as rarely as this: when so many bytes should be
#: there (at first, and at most), but after this many seconds for 64 KiB, so that they wait in the kernel's buffer and
#: never fill it.
_NAPPING: Final = (8 * KiB, 512 * KiB)
_GATHERED: Final = 64 * KiB
_MOST_GATHERED: Final = 128 * KiB
_LONGEST_NAP: Final = 1.0
#: A nap that brings less than this share of what it was for has ended with a full buffer, or a client that paused.
_MISSED: Final = 0.75
#: Seconds of reading after which a client's rate is known.
_KNOWN: Final = 0.5
#: Bytes that cannot all have gathered in a kernel before they were first asked for, however late that was.
PROOF: Final = 512 * KiB


def power_of_two(size: int) -> int:
    """The smallest power of two that is at least ``size`` (which is at least 1)."""
    return 1 << (size - 1).bit_length()


class BufferSize:
    """Measures one client and sizes its slabs: the first is ``start``, ``largest`` bounds them, in bytes. Until
    ``proof`` bytes have come, slabs are no larger than what gathers in naps."""

    __slots__ = (
        "_gather",
        "_largest",
        "_most",
        "_proof",
        "_seconds",
        "_sent",
        "_size",
        "_total",
    )

    def __init__(self, largest: int = LARGEST, start: int = SMALLEST, *, proof: int = 0) -> None:
        self._largest = max(SMALLEST, largest)
        self._size = start
        self._gather = _GATHERED
        self._most = _MOST_GATHERED
        self._proof = proof
        self._sent = 0
        self._total = 0.0
        self._seconds = 0.0

    @property
    def size(self) -> int:
        """Bytes for the next slab: a power of two from 16 KiB to 4 MiB."""
        return self._size

    def on_read(self, size: int, seconds: float) -> None:
        """The client gave ``size`` bytes after we had waited ``seconds`` for them."""
        if self._seconds > _HALF_LIFE:
            self._total /= 2
            self._seconds /= 2
        self._sent += size
        self._total += size
        self._seconds += seconds

    def on_filled(self, *, more: bool = False) -> None:
        """A slab is full: choose the next size. ``more``: one read filled all that was offered although the one
        before had just ended, so the client is faster than we are, whatever its rate looks like then."""
        fitting = power_of_two(max(1, int(min(self.rate() * _FILL_TIME, self._largest))))
        wanted = self._size * 2 if more else min(fitting, self._size * 2)
        largest = self._largest if self._sent >= self._proof else min(self._largest, 2 * _GATHERED)
        self._size = max(SMALLEST, min(wanted, largest))

    def nap(self, coming: int) -> float:
        """Seconds to let a slow client's next bytes gather before they are read, of ``coming`` that are still to
        come: one read of them all costs what each small one does. 0 for whoever is fast, not known for long enough,
        or so slow that it must be watched."""
        if self._seconds < _KNOWN or not _NAPPING[0] <= self._total / self._seconds <= _NAPPING[1]:
            return 0.0
        longest = _LONGEST_NAP * self._gather / _GATHERED
        return min(longest, min(coming, self._gather) * self._seconds / self._total)

    def on_gathered(self, size: int, seconds: float) -> None:
        """A nap of ``seconds`` brought ``size`` bytes, all that were there. What came as it should may gather for
        longer; once that brings less, it is not tried again: a kernel's buffer does not hold so much, and who
        fills it waits for us."""
        wanted = min(self._gather, seconds * self.rate())
        if size < wanted * _MISSED and self._gather > _GATHERED:
            self._gather = self._most = _GATHERED
        elif size >= self._gather:
            self._gather = min(2 * self._gather, self._most)

    @property
    def gathered(self) -> int:
        """Bytes for a slab that takes what gathers in a nap, with room to see that there was no more."""
        return 2 * self._gather

    def rate(self, pending: float = 0.0) -> float:
        """Bytes per second lately; ``pending`` seconds of waiting that are not over yet count as well."""
        seconds = self._seconds + pending
        return self._total / seconds if seconds > 0 else float(self._largest) / _FILL_TIME
