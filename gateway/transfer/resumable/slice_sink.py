"""The sink of one request to an upload: whole slices go to the store as parts, what is left over becomes a segment.

It is filled by the pump like a :class:`~gateway.pipeline.sink.PartSink` and keeps its rules for memory and
places. What differs:

1. *The receipts are committed, in order*: the session learns of a part only when all before it are known. So what a
   serial writer leaves has no holes, and the offset is the end of what the store has acknowledged.
2. *A slice that earlier requests have begun* is completed by one part made of their segments and the new bytes.
   When the session knows the part, the segments are removed, and then the session forgets them.
3. *Staged* (the body has a digest of its own): nothing is committed before :meth:`SliceSink.keep` or
   :meth:`SliceSink.last` is called.
4. *Leaving the block abandons nothing*: parts that were sent and not committed are no part of the object, because
   only committed ones are named when it is completed.
"""

import asyncio
from contextlib import suppress

from gateway.adapt.concurrency import Limit
from gateway.errors import GatewayError, TooLarge
from gateway.model import ByteRange
from gateway.pipeline.flight import Flight
from gateway.pipeline.intake import Intake
from gateway.pipeline.owner import unbroken
from gateway.pipeline.parts import Draft
from gateway.pipeline.sink import GRACE
from gateway.sessions.extents import Extent
from gateway.sessions.uploads import Change
from gateway.transfer.resumable.commits import Commits, Durable
from gateway.transfer.resumable.request_sink import RequestSink
from gateway.transfer.resumable.site import Site
from gateway.transfer.resumable.slice_builder import SliceBuilder
from gateway.transfer.resumable.writing import REFUSALS, Writing, covering


