"""Calls to a store that are begun here and now: what one that can take them so offers."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from gateway.model import (
    Attributes,
    Digest,
    ObjectKey,
    Opened,
    RangeRequest,
    Stored,
    Views,
    WriteCondition,
)

T_co = TypeVar("T_co", covariant=True)


class Begun(Protocol[T_co]):
    """A call that is on its way to the store: wait for ``answer``, whose own result is nobody's business, then
    ask for :meth:`outcome`, and where there is none let :meth:`finish` get it. Or :meth:`abandon` it."""

    @property
    def answer(self) -> "asyncio.Future[Any]":
        """Done when the store has answered, or will not. Of a call that publishes it cannot be cancelled."""
        ...

    def outcome(self) -> T_co | None:
        """What the call brought, where that is a success as most are; None: :meth:`finish` tells."""
        ...

    async def finish(self) -> T_co:
        """What the call brought, if need be after mending and repeating it as the ordinary call would have.

        Raises:
            GatewayError: as the ordinary call.
        """
        ...

    def abandon(self) -> None:
        """Nobody wants it any more."""
        ...


class Prompt(Protocol):
    """Calls that can be made without waiting for anything but the answer. None: not now; make the ordinary call.

    What they save is the ordinary call's way: a dozen coroutines for what is one write and one read mostly. Whoever
    begins a call here does the rest of :mod:`gateway.storage.retry`'s work for it, see :class:`.retry.Admission`.
    """

    def put(
        self,
        key: ObjectKey,
        views: Views,
        attributes: Attributes,
        *,
        condition: WriteCondition,
        digests: Sequence[Digest],
    ) -> Begun[Stored] | None:
        """:meth:`.base.ObjectStore.put` of a small body. The views must last until the outcome is known."""
        ...

    def get(
        self, key: ObjectKey, *, range: RangeRequest | None, if_match: str | None
    ) -> Begun[Opened] | None:
        """:meth:`.base.ObjectStore.get`."""
        ...
