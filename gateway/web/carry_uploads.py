"""Carrying out what the resumable dialects ask for: commands to the engine, replies to responses."""

from collections.abc import Callable
from functools import partial
from typing import Final, assert_never

from gateway.auth.capability import UploadAccess
from gateway.errors import BadRequest, Overtaken, UploadGone, UploadNotFound
from gateway.model import Digest, Source
from gateway.pipeline.source import BytesSource
from gateway.protocol.digests import parse_upload_checksum
from gateway.protocol.interim import announcement
from gateway.protocol.legacy_paths import LEGACY
from gateway.protocol.numbered_chunks import placed
from gateway.protocol.upload_commands import (
    AppendUpload,
    CancelChunks,
    CancelUpload,
    CreateUpload,
    InspectChunks,
    InspectUpload,
    JoinUploads,
    PutChunk,
    PutNumberedChunk,
    UploadAppended,
    UploadCancelled,
    UploadCommand,
    UploadMade,
    UploadReply,
    UploadShown,
    UploadStatus,
    WatchUpload,
)
from gateway.sessions.uploads import UploadSession
from gateway.transfer.resumable.commits import Durable
from gateway.transfer.resumable.engine import Resumables
from gateway.web.carry import Work
from gateway.web.channel import source_of
from gateway.web.heads import send_head
from gateway.web.interim import InterimProgress
from gateway.web.progress import follow
from gateway.web.streams import (
    Scope,
    body_trailers,
    send_interim,
)
from gateway.web.upload_wishes import (
    allowed,
    begins_anew,
    chunk_wish,
    created_wish,
    first_append,
    goes_on,
    joined_wish,
)

_CHECKSUM: Final = b"upload-checksum"


