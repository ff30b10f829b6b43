"""Where one upload's bytes go: its store, the machinery of this process, and its segments."""

import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from gateway.errors import GatewayError, Overtaken
from gateway.model import Attributes, MultipartRef, ObjectKey
from gateway.pipeline.multipart import Multipart
from gateway.sessions.base import Intent, SessionStore
from gateway.sessions.uploads import Change, UploadSession
from gateway.storage.base import ObjectStore
from gateway.storage.retry import Retrier
from gateway.transfer.resumable.tail_cache import TailCache
from gateway.transfer.resumable.tails import TailStore
from gateway.transfer.resumable.writing import REFUSALS, Writing
from gateway.transfer.uploads import Machinery

#: Intents of multiparts that outlive a process are owned by their upload.
UPLOAD_OWNER = "upload/"


@dataclass(frozen=True, kw_only=True)
class Works:
    """What resumable uploads run on; one per process. ``clock`` gives Unix seconds."""

    machinery: Machinery
    stores: Mapping[str, ObjectStore]
    journal: SessionStore
    tails: TailStore
    cache: TailCache
    clock: Callable[[], float]
    #: Intents of multiparts that were created here, by the store's upload id.
    intents: dict[str, str] = field(default_factory=dict)

    def site(self, session: UploadSession) -> "Site":
        """Where this upload's bytes go."""
        return Site(self, session)


class Site:
    """One upload's store, and what is done there on its behalf."""

    def __init__(self, works: Works, session: UploadSession) -> None:
        self.works = works
        self.store = works.stores[session.store]
        self.key: ObjectKey = session.key
        self.attributes: Attributes = session.attributes
        self.tails = works.tails
        self.cache = works.cache

    @property
    def retrier(self) -> Retrier:
        """How its store is called."""
        return self.works.machinery.retriers[self.store.name]

    def ref(self, session: UploadSession) -> MultipartRef | None:
        """Its multipart, once there is one."""
        upload_id = session.upload_id
        return None if upload_id is None else MultipartRef(self.store.name, self.key, upload_id)

    async def multipart(self, writing: Writing) -> MultipartRef:
        """Its multipart; it is created when there is none, and durably known before a part is sent. Whoever calls
        sees to it that it is not broken off (:func:`~gateway.pipeline.owner.unbroken`).

        Raises:
            Overtaken, UploadGone: somebody else writes the upload now, alone; what was created is aborted again.
            GatewayError: it can't be created, or nobody knows whether the session knows it: then the sweep asks.
        """
        found = self.ref(writing.session)
        if found is not None:
            return found
        journal = UploadJournal(self.works.journal, writing.session.id, self.works.clock)
        multipart = Multipart(
            self.store,
            self.key,
            self.attributes,
            retry=self.retrier.call,
            journal=journal,
            instrument=self.works.machinery.instrument,
        )
        try:
            ref = await multipart.create()
        except BaseException:
            await multipart.abort(confirm=False)
            raise
        try:
            await writing.change(Change(upload_id=ref.upload_id))
        except REFUSALS as error:
            await multipart.abort(confirm=False)
            found = self.ref(writing.session)
            if found is not None and isinstance(error, Overtaken):
                return found  # of those who write it together another was faster
            raise
        self.works.intents[ref.upload_id] = journal.last
        return ref

    async def forget_multipart(self, ref: MultipartRef) -> None:
        """It is gone: so is its intent, where it was made here; else the sweep sees that it explains nothing."""
        intent = self.works.intents.pop(ref.upload_id, None)
        if intent is not None:
            with suppress(GatewayError):
                await self.works.journal.drop_intent(intent)


class UploadJournal:
    """Intents of an upload's multiparts: their owner is the upload, which outlives every process."""

    def __init__(self, sessions: SessionStore, upload: str, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._owner = UPLOAD_OWNER + upload
        self._clock = clock
        self._rows: dict[str, Intent] = {}
        self.last = ""

    async def intend(self, store: str, key: ObjectKey) -> str:
        """Write that a multipart is about to be created."""
        self.last = secrets.token_hex(16)
        row = Intent(id=self.last, store=store, key=key, owner=self._owner, created=self._clock())
        await self._sessions.put_intent(row)
        self._rows[row.id] = row
        return row.id

    async def attached(self, intent: str, ref: MultipartRef) -> None:
        """Write which one it became."""
        await self._sessions.put_intent(replace(self._rows[intent], upload_id=ref.upload_id))

    async def given_up(self, intent: str) -> None:
        """The row stays: the sweep compares it with what the upload knows."""

    async def closed(self, intent: str) -> None:
        """Forget it."""
        await self._sessions.drop_intent(intent)
