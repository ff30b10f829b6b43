"""Sessions in this process's memory: for tests and for a single throw-away process. Nothing outlives it."""

import time
from typing import Final

from gateway.sessions.base import Intent, Lease
from gateway.sessions.memory_uploads import MemoryUploads


class MemorySessions(MemoryUploads):
    """A :class:`~gateway.sessions.base.Sessions` in dictionaries. One event loop, no waiting."""

    def __init__(self) -> None:
        super().__init__()
        self._intents: Final[dict[str, Intent]] = {}
        self._owners: Final[dict[str, float]] = {}
        self._nonces: Final[dict[tuple[str, str], float]] = {}
        self._leases: Final[dict[str, Lease]] = {}
        self._epoch = 0
        self._cleaned = 0.0

    async def start(self) -> None:
        """Nothing to open."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def ping(self) -> None:
        """Always reachable."""

    def now(self) -> float:
        """This machine's time."""
        return time.time()

    async def put_intent(self, intent: Intent) -> None:
        """Keep an intent."""
        self._intents[intent.id] = intent

    async def drop_intent(self, intent_id: str) -> None:
        """Forget an intent."""
        self._intents.pop(intent_id, None)

    async def intents(self) -> list[Intent]:
        """All intents, oldest first."""
        return sorted(self._intents.values(), key=lambda intent: (intent.created, intent.id))

    async def beat(self, owner: str, expires: float) -> None:
        """Keep a heartbeat."""
        self._owners[owner] = expires

    async def owners(self, now: float) -> frozenset[str]:
        """The owners that live."""
        for owner in [owner for owner, expires in self._owners.items() if expires <= now]:
            del self._owners[owner]
        return frozenset(self._owners)

    async def use_once(self, scope: str, nonce: str, now: float, expires: float) -> bool:
        """Keep a nonce, unless it is kept already."""
        self._clean(now)
        if self._nonces.get((scope, nonce), now) > now:
            return False
        self._nonces[scope, nonce] = expires
        return True

    async def acquire(self, name: str, holder: str, now: float, ttl: float) -> Lease | None:
        """Take or renew a lease."""
        self._clean(now)
        held = self._leases.get(name)
        if held is not None and held.holder == holder:
            epoch = held.epoch
        elif held is not None and held.expires > now:
            return None
        else:
            self._epoch += 1
            epoch = self._epoch
        lease = Lease(name, holder, epoch, now + ttl)
        self._leases[name] = lease
        return lease

    async def held(self, name: str) -> Lease | None:
        """The lease as it is."""
        return self._leases.get(name)

    async def release(self, lease: Lease) -> None:
        """Give a lease back."""
        held = self._leases.get(lease.name)
        if held is not None and (held.holder, held.epoch) == (lease.holder, lease.epoch):
            del self._leases[lease.name]

    def _clean(self, now: float) -> None:
        """Forget what has expired, at most once a minute: it is a pass over everything."""
        if 0 <= now - self._cleaned < 60:
            return
        self._cleaned = now
        for key in [key for key, expires in self._nonces.items() if expires <= now]:
            del self._nonces[key]
        for name in [name for name, lease in self._leases.items() if lease.expires <= now]:
            del self._leases[name]
