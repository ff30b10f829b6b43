"""Conditional writes, also on stores that do not have them.

Where the store honours conditions on every way of committing (``conditional_put = "complete"``) it
judges alone, atomically. Elsewhere every *conditional* writer of an object takes the same lease in
the session store, looks at the object with a HEAD, and commits while holding the lease: writers
through Sluice are then serialised. A writer that bypasses Sluice, or sets no condition, is not seen;
that is the price, and ``docs/decisions`` says so.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway.errors import ConcurrentWrite, ObjectExists, ObjectNotFound
from gateway.model import ObjectInfo, WriteCondition
from gateway.pipeline.owner import unbroken
from gateway.protocol.commands import Preconditions
from gateway.protocol.conditions import pin_write, write_condition
from gateway.sessions.base import Lease, SessionStore
from gateway.transfer.placement import Placement
from gateway.transfer.resuming import Call

LEASE_TTL = 300.0
_TRIES = 50
_PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class WriteRule:
    """When a write may take effect. ``overwrite`` false: never on an existing object (409)."""

    conditions: Preconditions = Preconditions()
    overwrite: bool = True

    def __bool__(self) -> bool:
        return not self.overwrite or write_condition(self.conditions) != WriteCondition()

    def judge(self, info: ObjectInfo | None) -> WriteCondition:
        """Judge it on the object as it is, and pin it to that state.

        Raises:
            ObjectExists: it may not be overwritten.
            PreconditionFailed: a condition does not hold.
        """
        if not self.overwrite and info is not None:
            raise ObjectExists("The object exists and may not be overwritten.")
        if not self:
            return WriteCondition()
        return pin_write(self.conditions, info) if self.overwrite else WriteCondition(absent=True)


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
    ) -> AsyncIterator[None]:
        """Hold what is needed to commit: where the store does not judge the rule itself (``leased``), the lease, under
        which the rule is judged again.

        Raises:
            ObjectExists, PreconditionFailed: the rule does not hold any more.
            ConcurrentWrite: another writer holds the object for too long.
        """
        if not leased:
            yield
            return
        lease = await self._lease(placement)
        try:
            rule.judge(await self.current(placement))
            yield
        finally:
            await unbroken(self._sessions.release(lease))

    async def _lease(self, placement: Placement) -> Lease:
        self._count += 1
        holder = f"{self._owner}/{self._count}"
        name = f"write/{placement.store.name}/{placement.key}"
        for _ in range(_TRIES):
            lease = await self._sessions.acquire(name, holder, self._clock(), LEASE_TTL)
            if lease is not None:
                return lease
            await asyncio.sleep(_PAUSE)
        raise ConcurrentWrite("Another request is writing this object; try again.", retry_after=1)
