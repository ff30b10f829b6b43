"""Many writers of one upload at once: chunks. They add what they bring, and one of them does what is done once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from gateway.errors import Overtaken
from gateway.sessions.uploads import Change, UploadSession
from gateway.transfer.exclusive import ConditionalWrites
from gateway.transfer.resumable.writing import Writing

#: How often a change is tried under another's epoch, and how long one waits for another gateway, in seconds.
_TRIES: Final = 5
_PATIENCE: Final = 60.0


class SharedWriting(Writing):
    """An upload that others write as well: a change that only adds is as good under the next epoch."""

    async def change(self, change: Change) -> UploadSession:
        """Change the upload, under whichever epoch it has.

        Raises:
            UploadGone: it is no more, or takes no chunks any more.
            Overtaken: it is taken over again and again, or another multipart is known meanwhile.
        """
        for _ in range(_TRIES):
            try:
                return await super().change(change)
            except Overtaken:
                known = (await self.refresh()).upload_id
                if change.upload_id is not None and known not in (None, change.upload_id):
                    raise
        raise Overtaken("This upload is taken over again and again; try again.")

    async def refresh(self) -> UploadSession:
        """Look at the upload again."""
        found = await self._sessions.upload(self.session.id)
        if found is not None and found.version >= self.session.version:
            self.session = found
        return self.session


class Turns:
    """Locks by name: in this process first, then across the fleet."""

    def __init__(self, conditional: ConditionalWrites) -> None:
        self._conditional = conditional
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[None]:
        """Nobody else, here or elsewhere, is in a block of this name.

        Raises:
            ConcurrentWrite: another gateway is, for too long.
            SessionsUnavailable: nobody can tell.
        """
        lock, waiting = self._locks.get(name, (asyncio.Lock(), 0))
        self._locks[name] = lock, waiting + 1
        try:
            async with lock, self._conditional.alone(f"upload/{name}", _PATIENCE):
                yield
        finally:
            lock, waiting = self._locks.pop(name)
            if waiting > 1:
                self._locks[name] = lock, waiting - 1
