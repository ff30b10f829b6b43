"""tus's concatenation: finished partial uploads, which are objects that no client sees, become one object.

Their bytes are streamed through an ordinary upload, which verifies and publishes it; the final upload is
remembered only when it is done.
"""

import secrets

from gateway.auth.authorise import check_scope
from gateway.errors import BadRequest, Conflict, TooLarge, UploadNotFound
from gateway.model import ByteRange, Source
from gateway.pipeline.source import JoinedSource
from gateway.protocol.commands import PutObject
from gateway.sessions.uploads import Result, UploadSession, UploadSessions
from gateway.settings.stores import BucketOptions
from gateway.transfer.placement import Placement, Placements
from gateway.transfer.resumable.creating import Allowed, Wish, find_named
from gateway.transfer.resumable.site import Works
from gateway.transfer.resumable.writing import cut_of, slices_of
from gateway.transfer.resuming import ResumingSource
from gateway.transfer.uploads import UploadRules, Uploads


class Joining:
    """Joins uploads. ``ttl`` as for :class:`.creating.Creating`."""

    def __init__(
        self,
        works: Works,
        sessions: UploadSessions,
        placements: Placements,
        uploads: Uploads,
        ttl: float,
    ) -> None:
        self._works = works
        self._sessions = sessions
        self._placements = placements
        self._uploads = uploads
        self._ttl = ttl

    async def join(self, wish: Wish, allowed: Allowed) -> tuple[UploadSession, bool]:
        """The final upload of ``wish.sources``, done; and whether it was there already.

        Raises:
            UploadNotFound: a source does not exist, or is another principal's.
            Forbidden: one is of an object that the credential is not for.
            BadRequest, Conflict: one is no partial upload, or not finished.
            TooLarge: together they are over a limit.
            GatewayError: as an ordinary upload.
        """
        known = await find_named(self._sessions, wish, allowed.principal.id, self._works.clock())
        if known is not None:
            return known, True
        sources = [await self._source(upload, allowed) for upload in wish.sources]
        size = sum(_size(source) for source in sources)
        if allowed.max_size is not None and size > allowed.max_size:
            raise TooLarge("Together they are larger than may be stored here.")
        command = PutObject(
            key=wish.key, length=size, attributes=wish.attributes, tell_created=True
        )
        rules = UploadRules(
            principal=allowed.principal.id, max_size=allowed.max_size, overwrite=allowed.overwrite
        )
        joined = JoinedSource([self._bytes(source) for source in sources if _size(source)])
        try:
            stored = await self._uploads.put(command, joined, rules)
        finally:
            await joined.aclose()
        result = Result(
            etag=stored.info_etag,
            size=stored.size,
            created=stored.created,
            version=stored.version,
        )
        return await self._remember(wish, allowed, result), False

    async def _source(self, upload: str, allowed: Allowed) -> UploadSession:
        found = await self._sessions.upload(upload)
        if found is None or found.principal.id != allowed.principal.id:
            raise UploadNotFound("There is no such partial upload.")
        check_scope(allowed.constraints, "POST", found.target)
        if not found.partial:
            raise BadRequest("Only partial uploads can be joined.")
        if found.state != "done":
            raise Conflict("A partial upload is not finished yet.")
        return found

    def _bytes(self, session: UploadSession) -> Source:
        """The bytes of a partial upload, opened when their turn comes."""
        site = self._works.site(session)
        assert session.result is not None
        return ResumingSource(
            Placement(site.store, session.key, BucketOptions()),
            session.result.etag,
            ByteRange(0, session.result.size),
            None,
            site.retrier,
            self._works.machinery.instrument,
        )

    async def _remember(self, wish: Wish, allowed: Allowed, result: Result) -> UploadSession:
        now = self._works.clock()
        placement = self._placements.resolve(wish.key)
        first = await self._sessions.upload(wish.sources[0])
        assert first is not None
        return await self._sessions.create_upload(
            UploadSession(
                id=secrets.token_urlsafe(16),
                dialect=wish.dialect,
                principal=allowed.principal,
                policy=allowed.policy,
                target=wish.key,
                store=placement.store.name,
                key=placement.key,
                cut=cut_of(slices_of(first.cut)),
                created=now,
                name=wish.name,
                metadata=wish.metadata,
                sources=wish.sources,
                length=result.size,
                expires=now + self._ttl,
                state="done",
                result=result,
            )
        )


def _size(session: UploadSession) -> int:
    assert session.result is not None
    return session.result.size
