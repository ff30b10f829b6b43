"""Cutting a body at the fixed bounds of an upload's slices, wherever it begins."""

from gateway.adapt.slices import Slices
from gateway.pipeline.parts import Draft, PartBuilder


class SliceBuilder(PartBuilder):
    """Cuts a stream that begins at ``offset`` at the bounds of slices; nothing comes behind ``end``."""

    def __init__(self, slices: Slices, epoch: int, offset: int, end: int) -> None:
        super().__init__(slices.plan)
        self._slices = slices
        self._epoch = epoch
        self._end = min(end, slices.max_length)
        self.draft = self._begin(offset)

    def _begin(self, offset: int) -> Draft:
        if offset >= self._end:
            return Draft(0, offset, 0)
        index = self._slices.index_of(offset)
        _, stop = self._slices.bounds(index)
        number = self._slices.number(index, self._epoch)
        return Draft(number, offset, min(stop, self._end) - offset)

    def cut(self) -> Draft:
        """Take the draft, and begin the next slice."""
        done = self.draft
        self.draft = self._begin(done.offset + done.size)
        return done
