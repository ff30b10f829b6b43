"""Conditional writes, also on stores that do not have them.

Where the store honours conditions on every way of committing (``conditional_put = "complete"``) it
judges alone, atomically. Elsewhere every *conditional* writer of an object takes the same lease in
the session store, looks at the object with a HEAD, and commits while holding the lease: writers
through Sluice are then serialised. A writer that bypasses Sluice, or sets no condition, is not seen;
that is the price (``docs/decisions/0007-conditional-writes-by-lease.md``).

The lease is short, so that a process that dies blocks nobody for long, and is renewed while the commit
runs. Of one that died on this machine the kernel knows, so nobody waits for its lease to run out. Only a writer that
could not renew it for a whole :data:`LEASE_TTL`, because the sessions were away that long, can meet another one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from gateway.errors import ConcurrentWrite, ObjectExists, ObjectNotFound, SessionsUnavailable
from gateway.model import ObjectInfo, WriteCondition
from gateway.pipeline.owner import Owner, unbroken
from gateway.protocol.commands import Preconditions
from gateway.protocol.conditions import pin_write, write_condition
from gateway.sessions.base import Lease, SessionStore
from gateway.sessions.owner import is_dead
from gateway.storage.base import ObjectStore
from gateway.transfer.placement import Placement
from gateway.transfer.resuming import Call

#: How long a lease lasts without being renewed, and how often it is renewed, in seconds.
LEASE_TTL: Final = 30.0
RENEW: Final = 10.0
#: How long a writer waits for another one's commit, and how often it looks, in seconds.
PATIENCE: Final = 5.0
_PAUSE: Final = 0.1
#: What a process that was killed had just sent may still take effect in the store for a moment: its lease is free so
#: many seconds after somebody has seen that it is dead.
AFTER_DEATH: Final = 3.0
_LOOK: Final = 5  # tries between two looks at who holds it


def judges_alone(store: ObjectStore) -> bool:
    """Whether the store honours conditions on every way of committing."""
    return store.capabilities.conditional_put == "complete"


@dataclass(frozen=True, slots=True)
class WriteRule:
    """When a write may take effect. ``overwrite`` false: never on an existing object (409)."""

    conditions: Preconditions = Preconditions()
    overwrite: bool = True

    def __bool__(self) -> bool:
        if not self.overwrite:
            return True
        # None is a condition too: one that no store judges alone.
        return bool(self.conditions) and write_condition(self.conditions) != WriteCondition()

    def judge(self, info: ObjectInfo | None) -> WriteCondition:
        """Judge it on the object as it is, and pin it to that state.

        Raises:
            ObjectExists: it may not be overwritten.
            PreconditionFailed: a condition does not hold.
        """
        if not self.overwrite and info is not None:
            raise ObjectExists("The object exists and may not be overwritten.")
        return pin_write(self.conditions, info) if self else WriteCondition()


class ConditionalWrites:
    """Judges write rules, by the store where it can and under a lease where it cannot."""

    def __init__(
        self,
        sessions: SessionStore,
        retriers: Mapping[str, Call],
        owner: str,
        clock: Callable[[], float],
    ) -> None:
        self._sessions = sessions
        self._retriers = retriers
        self._owner = owner
        self._clock = clock
        self._count = 0

    async def current(self, placement: Placement) -> ObjectInfo | None:
        """The object as it is now, or None."""
        try:
            return await self._retriers[placement.store.name].call(
                "HeadObject", lambda: placement.store.head(placement.key)
            )
        except ObjectNotFound:
            return None

    @asynccontextmanager
    async def commit(
        self, placement: Placement, rule: WriteRule, *, leased: bool
    ) -> AsyncIterator[ObjectInfo | None]:
        """Look at the object and judge the rule on it; ``leased``: keep other conditional writers out until the
        block ends, because the store does not judge once more.

        The caller says which, as it has already chosen what to tell the store: a probe that ends meanwhile
        may change what :func:`judges_alone` answers.

        Raises:
            ObjectExists, PreconditionFailed: the rule does not hold.
            ConcurrentWrite: another writer holds the object for too long.
            SessionsUnavailable: nobody can tell.
        """
        if not leased:
            found = await self.current(placement)
            rule.judge(found)
            yield found
            return
        async with self.alone(f"write/{placement.store.name}/{placement.key}", PATIENCE):
            found = await self.current(placement)
            rule.judge(found)
            yield found

    @asynccontextmanager
    async def alone(self, name: str, patience: float) -> AsyncIterator[None]:
        """Hold the lease of this name for the length of the block; wait for it ``patience`` seconds at most.

        Raises:
            ConcurrentWrite: somebody else holds it for too long.
            SessionsUnavailable: nobody can tell.
        """
        lease = await self._lease(name, patience)
        renewal = Owner()
        renewal.start(self._renew(lease), name=f"renewal of {lease.name}")
        try:
            yield
        finally:
            renewal.cancel()
            await unbroken(self._release(lease, renewal))

    async def _lease(self, name: str, patience: float) -> Lease:
        self._count += 1
        holder = f"{self._owner}/{self._count}"
        dead, seen = None, 0
        tries_after_death = round(AFTER_DEATH / _PAUSE)
        for number in range(round(patience / _PAUSE)):
            lease = await self._sessions.acquire(name, holder, self._clock(), LEASE_TTL)
            if lease is not None:
                return lease
            if dead is None and number % _LOOK == 0:
                dead, seen = await self._of_the_dead(name), number
            elif dead is not None and number - seen >= tries_after_death:
                await self._sessions.release(dead)
                dead = None
            await asyncio.sleep(_PAUSE)
        raise ConcurrentWrite("Another request is writing this object; try again.", retry_after=1)

    async def _of_the_dead(self, name: str) -> Lease | None:
        """The lease, if its holder's process is certainly gone."""
        held = await self._sessions.held(name)
        return held if held is not None and is_dead(held.holder.rpartition("/")[0]) else None

    async def _renew(self, lease: Lease) -> None:
        while True:
            await asyncio.sleep(RENEW)
            with suppress(SessionsUnavailable):  # the next one may succeed
                await self._sessions.acquire(lease.name, lease.holder, self._clock(), LEASE_TTL)

    async def _release(self, lease: Lease, renewal: Owner) -> None:
        await renewal.join()
        with suppress(
            SessionsUnavailable
        ):  # it runs out by itself; the outcome of the commit stands
            await self._sessions.release(lease)
