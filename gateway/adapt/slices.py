"""Where an upload that comes in many requests is cut: fixed offsets, whoever writes and however often.

Slice ``k`` (from 0) covers the same bytes in every request, gateway and epoch, so that what one writer has
sent is of use to the next. Its part number depends on the writer's epoch besides: ``stride`` numbers belong
to each slice, so a part that an overtaken writer still had on its way lands beside its successor's. S3
takes gaps between the numbers of an object's parts; stores that want equal parts, or every part that they
have got (Ceph RGW), get a stride of 1.
"""

from dataclasses import dataclass, replace
from typing import Final

from gateway.adapt.part_size import PREFERRED, PartPlan, plan
from gateway.errors import TooLarge
from gateway.model import PartLimits
from gateway.units import format_size

#: Numbers per slice, most first: the first that costs no larger parts is taken. Two are worth larger ones.
_STRIDES: Final = (8, 4, 2)
_FENCED: Final = 2


@dataclass(frozen=True, slots=True)
class Slices:
    """The slices of a plan, whose ``max_parts`` is how many there can be."""

    plan: PartPlan
    stride: int = 1

    @property
    def max_length(self) -> int:
        """The largest upload that they hold, in bytes."""
        return self.plan.max_length

    def bounds(self, index: int) -> tuple[int, int]:
        """Where slice ``index`` (from 0) begins, and where it ends if it is not the last; in bytes.

        Raises:
            TooLarge: there is no such slice.
        """
        size = self.plan.size_of(index + 1)
        run = self.plan.run
        if run is None:
            return index * size, (index + 1) * size
        start, first, level = 0, 0, self.plan.start
        while level < size:
            start, first, level = start + run * level, first + run, min(self.plan.cap, level * 2)
        start += (index - first) * size
        return start, start + size

    def index_of(self, offset: int) -> int:
        """The slice that byte ``offset`` belongs to.

        Raises:
            TooLarge: none: the byte is behind the last one.
        """
        index = self._index(offset)
        if index >= self.plan.max_parts:
            most = self.max_length
            raise TooLarge(
                f"At most {format_size(most)} can be stored by this upload.", max_length=most
            )
        return index

    def _index(self, offset: int) -> int:
        plan = self.plan
        if plan.run is None:
            return offset // plan.start
        start, first, level = 0, 0, plan.start
        while level < plan.cap and offset >= start + plan.run * level:
            start += plan.run * level
            first, level = first + plan.run, min(plan.cap, level * 2)
        return first + (offset - start) // level

    def number(self, index: int, epoch: int) -> int:
        """The part number (from 1) of slice ``index`` when it is written under ``epoch``."""
        return index * self.stride + epoch % self.stride + 1


def choose(
    length: int | None,
    limits: PartLimits,
    *,
    preferred: int = PREFERRED,
    memory_cap: int | None = None,
    chunk: int | None = None,
    fenced: bool = True,
) -> Slices:
    """The slices of an upload of ``length`` bytes (None: unknown), and as many part numbers for each as the store's
    count of them allows; one, where ``fenced`` is false: the store wants every part that it has got, so one that
    does not count has to be replaced by its successor at the same number.

    ``chunk`` is the size in which a client sends all but the last: slices are then whole chunks of it, where
    the store and ``memory_cap`` (bytes, None: none) allow, so that a chunk is a part and nothing has to be merged.

    Raises:
        TooLarge: it can't be stored; ``max_length`` (a member) is what can be.
        ValueError: as :func:`~gateway.adapt.part_size.plan`.
    """
    largest = limits.max_size if memory_cap is None else min(limits.max_size, memory_cap)
    if chunk is not None:
        preferred = _whole_chunks(chunk, limits.min_size, preferred, largest)
    least = plan(length, limits, preferred=preferred, memory_cap=memory_cap)
    if limits.uniform or not fenced:
        return Slices(least)
    for stride in _STRIDES if length is not None else (_FENCED,):
        within = replace(limits, max_parts=limits.max_parts // stride)
        try:
            found = plan(length, within, preferred=preferred, memory_cap=memory_cap)
        except TooLarge:
            continue
        if found.start == least.start or stride == _FENCED:
            return Slices(found, stride)
    return Slices(least)


def _whole_chunks(chunk: int, least: int, preferred: int, largest: int) -> int:
    """The size of parts for chunks of this size: one chunk, or as many as make a part of the preferred size."""
    if least <= chunk <= largest:
        return chunk
    if chunk < least and chunk > 0:
        size = -(-preferred // chunk) * chunk
        if size <= largest:
            return size
    return preferred
