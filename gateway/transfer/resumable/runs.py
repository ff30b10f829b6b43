"""What of a chunk is new: cutting it at the bounds of slices and of what is there already."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.adapt.slices import Slices
from gateway.model import ByteRange
from gateway.sessions.extents import Extent, holes


@dataclass(frozen=True, slots=True)
class Run:
    """Bytes of a chunk within one slice that are all new, or all there already."""

    span: ByteRange
    new: bool


def runs_of(extents: Sequence[Extent], slices: Slices, span: ByteRange) -> Iterator[Run]:
    """A chunk, cut at the bounds of slices, and where what is there begins or ends."""
    gaps = holes(extents, span.stop)
    at = span.start
    while at < span.stop:
        _, stop = slices.bounds(slices.index_of(at))
        stop = min(stop, span.stop)
        gap = next((gap for gap in gaps if gap.stop > at), None)
        new = gap is not None and gap.start <= at
        if gap is not None:
            stop = min(stop, gap.stop if new else gap.start)
        yield Run(ByteRange(at, stop), new)
        at = stop
