"""What an upload that was being completed has become: done, open again, or failed for good."""

from typing import Final

from gateway.errors import GatewayError, ObjectExists
from gateway.model import Digest, Stored
from gateway.sessions.uploads import Change, Result, UploadState
from gateway.transfer.resumable.site import Works
from gateway.transfer.resumable.writing import Writing

_COMPLETING: Final[frozenset[UploadState]] = frozenset({"completing"})


class Outcome:
    """Tells the session. What is not ``completing`` any more, because somebody else told it, stays as it is."""

    def __init__(self, works: Works) -> None:
        self._works = works

    async def done(
        self, writing: Writing, stored: Stored, known: tuple[Digest, ...], *, created: bool
    ) -> None:
        """The object is there, a new one if ``created`` (unless the store says otherwise), its digests are ``known``.
        What was kept in segments is removed."""
        session = writing.session
        if stored.replaced is not None:
            created = not stored.replaced
        result = Result(
            etag=stored.etag,
            size=stored.size,
            created=created,
            version=stored.version,
            digests=known,
        )
        segments = [extent for extent in session.extents if not extent.number]
        await writing.change(Change(state="done", result=result, holder="", only_in=_COMPLETING))
        for segment in segments:
            self._works.cache.drop(session.id, segment.name)
        await self._works.tails.drop(session, [segment.name for segment in segments])

    async def reopened(self, writing: Writing) -> None:
        """It goes on: the client sends what is missing, or tries again."""
        await writing.change(Change(state="open", only_in=_COMPLETING))

    async def refused(self, writing: Writing, error: GatewayError) -> GatewayError:
        """It may not be stored as things are. That may change, so the bytes are kept. Answers what to raise."""
        await self.reopened(writing)
        if not writing.session.overwrite:
            return ObjectExists("Another request has stored this object meanwhile.")
        return error

    async def failed(self, writing: Writing) -> None:
        """Its bytes are not those that were sent, or not there any more."""
        change = Change(state="failed", expires=self._works.clock(), only_in=_COMPLETING)
        await writing.change(change)
