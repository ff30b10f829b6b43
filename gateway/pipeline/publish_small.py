"""Publishing a small body: one PutObject, which most of the time is one write, one read and nothing else.

A store that can take it without waiting is handed it here and now, and all that happens before its answer is one
coroutine's wait for it. That wait cannot be cancelled, as a publication that has begun is finished; so no task is
needed to keep it from that. Whatever is not a success at once goes on in the ordinary way, as its first attempt.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from gateway.model import Attributes, Digest, ObjectKey, Stored, Views, WriteCondition
from gateway.pipeline.flight import part_digests
from gateway.pipeline.owner import unbroken
from gateway.pipeline.publish import Fingerprint, publish
from gateway.storage.base import ObjectStore
from gateway.storage.etags import whole_etag
from gateway.storage.prompt import Begun
from gateway.storage.retry import Admission, Retrier, going_on

T = TypeVar("T")


@dataclass(slots=True)  # frozen: a call for each field
class SmallPublication:
    """What is to be published where, but for its bytes. ``since``: when the upload began, Unix seconds."""

    store: ObjectStore
    key: ObjectKey
    attributes: Attributes
    condition: WriteCondition
    retrier: Retrier
    since: float

    async def carry_out(self, views: Views) -> Stored:
        """Publish ``views``, to the end even when the caller is cancelled meanwhile.

        Raises:
            CancelledError: after the end, when a cancellation came meanwhile.
            GatewayError: as :func:`~gateway.pipeline.publish.publish`.
        """
        retrier = self.retrier
        digests = part_digests(self.store, views) if self.store.capabilities.checksums else ()
        begun, admitted = self._begin(views, digests)
        if begun is None or admitted is None:
            return await unbroken(self._publish(views, digests, None, admitted))
        cancelled: asyncio.CancelledError | None = None
        try:
            try:
                await begun.answer
            except asyncio.CancelledError as error:
                cancelled = error  # of the caller: the answer itself cannot be, and is here now
            except OSError:
                pass  # finish() says what it means
            stored = begun.outcome()
        except BaseException as error:
            begun.abandon()  # a bug of ours: nobody would settle it, nor give the connection up
            retrier.settle("PutObject", admitted, error)
            raise
        if stored is None:
            ending = unbroken(self._publish(views, digests, begun, admitted))
            if cancelled is None:
                return await ending
            with suppress(Exception):  # the cancellation is what the caller learns
                await ending
        else:
            retrier.settle("PutObject", admitted, None)
            if cancelled is None:
                return stored
        raise cancelled

    def _begin(
        self, views: Views, digests: Sequence[Digest]
    ) -> tuple[Begun[Stored] | None, Admission | None]:
        """The call, if it can be begun here and now; and what it, or the ordinary one, was admitted with."""
        prompt = self.store.prompt
        admitted = None if prompt is None else self.retrier.admit_now()
        if prompt is None or admitted is None:
            return None, None
        begun = prompt.put(
            self.key, views, self.attributes, condition=self.condition, digests=digests
        )
        return begun, admitted

    async def _publish(
        self,
        views: Views,
        digests: Sequence[Digest],
        begun: Begun[Stored] | None,
        admitted: Admission | None,
    ) -> Stored:
        """The ordinary way, with ``begun`` as its first attempt, which was ``admitted`` already."""

        def put() -> Awaitable[Stored]:
            return self.store.put(
                self.key, views, self.attributes, condition=self.condition, digests=digests
            )

        attempts = put if begun is None else going_on(begun, put)

        def retry(operation: str, call: Callable[[], Awaitable[T]], /) -> Awaitable[T]:
            nonlocal admitted
            admission, admitted = admitted, None
            return self.retrier.call(operation, call, admitted=admission)

        def fingerprint() -> Fingerprint:
            since = datetime.fromtimestamp(self.since, UTC)
            return Fingerprint(sum([len(view) for view in views]), whole_etag(views), since)

        return await publish(self.store, self.key, retry, "PutObject", attempts, fingerprint)
