"""Chunks: any byte range, in any order, in parallel; repeats and overlaps are harmless.

A chunk is cut at the bounds of slices and of what is there already. What is there is compared, as far as the CRCs
of what came before reach, and not stored twice. What is new is received whole before anything is sent: a whole
slice goes straight to its part, less becomes a segment, and whoever brings the last piece of a slice makes the
part of it. Whoever brings the last byte finishes the upload. Both are done by one only (:class:`.shared.Turns`).
A chunk whose upload somebody else finishes meanwhile is a repeat: it is heard to its end and compared.
"""

from collections.abc import Awaitable, Sequence

from gateway.errors import (
    ChunkDiffers,
    GatewayError,
    InconsistentLength,
    Overtaken,
    StorageError,
    TooLarge,
    UploadGone,
)
from gateway.model import ByteRange, Digest, Source
from gateway.pipeline.owner import unbroken
from gateway.protocol.upload_commands import PutChunk
from gateway.sessions.extents import Extent, Piece, holes
from gateway.sessions.uploads import Change, UploadSession, UploadSessions
from gateway.transfer.resumable.chunk_body import ChunkBody
from gateway.transfer.resumable.chunk_sink import ChunkSink, add_segments, check_same
from gateway.transfer.resumable.completing import Completing
from gateway.transfer.resumable.creating import Allowed
from gateway.transfer.resumable.runs import runs_of
from gateway.transfer.resumable.shared import SharedWriting, Turns
from gateway.transfer.resumable.site import Works
from gateway.transfer.resumable.slice_sink import SliceSink
from gateway.transfer.resumable.takeover import Takeovers
from gateway.transfer.resumable.writing import Writing


