"""Where one run of a chunk goes: received whole, then sent as a part or kept as a segment."""

from collections.abc import Sequence

from gateway.adapt.concurrency import Limit
from gateway.errors import ChunkDiffers, GatewayError, IncompleteBody, TooLarge
from gateway.model import ByteRange, PartReceipt, Source
from gateway.pipeline.flight import Flight
from gateway.pipeline.intake import Intake
from gateway.pipeline.parts import Draft
from gateway.pipeline.pump import pump
from gateway.pipeline.sink import GRACE
from gateway.pipeline.transforms import Chain
from gateway.sessions.extents import Extent, Piece, holes
from gateway.sessions.uploads import Change, UploadSession
from gateway.transfer.resumable.body import first_memory
from gateway.transfer.resumable.request_sink import RequestSink
from gateway.transfer.resumable.shared import SharedWriting, Turns
from gateway.transfer.resumable.site import Site
from gateway.transfer.resumable.slice_builder import SliceBuilder
from gateway.transfer.resumable.writing import REFUSALS


class ChunkSink(RequestSink):
    """An async context manager for bytes ``span`` of an upload, which lie in one slice."""

    def __init__(self, site: Site, writing: SharedWriting, turns: Turns, span: ByteRange) -> None:
        machinery = site.works.machinery
        self._site = site
        self._writing = writing
        self._turns = turns
        self._span = span
        self._index = writing.slices.index_of(span.start)
        self._memory = machinery.pool.account(writing.session.principal.id)
        builder = SliceBuilder(writing.slices, writing.session.epoch, span.start, span.stop)
        self._intake = Intake(
            writing.slices.plan,
            self._memory,
            machinery.spool,
            owed=lambda: False,
            naps=machinery.naps,
            builder=builder,
        )
        self._max_wait = machinery.max_wait
        self._error: BaseException | None = None
        self._flight = Flight(
            site.store,
            principal=self._memory.principal,
            places=machinery.places[site.store.name],
            limit=Limit(1, maximum=1),
            retry=site.retrier.call,
            instrument=machinery.instrument,
            failed=self._fail,
        )

    def _fail(self, error: BaseException) -> None:
        self._error = error

    async def _leave(self) -> None:
        await self._flight.stop(GRACE)
        await self._intake.close()
        self._site.works.machinery.instrument.client_paused(self._intake.paused)

    # --- filling ---

    async def fill(self, source: Source, chain: Chain) -> None:
        """Take in all of ``source``, shown to ``chain``.

        Raises:
            IncompleteBody: it ended early.
        """
        await first_memory(self, source.length, self._max_wait)
        await pump(source, chain, self)
        missing = self._span.stop - self._intake.draft.offset - self._intake.draft.size
        if missing:
            raise IncompleteBody(f"The body ended {missing} bytes before its range does.")

    async def put(self) -> None:
        """It is sent when all of it is here, and was verified."""

    def overrun(self) -> GatewayError:
        """What is wrong when more comes."""
        return TooLarge("The body is longer than its range.")  # pragma: no cover - it is limited

    # --- keeping ---

    async def commit(self, piece: Piece) -> None:
        """Make it durable and known: as a part where it is a whole slice, else as a segment.

        Raises:
            ChunkDiffers: somebody else was faster, with other bytes.
            GatewayError: it can't be kept.
        """
        if self._is_slice():
            await self._part(piece)
        else:
            segment = await self.write_segment(piece)
            await add_segments(self._site, self._writing, [segment])

    def _is_slice(self) -> bool:
        start, stop = self._writing.slices.bounds(self._index)
        length = self._writing.session.length
        if length is not None and length <= self._writing.slices.bounds(0)[1]:
            return False
        end = stop if length is None else min(stop, length)
        return self._span == ByteRange(start, end)

    async def write_segment(self, piece: Piece) -> Extent:
        """Keep it as a segment that nobody knows of yet."""
        draft = self._intake.cut()
        try:
            await self._intake.gather(draft)
            views = draft.views()
            session = self._writing.session
            name = await self._site.tails.put(session, views)
            if not draft.spooled:
                self._site.cache.keep(session.id, name, draft.slabs)
            return Extent(offset=draft.offset, size=draft.size, name=name, pieces=(piece,))
        finally:
            draft.release()

    async def _part(self, piece: Piece) -> None:
        draft = self._intake.cut()
        try:
            await self._intake.gather(draft)
            async with self._turns.alone(f"{self._writing.session.id}/{self._index}"):
                if await self._is_there(piece):
                    return
                await self._send(draft, piece)
        finally:
            draft.release()

    async def _is_there(self, piece: Piece) -> bool:
        """Whether somebody else has brought all of it meanwhile."""
        session = await self._writing.refresh()
        span = self._span
        if any(
            gap.start < span.stop and span.start < gap.stop
            for gap in holes(session.extents, span.stop)
        ):
            return False
        check_same(session, piece)
        return True

    async def _send(self, draft: Draft, piece: Piece) -> None:
        session = self._writing.session
        if session.upload_id is None:
            async with self._turns.alone(f"{session.id}/multipart"):
                session = await self._writing.refresh()
                await self._site.multipart(self._writing)
        ref = self._site.ref(self._writing.session)
        assert ref is not None
        await self._flight.send(ref, draft)
        await self._flight.settle()
        if self._error is not None:
            raise self._error
        receipt = self._flight.receipts[draft.number]
        await self._writing.change(Change(add=[_extent(receipt, piece)]))


def check_same(session: UploadSession, piece: Piece) -> None:
    """Hold what was brought against what others have brought of the same range meanwhile.

    Raises:
        ChunkDiffers: they are other bytes.
    """
    known = {each for extent in session.extents for each in extent.pieces}
    if piece not in known and any(
        (each.offset, each.size) == (piece.offset, piece.size) for each in known
    ):
        raise ChunkDiffers("Other bytes were sent for the same range at the same time.")


def _extent(receipt: PartReceipt, piece: Piece) -> Extent:
    return Extent(
        offset=receipt.offset,
        size=receipt.size,
        number=receipt.number,
        etag=receipt.etag,
        digests=receipt.digests,
        pieces=(piece,),
    )


async def add_segments(site: Site, writing: SharedWriting, segments: Sequence[Extent]) -> None:
    """Let the session know segments that are kept. They are dropped only when it has refused them for certain.

    Raises:
        GatewayError: it does not know them, or nobody knows whether it does.
    """
    names = [segment.name for segment in segments]
    try:
        await writing.change(Change(add=segments))
    except REFUSALS:
        await site.tails.refused(writing.session, names)
        raise
    for name in names:
        await site.tails.mapped(writing.session, name)