class SliceSink(RequestSink):
    """An async context manager for one request's bytes from ``offset``, ``end`` (in bytes) at most; ``durable`` is told
    where the upload durably ends when parts have been committed."""

    def __init__(
        self,
        site: Site,
        writing: Writing,
        offset: int,
        end: int,
        *,
        staged: bool = False,
        durable: Durable | None = None,
    ) -> None:
        machinery = site.works.machinery
        self._site = site
        self._writing = writing
        self._end = end
        self._memory = machinery.pool.account(writing.session.principal.id)
        self._commits = Commits(writing, offset, staged=staged, durable=durable, failed=self._fail)
        self._flight = self._open_flight()
        builder = SliceBuilder(writing.slices, writing.session.epoch, offset, end)
        self._intake = Intake(
            writing.slices.plan,
            self._memory,
            machinery.spool,
            owed=lambda: self._flight.count > 0,
            naps=machinery.naps,
            builder=builder,
        )
        self._instrument = machinery.instrument
        #: How long the body may wait for its first memory, in seconds.
        self.max_wait = machinery.max_wait
        #: Resolved by the first failure of a part or a commit.
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def _open_flight(self) -> Flight:
        site, machinery = self._site, self._site.works.machinery
        return Flight(
            site.store,
            principal=self._memory.principal,
            places=machinery.places[site.store.name],
            limit=Limit(maximum=machinery.settings.concurrency),
            retry=site.retrier.call,
            instrument=machinery.instrument,
            failed=self._fail,
            received=self._commits.received,
        )

    # --- the block ---

    async def _leave(self) -> None:
        await self._flight.stop(GRACE)
        await self._commits.join()
        await self._intake.close()
        self._instrument.client_paused(self._intake.paused)
        if self.broken.done():
            self.broken.exception()  # seen
        if self._commits.merged and self._writing.session.state == "open":
            await self._remove(self._commits.merged)

    async def _remove(self, merged: list[Extent]) -> None:
        """Remove segments that are parts now. The session forgets them last, so that none is left behind unknown."""
        session = self._writing.session
        for extent in merged:
            self._site.cache.drop(session.id, extent.name)
        await self._site.tails.drop(session, [extent.name for extent in merged])
        with suppress(GatewayError):  # then they are removed with the upload
            await self._writing.change(Change(drop=merged))

    def _fail(self, error: BaseException) -> None:
        if not self.broken.done():
            self.broken.set_exception(error)

    # --- filling, called by the pump ---

    async def put(self) -> None:
        """Send the part if it is a whole slice; one that is the whole object waits for the end.

        Raises:
            GatewayError: the multipart can't be created, or the upload was overtaken.
        """
        draft = self._intake.draft
        if not draft.room and not self._may_be_whole(draft):
            index = self._index_of(draft)
            _, stop = self._writing.slices.bounds(index)
            if draft.offset + draft.size == stop:
                await self._send(self._intake.cut(), index)

    def _may_be_whole(self, draft: Draft) -> bool:
        session = self._writing.session
        at_end = draft.offset + draft.size == session.length
        return at_end and session.upload_id is None and self._index_of(draft) == 0

    def _index_of(self, draft: Draft) -> int:
        return self._writing.slices.index_of(draft.offset)

    def overrun(self) -> GatewayError:
        """What is wrong when more bytes come than the upload may have."""
        length = self._writing.session.length
        if length is not None:
            return TooLarge(f"The body runs past the upload's length of {length} bytes.")
        return TooLarge(f"This upload may have {self._end} bytes at most.", max_length=self._end)

    @property
    def size(self) -> int:
        """Where what was taken in ends, in the upload."""
        return self._intake.draft.offset + self._intake.draft.size

    # --- parts ---

    async def _send(self, draft: Draft, index: int) -> None:
        """Send a draft, and what earlier requests have left of its slice, as one part."""
        try:
            replaced = await self._complete(draft, index)
            ref = await unbroken(self._site.multipart(self._writing))
        except BaseException:
            draft.release()
            raise
        self._commits.expect(draft.offset, replaced)
        await self._flight.send(ref, draft)

    async def _complete(self, draft: Draft, index: int) -> list[Extent]:
        """Put the kept beginning of its slice before a draft. Answers the segments that it replaces."""
        start, _ = self._writing.slices.bounds(index)
        segments = self._writing.segments(index)
        if draft.offset == start:
            await self._intake.gather(draft)
            return segments
        pieces = list(covering(segments, ByteRange(start, draft.offset)))
        front = [self._borrowed(draft, extent, span) for extent, span in pieces]
        missing = zip(pieces, front, strict=True)
        await self._intake.gather(draft, sum(piece[1].size for piece, view in missing if not view))
        for at, (extent, span) in enumerate(pieces):
            if not front[at]:
                front[at] = [await self._read(extent, span)]
        draft.precede([view for views in front for view in views])
        return segments

    def _borrowed(self, draft: Draft, extent: Extent, span: ByteRange) -> list[memoryview]:
        """A piece of a segment out of the cache, until the draft is released; nothing where it is not there."""
        found = self._site.cache.borrow(self._writing.session.id, extent.name, span)
        if found is None:
            return []
        views, give_back = found
        draft.on_release(give_back)
        return views

    async def _read(self, extent: Extent, span: ByteRange) -> memoryview:
        view = memoryview(bytearray(span.size))
        await self._site.tails.read(self._writing.session, extent.name, span, view)
        return view.toreadonly()

    async def settle(self) -> None:
        """Wait until everything that was sent is acknowledged and committed; also what was staged.

        Raises:
            GatewayError: a part failed, or the upload was overtaken.
        """
        await self._flight.settle()
        await self._commits.join()
        if not self.broken.done():
            await self._commits.flush()
        if self.broken.done():
            self.broken.result()

    # --- the end of the request ---

    async def keep(self) -> None:
        """Make everything durable that came: what is no whole slice becomes a segment.

        Raises:
            GatewayError: that can't be done; what was committed before stays.
        """
        await self.settle()
        draft = self._intake.cut()
        try:
            if draft.size:
                await self._keep(draft)
        finally:
            draft.release()

    async def _keep(self, draft: Draft) -> None:
        session, tails = self._writing.session, self._site.tails
        await self._intake.gather(draft)
        views = draft.views()
        name = await unbroken(tails.put(session, views))
        segment = Extent(offset=draft.offset, size=draft.size, name=name)
        try:
            # It is the request's last word, so it also says that nobody holds the upload any more.
            await self._writing.change(Change(add=[segment], holder=""))
        except REFUSALS:
            await tails.refused(session, [name])
            raise
        if not draft.spooled:
            self._site.cache.keep(session.id, name, draft.slabs)
        await tails.mapped(session, name)

    async def last(self) -> None:
        """What is left over ends the upload: all of it becomes parts, and is committed.

        Raises:
            GatewayError: that can't be done; what was committed before stays.
        """
        draft = self._intake.cut()
        if draft.size:
            await self._send(draft, self._index_of(draft))
        else:
            draft.release()
        await self.settle()
        for index in self._writing.unmerged():
            await self.merge(index)

    async def merge(self, index: int) -> None:
        """Make one part of the segments that a slice consists of.

        Raises:
            StorageCorrupt: they are not the whole slice.
            GatewayError: that can't be done; the segments stay.
        """
        slices = self._writing.slices
        start, stop = slices.bounds(index)
        end = max(extent.stop for extent in self._writing.segments(index))
        assert end in (stop, self._writing.session.length)
        self._memory.start_part()
        self._commits.restart(start)
        number = slices.number(index, self._writing.session.epoch)
        await self._send(Draft(number, end, 0), index)
        await self.settle()

    async def whole(self) -> Draft:
        """All of a small upload: its segments and what is left over. The caller releases it.

        Raises:
            GatewayError: the segments can't be read.
        """
        self._memory.start_part()
        draft = self._intake.cut()
        try:
            await self._complete(draft, 0)
        except BaseException:
            draft.release()
            raise
        return draft
