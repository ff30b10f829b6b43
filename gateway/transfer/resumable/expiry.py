"""The end of uploads that nobody finishes, and of the memory of those that were.

Who ends an upload changes its state first, and only if it has expired still: one of many sweepers does, a writer
that is at it can commit nothing more, and one that has just committed keeps the upload alive. What could not be
cleaned is tried again by the next sweep.
"""

from dataclasses import dataclass, field
from typing import Final

from gateway.errors import GatewayError, Overtaken, UploadGone
from gateway.sessions.uploads import Change, UploadSession, UploadSessions
from gateway.transfer.placement import Placements
from gateway.transfer.resumable.site import Works

#: How long a sweeper has to clean up before another one may try, in seconds.
CLEANING: Final = 300.0
#: Uploads that one sweep ends at most.
BATCH: Final = 1000


@dataclass(slots=True)
class Ended:
    """What a sweep of uploads did, by their ids. ``failed`` is for the next one."""

    expired: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    failed: list[tuple[str, GatewayError]] = field(default_factory=list)


class Endings:
    """Ends uploads. ``ttl``, in seconds, is how long an ended one still answers 410."""

    def __init__(
        self, works: Works, sessions: UploadSessions, placements: Placements, ttl: float
    ) -> None:
        self._works = works
        self._sessions = sessions
        self._placements = placements
        self._ttl = ttl

    async def sweep(self) -> Ended:
        """End what has expired, forget what has ended long ago.

        Raises:
            SessionsUnavailable: nobody knows what has expired.
        """
        report = Ended()
        for upload in await self._sessions.expired_uploads(self._works.clock(), BATCH):
            try:
                await self._expire(upload, report)
            except (Overtaken, UploadGone):
                continue  # somebody else is at it
            except GatewayError as error:
                report.failed.append((upload, error))
        return report

    async def _expire(self, upload: str, report: Ended) -> None:
        session, now = await self._sessions.upload(upload), self._works.clock()
        if session is None or session.expires > now:
            return
        if session.state in ("done", "gone"):
            if session.state == "done":
                await self._clean(session)
            await self._sessions.forget_upload(session.id, session.epoch)
            report.forgotten.append(upload)
        else:
            await self.end(session, expired=now)
            report.expired.append(upload)

    async def end(self, session: UploadSession, *, expired: float | None = None) -> None:
        """End an upload: from here on nothing can be added, and what was kept is removed. ``expired`` (Unix seconds):
        only if it has expired by then.

        Raises:
            Overtaken: somebody else took it meanwhile, or wrote to it.
            GatewayError: something could not be removed; the next sweep tries again.
        """
        now = self._works.clock()
        if session.state != "ending":
            states = frozenset((session.state,))
            session = await self._sessions.change_upload(
                session.id,
                session.epoch,
                Change(state="ending", expires=now + CLEANING, only_in=states, expired=expired),
            )
        else:
            # Whoever began has had his time: the expiry is moved by one of those who come now.
            change = Change(expires=now + CLEANING, only_in=frozenset({"ending"}), expired=expired)
            session = await self._sessions.change_upload(session.id, session.epoch, change)
        await self._clean(session)
        gone = Change(
            state="gone",
            expires=now + self._ttl,
            drop=session.extents,
            only_in=frozenset({"ending"}),
        )
        await self._sessions.change_upload(session.id, session.epoch, gone)

    async def _clean(self, session: UploadSession) -> None:
        """Remove what is left in the store and among the segments."""
        site = self._works.site(session)
        ref = site.ref(session)
        if ref is not None and session.result is None:
            await site.retrier.call("AbortMultipartUpload", lambda: site.store.abort_multipart(ref))
            await site.forget_multipart(ref)
        await site.tails.clear(session)
        for extent in session.extents:
            site.cache.drop(session.id, extent.name)
        if session.partial and session.result is not None:
            await site.retrier.call("DeleteObject", lambda: site.store.delete(site.key))
