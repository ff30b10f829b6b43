"""Resumable uploads as the shell sees them: one method for each thing that can be done."""

from collections.abc import Callable

from gateway.drain import Drain
from gateway.errors import Conflict, UploadGone, UploadNotFound
from gateway.model import Digest, ObjectKey, Source
from gateway.pipeline.source import BytesSource
from gateway.protocol.upload_commands import AppendUpload, Limits, PutChunk, UploadStatus
from gateway.sessions.upload_rules import keeps_name
from gateway.sessions.uploads import UploadSession, UploadSessions
from gateway.transfer.exclusive import ConditionalWrites
from gateway.transfer.placement import Placements
from gateway.transfer.resumable.appending import Appending, Trailer
from gateway.transfer.resumable.chunks import Chunks
from gateway.transfer.resumable.commits import Durable
from gateway.transfer.resumable.completing import Authority, Completing
from gateway.transfer.resumable.creating import Allowed, Creating, Wish
from gateway.transfer.resumable.expiry import Endings
from gateway.transfer.resumable.joining import Joining
from gateway.transfer.resumable.shared import Turns
from gateway.transfer.resumable.site import Works
from gateway.transfer.resumable.status import status_of
from gateway.transfer.resumable.takeover import Takeovers
from gateway.transfer.uploads import Uploads

#: A writer here that was silent for so long (seconds) keeps what it has and lets go at a mere question of tus, where
#: that costs no call to a store: a question waits for one only to finish what has all its bytes.
SILENT = 2.0


