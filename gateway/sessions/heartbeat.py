"""Saying now and then that this process lives, so that no other aborts its uploads."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from gateway.errors import SessionsUnavailable
from gateway.sessions.base import SessionStore


class Heartbeat:
    """Keeps ``owner`` alive in the journal: every ``interval`` seconds, for ``ttl`` seconds each time. ``ttl`` wants
    to be several intervals, so that a lost beat kills nobody."""

    def __init__(
        self,
        sessions: SessionStore,
        owner: str,
        interval: float,
        ttl: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._sessions: Final = sessions
        self._owner: Final = owner
        self._interval: Final = interval
        self._ttl: Final = ttl
        self._now: Final = now

    async def beat(self) -> None:
        """Beat once: before the first upload, so that it is never without.

        Raises:
            SessionsUnavailable: it could not be written.
        """
        await self._sessions.beat(self._owner, self._now() + self._ttl)

    async def run(self) -> None:
        """Beat until cancelled. A beat that fails is made up for by the next."""
        while True:
            try:
                await self.beat()
            except SessionsUnavailable:
                # /-/readyz tells operators; nothing else is to be done here than to try again soon.
                await asyncio.sleep(min(self._interval, 1.0))
            else:
                await asyncio.sleep(self._interval)

    async def stop(self) -> None:
        """Say that this process ends, after its last upload: what it left, if anything, may be swept at once.

        Raises:
            SessionsUnavailable: it could not be written; then the last beat runs out by itself.
        """
        await self._sessions.beat(self._owner, 0.0)
