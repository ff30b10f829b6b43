"""Nonces and token ids that may be used once, over all workers and gateways."""

from typing import Final, Protocol

from cachetools import TLRUCache

from gateway.errors import RequestReplayed

#: How many used ids a process remembers, so that a repeated one costs no call to the session store.
REMEMBERED: Final = 10_000


class NonceStore(Protocol):
    """The part of :class:`gateway.sessions.base.SessionStore` that is needed here."""

    async def use_once(self, scope: str, nonce: str, now: float, expires: float) -> bool:
        """Remember ``nonce`` until ``expires``; False when it was remembered already."""
        ...


class ReplayGuard:
    """Refuses what was used before. The session store decides; the process only remembers refusals
    early, and forgetting one is harmless."""

    def __init__(self, store: NonceStore, remembered: int = REMEMBERED) -> None:
        self._store = store
        self._now = 0.0
        self._seen: TLRUCache[tuple[str, str], float] = TLRUCache(
            remembered, ttu=lambda _key, expires, _now: expires, timer=lambda: self._now
        )

    async def use(self, scope: str, nonce: str, now: float, expires: float) -> None:
        """Use a nonce of ``scope`` up. Times are Unix seconds.

        Raises:
            RequestReplayed: it was used before.
            SessionsUnavailable: that cannot be known just now; the request must not pass.
        """
        self._now = max(self._now, now)
        known = (scope, nonce) in self._seen
        if not known and await self._store.use_once(scope, nonce, now, expires):
            self._seen[scope, nonce] = expires
            return
        if not known:
            self._seen[scope, nonce] = expires
        raise RequestReplayed(
            "This token may be used once, and was used before; ask for a new one."
        )
