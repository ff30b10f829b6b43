"""How large the parts of an upload are: pure arithmetic, right from one byte to 48.8 TiB.

The schedule is a function of the part's number alone, so a resumed upload cuts where the first
attempt would have cut. Two facts bound it: what the store takes (:class:`~gateway.model.PartLimits`)
and ``memory_cap``, the largest part that one upload may hold in memory. Both together bound the
object, so the largest object is *announced* (:attr:`PartPlan.max_length`) and refused at creation,
never at part 10,001.

- Length known: equal parts of ``preferred``, or larger where the store's count of parts demands it.
- Length unknown: parts start at ``preferred`` and double after every ``run`` parts up to the cap. The
  slowest growth is taken that still reaches nine tenths of what equal parts of the cap would hold:
  with Amazon's limits and no memory cap 100 parts of each size, which reach more than 43 TiB while
  the first 800 MiB travel in plain 8 MiB parts. (Parts that start below the cap can't reach all of
  it: 10,000 parts of 5 GiB leave no room for one small part.)
- ``uniform`` stores (Cloudflare R2) take equal parts only, so an unknown length starts eight times larger
  and stays there.
"""

from dataclasses import dataclass
from typing import Final

from gateway.errors import TooLarge
from gateway.model import PartLimits
from gateway.units import KiB, MiB, format_size

#: Sizes of parts are multiples of this (the smallest slab), so that no slab is left half empty.
GRAIN: Final = 16 * KiB
PREFERRED: Final = 8 * MiB

#: How many parts of one size before the next doubling; the first that reaches far enough is taken.
_RUNS: Final = (1000, 500, 250, 100, 50, 25, 10, 5, 2, 1)
_REACH: Final = 0.9
_UNIFORM_FACTOR: Final = 8


@dataclass(frozen=True, slots=True)
class PartPlan:
    """Sizes of parts, by number. ``start``, ``cap`` and ``max_length`` in bytes; ``run`` is None where all parts
    are equal, else the count of parts between doublings."""

    length: int | None
    start: int
    cap: int
    run: int | None
    max_parts: int

    def size_of(self, number: int) -> int:
        """The size of part ``number`` (from 1) if it is not the last; the last is what is left, at least 1 byte.

        Raises:
            TooLarge: the plan has no such part.
        """
        if not 1 <= number <= self.max_parts:
            raise TooLarge(
                f"The body is larger than the {format_size(self.max_length)} that can be stored here."
            )
        if self.run is None:
            return self.start
        # Sixty doublings are past any cap; without the bound a long run would build huge integers.
        return min(self.cap, self.start << min((number - 1) // self.run, 60))

    @property
    def max_length(self) -> int:
        """The largest body that this plan can store."""
        if self.run is None:
            return self.start * self.max_parts
        total, left, size = 0, self.max_parts, self.start
        while left and size < self.cap:
            parts = min(self.run, left)
            total, left, size = total + parts * size, left - parts, size * 2
        return total + left * self.cap


def plan(
    length: int | None,
    limits: PartLimits,
    *,
    preferred: int = PREFERRED,
    memory_cap: int | None = None,
) -> PartPlan:
    """Choose the parts for a body of ``length`` bytes (None: unknown).

    ``memory_cap`` is the largest part that may be held in memory, None for no such bound.

    Raises:
        TooLarge: a body of this length can't be stored; ``max_length`` (a member) is what can be.
        ValueError: ``memory_cap`` is below the smallest part of the store: a matter of configuration.
    """
    cap = limits.max_size if memory_cap is None else min(limits.max_size, memory_cap)
    if cap < limits.min_size:
        raise ValueError(
            f"parts of this store have at least {format_size(limits.min_size)}, "
            f"and memory allows {format_size(cap)}"
        )
    cap = _down(cap, limits.min_size)
    start = min(max(preferred, limits.min_size), cap)
    if length is None:
        return _unknown(limits, start, cap)
    if length > cap * limits.max_parts:
        most = cap * limits.max_parts
        raise TooLarge(
            f"The body is larger than the {format_size(most)} that can be stored here.",
            max_length=most,
        )
    needed = -(-length // limits.max_parts)
    size = start if needed <= start else min(_up(needed, MiB), cap)
    return PartPlan(length, size, size, None, limits.max_parts)


def _unknown(limits: PartLimits, start: int, cap: int) -> PartPlan:
    if limits.uniform:
        size = min(start * _UNIFORM_FACTOR, cap)
        return PartPlan(None, size, size, None, limits.max_parts)
    plans = [PartPlan(None, start, cap, run, limits.max_parts) for run in _RUNS]
    enough = _REACH * cap * limits.max_parts
    return next((each for each in plans if each.max_length >= enough), plans[-1])


def _up(size: int, unit: int) -> int:
    return -(-size // unit) * unit


def _down(size: int, floor: int) -> int:
    """Whole grains, unless that falls below the store's smallest part."""
    whole = size // GRAIN * GRAIN
    return whole if whole >= floor else size
