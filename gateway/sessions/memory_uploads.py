"""Uploads in this process's memory: the plainest form of what the other stores do."""

from dataclasses import replace
from typing import Final

from gateway.sessions.upload_rules import after_change, after_creation, after_taking, keeps_name
from gateway.sessions.uploads import Change, UploadSession


class MemoryUploads:
    """:class:`~gateway.sessions.uploads.UploadSessions` in a dictionary. One event loop, no waiting."""

    def __init__(self) -> None:
        self._uploads: Final[dict[str, UploadSession]] = {}
        #: The latest upload of each principal's name.
        self._named: Final[dict[tuple[str, str], str]] = {}

    async def create_upload(self, session: UploadSession) -> UploadSession:
        """Keep a new upload, unless its name or id is there already."""
        found = self._uploads.get(session.id)
        if session.name is not None:
            named = await self.upload_named(session.principal.id, session.name)
            if named is not None and keeps_name(named, session.created):
                found = named
        if found is not None:
            return found
        if session.name is not None:
            self._named[session.principal.id, session.name] = session.id
        return self._keep(after_creation(session))

    async def upload(self, upload_id: str) -> UploadSession | None:
        """The upload of this id."""
        return self._uploads.get(upload_id)

    async def upload_named(self, principal: str, name: str) -> UploadSession | None:
        """The upload of this name."""
        found = self._uploads.get(self._named.get((principal, name), ""))
        return None if found is None or found.state == "gone" else found

    async def change_upload(self, upload_id: str, epoch: int, change: Change) -> UploadSession:
        """Change an upload."""
        return self._keep(after_change(self._uploads.get(upload_id), epoch, change))

    async def take_upload(self, upload_id: str, holder: str, epoch: int) -> UploadSession:
        """Become its only serial writer."""
        return self._keep(after_taking(self._uploads.get(upload_id), holder, epoch))

    async def ask_to_yield(self, upload_id: str, epoch: int) -> None:
        """Ask the holder of that epoch to let go."""
        found = self._uploads.get(upload_id)
        if found is not None and found.epoch == epoch and not found.yield_asked:
            self._keep(replace(found, yield_asked=True, version=found.version + 1))

    async def touched(self, upload_id: str) -> tuple[int, bool] | None:
        """Epoch, and whether its holder was asked to let go."""
        found = self._uploads.get(upload_id)
        return None if found is None else (found.epoch, found.yield_asked)

    async def expired_uploads(self, now: float, limit: int) -> list[str]:
        """Ids of what has expired, soonest first."""
        expired = [
            (session.expires, session.id)
            for session in self._uploads.values()
            if session.expires <= now
        ]
        return [upload_id for _, upload_id in sorted(expired)[:limit]]

    async def forget_upload(self, upload_id: str, epoch: int) -> None:
        """Remove the record, if it is of that epoch."""
        found = self._uploads.get(upload_id)
        if found is not None and found.epoch == epoch:
            del self._uploads[upload_id]
            named = (found.principal.id, found.name or "")
            if self._named.get(named) == upload_id:
                del self._named[named]

    def _keep(self, session: UploadSession) -> UploadSession:
        self._uploads[session.id] = session
        return session
