"""Extents: the durable runs of an upload's bytes, and arithmetic with sets of them.

Sets are sequences in the order that :func:`arranged` makes, unless said otherwise.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from gateway.model import ByteRange, Digest

_BY_OFFSET: Final = attrgetter("offset")
#: What extents are told apart by, and the order they are kept in.
_PLACE: Final = attrgetter("offset", "number", "name", "etag")


@dataclass(frozen=True, slots=True)
class Piece:
    """What one chunk brought, kept so that its repetition can be told from other bytes at the same place.
    ``crc`` is CRC-64/NVME of its bytes."""

    offset: int
    size: int
    crc: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """A durable run of an upload's bytes, from ``offset``.

    A part has a ``number`` (from 1) and its store's ``etag``; a segment has number 0 and a ``name``
    under which its bytes can be read. ``pieces`` are kept for chunks only.
    """

    offset: int
    size: int
    number: int = 0
    etag: str = ""
    name: str = ""
    digests: tuple[Digest, ...] = ()
    pieces: tuple[Piece, ...] = ()

    @property
    def stop(self) -> int:
        """Where it ends."""
        return self.offset + self.size


def unbroken_run(extents: Sequence[Extent]) -> int:
    """The end of the unbroken run from byte 0 that ``extents`` (in any order, perhaps overlapping) cover."""
    end = 0
    for extent in sorted(extents, key=_BY_OFFSET):
        if extent.offset > end:
            break
        end = max(end, extent.offset + extent.size)
    return end


def holes(extents: Sequence[Extent], end: int) -> tuple[ByteRange, ...]:
    """What ``extents`` do not cover of bytes 0 to ``end``."""
    missing: list[ByteRange] = []
    reached = 0
    for extent in sorted(extents, key=_BY_OFFSET):
        if extent.offset >= end:
            break
        if extent.offset > reached:
            missing.append(ByteRange(reached, extent.offset))
        reached = max(reached, extent.stop)
    if reached < end:
        missing.append(ByteRange(reached, end))
    return tuple(missing)


def arranged(
    extents: Sequence[Extent], *, add: Iterable[Extent] = (), drop: Iterable[Extent] = ()
) -> tuple[Extent, ...]:
    """``extents`` (in the order that this function makes) without ``drop`` and then with ``add``, in order.

    It costs a copy and one search per change, not a pass: an upload may have 10,000.

    Raises:
        ValueError: one to drop is not there, or one to add is there with another size.
    """
    left = list(extents)
    for extent in drop:
        at, there = _found(left, extent)
        if there is None:
            raise ValueError("this change would drop an extent that is not there")
        del left[at]
    for extent in sorted(add, key=_PLACE):
        at, there = _found(left, extent)
        if there is None:
            left.insert(at, extent)
        elif there.size != extent.size:
            raise ValueError("this change would add an extent that is there with another size")
    return tuple(left)


def in_place_of(extents: Sequence[Extent], extent: Extent) -> Extent | None:
    """The one of ``extents`` (in order) that can't be told apart from ``extent``."""
    return _found(extents, extent)[1]


def _found(extents: Sequence[Extent], extent: Extent) -> tuple[int, Extent | None]:
    """Where it stands or would stand, and what stands there that can't be told apart from it."""
    place = _PLACE(extent)
    if not extents or _PLACE(extents[-1]) < place:
        return len(extents), None  # the most frequent: it comes last
    at = bisect_left(extents, place, key=_PLACE)
    return at, extents[at] if _PLACE(extents[at]) == place else None