class Resumables:
    """All of it. ``ttl``, in seconds, is how long an upload is kept after its last change; ``owner`` names this
    process in the sessions."""

    def __init__(
        self,
        works: Works,
        sessions: UploadSessions,
        placements: Placements,
        conditional: ConditionalWrites,
        uploads: Uploads,
        authority: Authority,
        *,
        owner: str,
        drain: Drain,
        ttl: float,
    ) -> None:
        self._works = works
        self._sessions = sessions
        self._ttl = ttl

        def expires() -> float:
            return works.clock() + ttl

        self._takeovers = Takeovers(sessions, owner, drain, expires)
        self._creating = Creating(works, sessions, placements, conditional, ttl)
        self._completing = Completing(works, conditional, authority)
        self._appending = Appending(works, self._takeovers, self._completing)
        self._joining = Joining(works, sessions, placements, uploads, ttl)
        turns = Turns(conditional)
        self._chunks = Chunks(works, sessions, self._takeovers, self._completing, turns, ttl)
        self.endings = Endings(works, sessions, placements, ttl)

    def limits(self) -> Limits:
        """What holds for every upload: told before one begins."""
        return Limits(max_size=self._creating.max_size(), max_age=int(self._ttl))

    @property
    def clock(self) -> Callable[[], float]:
        """Unix seconds."""
        return self._works.clock

    async def find(self, upload: str) -> UploadSession:
        """An upload by its id.

        Raises:
            UploadNotFound: there is none, or nobody remembers.
        """
        found = await self._sessions.upload(upload)
        if found is None:
            raise UploadNotFound("There is no such upload.")
        return found

    async def create(self, wish: Wish, allowed: Allowed) -> tuple[UploadSession, bool]:
        """Begin an upload; see :meth:`Creating.create`."""
        return await self._creating.create(wish, allowed)

    async def join(self, wish: Wish, allowed: Allowed) -> tuple[UploadSession, bool]:
        """Make one object of finished partial uploads; see :meth:`Joining.join`."""
        return await self._joining.join(wish, allowed)

    async def chunked(
        self, principal: str, key: ObjectKey, session: str | None, total: int | None
    ) -> UploadSession | None:
        """A principal's upload of ``key`` that takes chunks, by its client's name for it, or ours; where it has no name
        (None), by its total. None where there is none.

        Raises:
            Conflict: the name is that of an upload of another object.
        """
        name = chunks_name(key, total) if session is None else session
        found = await self._sessions.upload_named(principal, name)
        if found is not None and not keeps_name(found, self._works.clock()):
            found = None
        if found is None and session is not None:
            found = await self._sessions.upload(session)
            if found is not None and found.principal.id != principal:
                return None
        if found is not None and found.target != key:
            raise Conflict("This session is one of another object's; choose a new id.")
        return found

    async def put_chunk(
        self,
        session: UploadSession,
        command: PutChunk,
        source: Source,
        *,
        signed: tuple[Digest, ...] = (),
        allowed: Allowed | None = None,
    ) -> UploadSession:
        """Add a chunk; see :meth:`Chunks.put`."""
        self._check_there(session)
        return await self._chunks.put(session, command, source, signed, allowed)

    async def append(
        self,
        session: UploadSession,
        command: AppendUpload,
        source: Source,
        trailer: Trailer | None = None,
        *,
        signed: tuple[Digest, ...] = (),
        durable: Durable | None = None,
    ) -> UploadSession:
        """Add a body; see :meth:`Appending.append`."""
        self._check_there(session)
        return await self._appending.append(session, command, source, trailer, signed, durable)

    async def inspect(self, session: UploadSession, takes_over: str) -> UploadSession:
        """The upload as it durably is. ``takes_over`` as in
        :class:`~gateway.protocol.upload_commands.InspectUpload`.

        Raises:
            UploadGone: it was cancelled, has expired, or has failed.
            GatewayError: all bytes are here, and it can't be finished.
        """
        self._check_there(session)
        if session.state == "open" and takes_over == "always":
            return await self._takeovers.seize(session)
        if takes_over != "stale":
            return session
        here = self._takeovers.writer(session.id)
        silent = here is not None and here.silent >= SILENT and here.received != session.length
        if silent and self._works.tails.near:
            session = await self._takeovers.relieve(session)
        return await self.finished(session)

    async def finished(self, session: UploadSession) -> UploadSession:
        """tus has no other word for "the object is there" than an offset that is the length: where all bytes are here
        and whoever was to finish the upload could not, it is finished before that is said.

        Raises:
            GatewayError: all bytes are here, and it can't be finished.
        """
        if session.state in ("open", "completing") and session.offset == session.length:
            session = await self._takeovers.finished(session)
        if session.state in ("open", "completing") and session.offset == session.length:
            command = AppendUpload(upload=session.id, offset=session.offset, body=0)
            session = await self._appending.append(session, command, BytesSource(b""))
        return session

    async def cancel(self, session: UploadSession) -> None:
        """Drop the upload and what was kept of it; who writes it is stopped. A finished object stays.

        Raises:
            UploadGone: it is no more.
            GatewayError: what is in the store could not be dropped now; the sweep will.
        """
        self._check_there(session)
        await self.endings.end(await self._takeovers.seize(session))

    def _check_there(self, session: UploadSession) -> None:
        """Refuse what is no more, also where no sweep has come by yet.

        Raises:
            UploadGone: it was cancelled, has expired, or has failed.
        """
        expired = session.state != "done" and session.expires <= self._works.clock()
        if expired or session.state in ("ending", "gone", "failed"):
            raise UploadGone(
                "This upload was cancelled, has failed or has expired; begin a new one."
            )

    def status(self, session: UploadSession, chunk_size: int | None = None) -> UploadStatus:
        """What is told of it. ``received`` counts what a writer here has in its hands besides."""
        return status_of(session, self._works.clock(), chunk_size)

    def in_hand(self, upload: str) -> int:
        """Where what a running request here has received ends, in the upload; 0 where none runs here."""
        here = self._takeovers.writer(upload)
        return 0 if here is None else here.received


def chunks_name(key: ObjectKey, total: int | None) -> str:
    """What an upload in chunks is known by that its client gave no name. No client can make up such a one: they
    have no spaces."""
    return f"= {total} {key}"