class UploadCarrier:
    """Does what commands about uploads say. ``interim``: whether 104 may be sent; ``clock`` gives Unix seconds;
    ``ended`` says when streams of events must end."""

    def __init__(
        self,
        engine: Resumables,
        access: UploadAccess,
        *,
        interim: bool,
        clock: Callable[[], float],
        ended: Callable[[], bool],
    ) -> None:
        self.engine = engine
        self.access = access
        self._interim = interim
        self._clock = clock
        self._ended = ended

    async def look(self, upload: str) -> UploadSession | None:
        """The upload that a URL names; None where there is none."""
        try:
            return await self.engine.find(upload)
        except UploadNotFound:
            return None

    async def carry(
        self, command: UploadCommand, work: Work, session: UploadSession | None
    ) -> None:
        """Carry a command out and send its answer. ``session`` is the upload whose URL was asked, if it was one.

        Raises:
            GatewayError: it failed; nothing final was sent unless ``work.exchange.status`` says so.
        """
        if isinstance(command, WatchUpload) and command.events:
            assert session is not None
            await self._follow(command, work, session)
            return
        reply = await self._reply(command, work, session)
        await work.reply(work.render_upload(command, reply))

    async def _reply(
        self, command: UploadCommand, work: Work, session: UploadSession | None
    ) -> UploadReply:
        match command:
            case CreateUpload():
                return await self._create(command, work)
            case JoinUploads():
                return await self._join(command, work)
            case PutChunk():
                return await self._chunk(command, work)
            case InspectChunks():
                return await self._inspect_chunks(command, work)
            case CancelChunks():
                found = await self._chunked(command, work)
                await self.engine.cancel(found)
                return UploadCancelled()
            case PutNumberedChunk():
                assert session is not None
                return await self._numbered(command, work, session)
            case AppendUpload() | InspectUpload() | CancelUpload() | WatchUpload():
                assert session is not None
                return await self._go_on(command, work, session)
            case _:
                assert_never(command)

    async def _go_on(
        self,
        command: AppendUpload | InspectUpload | CancelUpload | WatchUpload,
        work: Work,
        session: UploadSession,
    ) -> UploadReply:
        match command:
            case AppendUpload():
                done = await self._append(command, work, session)
                return UploadAppended(status=self.engine.status(done))
            case InspectUpload():
                found = await self.engine.inspect(session, command.takes_over)
                return UploadShown(status=self.engine.status(found, _chunk_size(work, found)))
            case WatchUpload():
                found = await self.engine.inspect(session, "never")
                return UploadShown(status=self.engine.status(found))
            case CancelUpload():
                await self.engine.cancel(session)
                return UploadCancelled()

    # --- beginning ---

    async def _create(self, command: CreateUpload, work: Work) -> UploadReply:
        session, was_there = await self.engine.create(created_wish(command, work), allowed(work))
        location = self.access.path(session, self._clock())
        if not was_there:
            self._announce(command, work, session, location)
            if goes_on(command):
                session = await self._append(first_append(command, session), work, session)
        elif session.dialect == "tus":
            session = await self.engine.finished(session)
        status = self.engine.status(session, _chunk_size(work, session))
        return UploadMade(status=status, location=location, was_there=was_there)

    def _announce(
        self, command: CreateUpload, work: Work, session: UploadSession, location: str
    ) -> None:
        if command.interim is not None and self._interim:
            limits = self.engine.status(session).limits
            head = announcement(work.exchange.head, command.interim, location, limits)
            send_interim(work.channel.scope(), head.status, head.headers)

    async def _join(self, command: JoinUploads, work: Work) -> UploadReply:
        session, was_there = await self.engine.join(joined_wish(command, work), allowed(work))
        location = self.access.path(session, self._clock())
        status = self.engine.status(session)
        return UploadMade(status=status, location=location, was_there=was_there)

    # --- bytes ---

    async def _append(
        self, command: AppendUpload, work: Work, session: UploadSession
    ) -> UploadSession:
        incoming = source_of(work.channel, command.body)
        source: Source = BytesSource(b"") if command.body == 0 else incoming
        trailer = (lambda: _trailer(work.channel.scope())) if command.trailing else None
        try:
            return await self.engine.append(
                session,
                command,
                source,
                trailer,
                signed=work.grant.digests,
                durable=self._progress(command, work),
            )
        finally:
            work.exchange.received = incoming.count

    def _progress(self, command: AppendUpload, work: Work) -> Durable | None:
        """Who tells a client that understands it how far its bytes are safe, while they still come."""
        version = command.interim
        if version is None or not self._interim:
            return None
        return InterimProgress(version, partial(send_interim, work.channel.scope()), self._clock)

    async def _chunk(self, command: PutChunk, work: Work) -> UploadReply:
        try:
            return await self._chunk_of(command, work)
        except UploadGone as error:
            if command.session is not None:
                raise
            # It has no name: what ended may just begin anew, and takes these bytes then.
            raise Overtaken("This upload has ended or begins anew; ask how far it is.") from error

    async def _chunk_of(self, command: PutChunk, work: Work) -> UploadReply:
        principal = work.grant.principal.id
        found = await self.engine.chunked(principal, command.key, command.session, command.total)
        if found is not None and command.session is None and begins_anew(found, command):
            await self.engine.endings.end(found)
            found = None
        if found is None:
            found, _ = await self.engine.create(chunk_wish(command, work), allowed(work))
        return await self._put_chunk(command, work, found)

    async def _numbered(
        self, command: PutNumberedChunk, work: Work, session: UploadSession
    ) -> UploadReply:
        chunk = placed(command, session.target, session.length, session.cut.start)
        return await self._put_chunk(chunk, work, session)

    async def _put_chunk(
        self, command: PutChunk, work: Work, session: UploadSession
    ) -> UploadReply:
        incoming = source_of(work.channel, command.body)
        try:
            session = await self.engine.put_chunk(
                session, command, incoming, signed=work.grant.digests, allowed=allowed(work)
            )
        finally:
            work.exchange.received = incoming.count
        return UploadAppended(status=self.engine.status(session, command.chunk_size))

    async def _inspect_chunks(self, command: InspectChunks, work: Work) -> UploadReply:
        principal = work.grant.principal.id
        found = await self.engine.chunked(principal, command.key, command.session, command.total)
        ending = (
            found is not None and found.state == "ending"
        )  # another one of the same bytes begins
        if command.session is None and (found is None or ending):
            nothing = UploadStatus(
                id="", offset=0, length=command.total, complete=False, expires=None
            )
            return UploadShown(status=nothing)
        if found is None:
            raise UploadNotFound("There is no such session.")
        found = await self.engine.inspect(found, "never")
        return UploadShown(status=self.engine.status(found, _chunk_size(work, found)))

    async def _chunked(self, command: CancelChunks, work: Work) -> UploadSession:
        principal = work.grant.principal.id
        found = await self.engine.chunked(principal, command.key, command.session, None)
        if found is None:
            raise UploadNotFound("There is no such session.")
        return found

    # --- following ---

    async def _follow(self, command: WatchUpload, work: Work, session: UploadSession) -> None:
        found = await self.engine.inspect(session, "never")
        head = work.render_upload(command, UploadShown(status=self.engine.status(found)))
        await send_head(work.channel, work.exchange, head, more=True)
        await work.channel.send({"type": "http.response.body", "body": b"", "more_body": True})
        work.exchange.sent += await follow(
            self.engine,
            lambda: self.engine.find(session.id),
            work.channel.receive,
            work.channel.send,
            self._ended,
        )


def _chunk_size(work: Work, session: UploadSession) -> int | None:
    """The size of chunks that costs least, told to who asks for a session, or for what it misses."""
    return session.cut.start if work.exchange.dialect in ("chunked", LEGACY) else None


def _trailer(scope: Scope) -> Digest:
    """The digest that came behind the body.

    Raises:
        BadRequest: none came, though one was announced.
        InvalidDigest: it can't be read.
    """
    found = [value for name, value in body_trailers(scope) if name == _CHECKSUM]
    if len(found) != 1:
        raise BadRequest("The Upload-Checksum that was announced as a trailer did not come.")
    return parse_upload_checksum(found[0].decode("latin-1"))
