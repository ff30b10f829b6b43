"""One writer's view of an upload: the session as it last was, changed under the epoch that this writer has."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from gateway.adapt.part_size import PartPlan
from gateway.adapt.slices import Slices
from gateway.errors import InconsistentLength, Overtaken, StorageCorrupt, UploadGone
from gateway.model import ByteRange
from gateway.sessions.extents import Extent
from gateway.sessions.uploads import Change, Cut, UploadSession, UploadSessions

#: What a change that was surely not made is refused with. After any other error the session may have made it, or may
#: make it yet: then what it names must stay, and the sweep asks later.
REFUSALS: Final = (Overtaken, UploadGone, InconsistentLength)


def cut_of(slices: Slices) -> Cut:
    """Slices as they are remembered."""
    plan = slices.plan
    return Cut(
        start=plan.start,
        cap=plan.cap,
        run=plan.run,
        max_parts=plan.max_parts,
        stride=slices.stride,
    )


def slices_of(cut: Cut) -> Slices:
    """Slices as they were chosen when the upload began."""
    return Slices(PartPlan(None, cut.start, cut.cap, cut.run, cut.max_parts), cut.stride)


class Writing:
    """An upload and the epoch it is written under. ``expires`` says until when (Unix seconds) it is kept after
    each change."""

    def __init__(
        self, sessions: UploadSessions, session: UploadSession, expires: Callable[[], float]
    ) -> None:
        self._sessions = sessions
        self._expires = expires
        self.session = session
        self.slices = slices_of(session.cut)

    async def change(self, change: Change) -> UploadSession:
        """Change the upload, durably.

        Raises:
            Overtaken: somebody else writes it now; nothing was changed.
            UploadGone: it takes no such change any more.
            InconsistentLength: it contradicts the upload's length.
            SessionsUnavailable: nobody knows.
        """
        if change.expires is None:
            change = replace(change, expires=max(self._expires(), self.session.expires))
        changed = await self._sessions.change_upload(self.session.id, self.session.epoch, change)
        if changed.version >= self.session.version:
            self.session = changed
        return changed

    def unmerged(self) -> list[int]:
        """The slices that are no parts yet but have segments, in order."""
        extents = self.session.extents
        parts = {extent.offset for extent in extents if extent.number}
        found = {self.slices.index_of(each.offset) for each in extents if not each.number}
        return sorted(index for index in found if self.slices.bounds(index)[0] not in parts)

    def segments(self, index: int) -> list[Extent]:
        """The segments of slice ``index``."""
        start, stop = self.slices.bounds(index)
        return [
            extent
            for extent in self.session.extents
            if not extent.number and start <= extent.offset and extent.stop <= stop
        ]


def covering(extents: Sequence[Extent], span: ByteRange) -> Iterator[tuple[Extent, ByteRange]]:
    """The pieces of ``extents`` (perhaps overlapping) that make up ``span``, in order; each with the bytes of it,
    counted from the extent's own start.

    Raises:
        StorageCorrupt: they leave a hole in it.
    """
    at = span.start
    while at < span.stop:
        fitting = [extent for extent in extents if extent.offset <= at < extent.stop]
        if not fitting:
            raise StorageCorrupt("The kept bytes of this upload have a hole.")
        best = max(fitting, key=lambda extent: extent.stop)
        stop = min(best.stop, span.stop)
        yield best, ByteRange(at - best.offset, stop - best.offset)
        at = stop
