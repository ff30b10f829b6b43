"""Calls to an S3 that are begun without waiting: what :class:`.store.S3Store` adds to its plane's."""

import asyncio
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from gateway.errors import DigestMismatch
from gateway.model import (
    Attributes,
    Digest,
    ObjectKey,
    Opened,
    RangeRequest,
    Stored,
    Suffix,
    Views,
    WriteCondition,
)
from gateway.storage.prompt import Begun
from gateway.storage.s3 import checksums
from gateway.storage.s3.plane import PlanePrompt


class S3Prompt:
    """A :class:`~gateway.storage.prompt.Prompt`. ``verified`` tells the checksums that the store verifies."""

    def __init__(self, plane: PlanePrompt, verified: Callable[[], AbstractSet[str]]) -> None:
        self._plane = plane
        self._verified = verified

    def put(
        self,
        key: ObjectKey,
        views: Views,
        attributes: Attributes,
        *,
        condition: WriteCondition,
        digests: Sequence[Digest],
    ) -> Begun[Stored] | None:
        """PutObject."""
        sent = checksums.to_send(digests, self._verified()) if digests else ()
        begun = self._plane.begin_put(
            key, views, attributes, condition=condition, digests=digests, sent=sent
        )
        return _Judged(begun, views, digests) if begun is not None and sent else begun

    def get(
        self, key: ObjectKey, *, range: RangeRequest | None, if_match: str | None
    ) -> Begun[Opened] | None:
        """GetObject. ``Suffix(0)`` is answered by the ordinary call."""
        if isinstance(range, Suffix) and range.size == 0:
            return None
        return self._plane.begin_get(key, range=range, if_match=if_match)


class _Judged:
    """A PutObject whose body carries checksums: when they differ, it is told why."""

    __slots__ = ("_begun", "_digests", "_views")

    def __init__(self, begun: Begun[Stored], views: Views, digests: Sequence[Digest]) -> None:
        self._begun = begun
        self._views = views
        self._digests = digests

    @property
    def answer(self) -> "asyncio.Future[Any]":
        """See Begun."""
        return self._begun.answer

    def outcome(self) -> Stored | None:
        """See Begun."""
        return self._begun.outcome()

    async def finish(self) -> Stored:
        """See Begun."""
        try:
            return await self._begun.finish()
        except DigestMismatch as error:
            told = checksums.damage_told_from_mistakes(error, self._views, self._digests)
            raise told from error

    def abandon(self) -> None:
        """See Begun."""
        self._begun.abandon()
