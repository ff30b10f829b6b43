"""The intent journal as the pipeline sees it: rows in the session store, owned by this process."""

import secrets
from collections.abc import Callable
from dataclasses import replace

from gateway.model import MultipartRef, ObjectKey
from gateway.sessions.base import NOBODY, Intent, SessionStore


class SessionJournal:
    """See :class:`gateway.pipeline.multipart.Journal`. ``clock`` gives Unix seconds."""

    def __init__(self, sessions: SessionStore, owner: str, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._owner = owner
        self._clock = clock
        self._open: dict[str, Intent] = {}

    async def intend(self, store: str, key: ObjectKey) -> str:
        """Write that a multipart for ``key`` is about to be created."""
        intent = Intent(
            id=secrets.token_hex(16), store=store, key=key, owner=self._owner, created=self._clock()
        )
        await self._sessions.put_intent(intent)
        self._open[intent.id] = intent
        return intent.id

    async def attached(self, intent: str, ref: MultipartRef) -> None:
        """Write which multipart it became."""
        row = replace(self._open[intent], upload_id=ref.upload_id)
        self._open[intent] = row
        await self._sessions.put_intent(row)

    async def given_up(self, intent: str) -> None:
        """Write that nobody works on it any more: what may be there of it is the sweep's."""
        row = self._open.pop(intent)
        await self._sessions.put_intent(replace(row, owner=NOBODY))

    async def closed(self, intent: str) -> None:
        """Forget it."""
        self._open.pop(
            intent, None
        )  # also when the row cannot be dropped: nobody asks for it again
        await self._sessions.drop_intent(intent)