class Chunks:
    """Adds chunks to uploads; ``ttl`` as for :class:`.creating.Creating`."""

    def __init__(
        self,
        works: Works,
        sessions: UploadSessions,
        takeovers: Takeovers,
        completing: Completing,
        turns: Turns,
        ttl: float,
    ) -> None:
        self._works = works
        self._sessions = sessions
        self._takeovers = takeovers
        self._completing = completing
        self._turns = turns
        self._ttl = ttl

    async def put(
        self,
        session: UploadSession,
        command: PutChunk,
        source: Source,
        signed: Sequence[Digest] = (),
        allowed: Allowed | None = None,
    ) -> UploadSession:
        """Add a chunk; finish the upload when it is the last that was missing. ``signed`` are digests of the body
        that its signature covers; ``allowed`` is what its own credential may do, where that may be less than the
        one's that began the upload.

        Raises:
            ChunkDiffers: other bytes are there already.
            InconsistentLength, TooLarge: the range does not fit the upload, or the upload its credential.
            Forbidden: the upload may replace an object, and the chunk's credential may not.
            DigestMismatch: the body's own digest is another; nothing of it is kept.
            UploadGone: the upload was cancelled, has expired or has failed.
            Overtaken: somebody tried to finish it meanwhile and could not; send the chunk again.
            GatewayError: the source or a store failed; send the chunk again.
        """
        writing = await self._begin(session, command, allowed)
        claims = () if command.body_digest is None else (command.body_digest,)
        body = ChunkBody(source, command.range.size, claims, signed)
        await self._receive(writing, command, body, staged=bool(claims or signed))
        length = writing.session.length
        if length is not None and command.range.stop > length:
            raise InconsistentLength(f"The upload was finished meanwhile, with {length} bytes.")
        if writing.session.state == "done":
            # Also if somebody has begun it anew since: these bytes are in the object.
            return writing.session
        await self._merge(writing)
        session = await self.finish(writing)
        if session.state not in ("open", "completing", "done"):
            raise UploadGone("This upload was cancelled or begun anew meanwhile.")
        return session

    async def _begin(
        self, session: UploadSession, command: PutChunk, allowed: Allowed | None
    ) -> SharedWriting:
        """The upload as it is now, if it takes this chunk."""
        writing = SharedWriting(self._sessions, session, lambda: self._works.clock() + self._ttl)
        await writing.refresh()
        if allowed is not None:
            allowed.check(writing.session, command.range.stop)
        await self._check(writing, command)
        if writing.session.state == "completing" and not _has_all(writing.session):
            await self._settle(writing)
        if writing.session.state not in ("open", "completing", "done"):
            raise UploadGone("This upload takes no more bytes; begin a new one.")
        return writing

    async def _check(self, writing: SharedWriting, command: PutChunk) -> None:
        session, span = writing.session, command.range
        if command.body not in (None, span.size):
            raise InconsistentLength(
                f"The range has {span.size} bytes and the body {command.body}."
            )
        if command.total is not None and session.length not in (None, command.total):
            raise InconsistentLength(f"The upload's length was said to be {session.length} bytes.")
        if command.total is not None and session.length is None and session.state == "open":
            change = writing.change(Change(length=command.total))
            await self._unless_finished(writing, change)
            session = writing.session
            if session.length != command.total:
                raise InconsistentLength(f"The upload had {session.length} bytes, and is finished.")
        limits = (session.length, session.max_size, writing.slices.max_length)
        end = min(limit for limit in limits if limit is not None)
        if span.stop > end:
            raise TooLarge(f"The range ends behind byte {end}, where this upload does.")

    async def _receive(
        self, writing: SharedWriting, command: PutChunk, incoming: ChunkBody, *, staged: bool
    ) -> None:
        runs = list(runs_of(writing.session.extents, writing.slices, command.range))
        staged = staged and len(runs) > 1
        site = self._works.site(writing.session)
        pending: list[Extent] = []
        try:
            for position, run in enumerate(runs):
                last = position == len(runs) - 1
                if not run.new or writing.session.state == "done":
                    await self._compare(writing, run.span, incoming)
                    if last:
                        await incoming.end()
                    continue
                async with ChunkSink(site, writing, self._turns, run.span) as sink:
                    crc = await incoming.into(sink, run.span.size)
                    if last:
                        await incoming.end()
                    piece = Piece(run.span.start, run.span.size, crc)
                    if staged:
                        pending.append(await unbroken(sink.write_segment(piece)))
                    else:
                        await self._unless_finished(writing, unbroken(sink.commit(piece)))
                        check_same(writing.session, piece)
        except BaseException:
            names = [extent.name for extent in pending]
            await unbroken(site.tails.refused(writing.session, names))
            raise
        if pending:
            added = unbroken(add_segments(site, writing, pending))
            await self._unless_finished(writing, added)
            for extent in pending:
                check_same(writing.session, extent.pieces[0])

    async def _unless_finished(self, writing: SharedWriting, work: Awaitable[object]) -> None:
        """Add to the upload. Where that fails because somebody else has finished it meanwhile, nothing is to be added:
        all bytes are there.

        Raises:
            Overtaken: it was to be finished and takes bytes again.
            GatewayError: the work failed.
        """
        try:
            await work
        except ChunkDiffers:
            raise
        except GatewayError as error:
            if (await writing.refresh()).state == "completing":
                await self._settle(writing)
            if writing.session.state == "open" and isinstance(error, UploadGone):
                raise Overtaken(
                    "This upload could not be finished; send the chunk again."
                ) from error
            if writing.session.state != "done":
                raise

    async def _compare(self, writing: SharedWriting, span: ByteRange, incoming: ChunkBody) -> None:
        """Hold what came again against what is known of it."""
        known = sorted(
            {
                piece
                for extent in writing.session.extents
                for piece in extent.pieces
                if span.start <= piece.offset and piece.offset + piece.size <= span.stop
            },
            key=lambda piece: (piece.offset, -piece.size),
        )
        at = span.start
        for piece in known:
            if piece.offset < at:
                continue
            await incoming.crc(piece.offset - at)
            if await incoming.crc(piece.size) != piece.crc:
                raise ChunkDiffers(
                    f"Bytes {piece.offset}-{piece.offset + piece.size - 1} were sent before, and others."
                )
            at = piece.offset + piece.size
        await incoming.crc(span.stop - at)

    async def _merge(self, writing: SharedWriting) -> None:
        """Make parts of the slices that are complete now."""
        session = await writing.refresh()
        length = session.length
        if length is not None and length <= writing.slices.bounds(0)[1]:
            return  # it will be one PutObject
        for index in writing.unmerged():
            if session.state == "open" and _is_whole(writing, index):
                await self._unless_finished(writing, self._merge_slice(writing, index))

    async def _merge_slice(self, writing: SharedWriting, index: int) -> None:
        async with self._turns.alone(f"{writing.session.id}/{index}"):
            await writing.refresh()
            while writing.session.state == "open" and index in writing.unmerged():
                kept = writing.segments(index)
                try:
                    await self._merge_segments(writing, index)
                    return
                except StorageError:
                    await writing.refresh()
                    if index in writing.unmerged() and writing.segments(index) == kept:
                        raise
                    # Whoever else writes it has merged them, and removed what this one was about to read.

    async def _merge_segments(self, writing: SharedWriting, index: int) -> None:
        async with SliceSink(self._works.site(writing.session), writing, 0, 0) as sink:
            async with self._turns.alone(f"{writing.session.id}/multipart"):
                await writing.refresh()
                await unbroken(self._works.site(writing.session).multipart(writing))
            await sink.merge(index)

    async def _settle(self, writing: SharedWriting) -> None:
        """Whoever published bytes that only he had is gone: the object is there, or they are missing."""
        async with self._turns.alone(f"{writing.session.id}/finish"):
            session = await writing.refresh()
            if session.state == "completing":
                async with self._takeovers.writing(session) as writer:
                    if writer.writing.session.state == "completing":
                        await self._completing.redo(writer.writing)
            await writing.refresh()

    async def finish(self, writing: SharedWriting) -> UploadSession:
        """Finish the upload if nothing is missing."""
        session = await writing.refresh()
        if not _has_all(session):
            return session
        # Slices are merged in turns. Under the epoch of who finishes, both would send the same part, and one replaces
        # the other.
        await self._merge(writing)
        async with self._turns.alone(f"{session.id}/finish"):
            session = await writing.refresh()
            if not _has_all(session):
                return session
            async with self._takeovers.writing(session) as writer:
                own = writer.writing
                if own.session.state == "completing":
                    await self._completing.redo(own)
                if own.session.state == "open":
                    await self._finish(own)
            return own.session

    async def _finish(self, own: Writing) -> None:
        length = own.session.length
        assert length is not None
        site = self._works.site(own.session)
        async with SliceSink(site, own, length, length) as sink:
            await self._completing.finish(own, sink, length)


def _has_all(session: UploadSession) -> bool:
    return (
        session.state in ("open", "completing")
        and session.length is not None
        and session.offset == session.length
    )


def _is_whole(writing: SharedWriting, index: int) -> bool:
    """Whether the segments of a slice are all of it."""
    start, stop = writing.slices.bounds(index)
    length = writing.session.length
    end = stop if length is None else min(stop, length)
    gaps = holes(writing.segments(index), end)
    return not any(gap.stop > start for gap in gaps)
