"""Publishing a small body: one PutObject, which most of the time is one write, one read and nothing else.

A store that can take it without waiting is handed it here and now, and all that happens before its answer is one
coroutine's wait for it. That wait cannot be cancelled, as a publication that has begun is finished; so no task is
needed to keep it from that. Whatever is not a success at once goes on in the ordinary way, as its first attempt.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from gateway.model import Attributes, Digest, ObjectKey, Stored, Views, WriteCondition
from gateway.pipeline.flight import part_digests
from gateway.pipeline.owner import unbroken
from gateway.pipeline.publish import Fingerprint, publish
from gateway.storage.base import Begun, ObjectStore
from gateway.storage.etags import whole_etag
from gateway.storage.retry import Admission, Retrier, going_on

T = TypeVar("T")


@dataclass(slots=True)  # frozen: a call for each field
class SmallPublication:
    """What is to be published where. ``views``: all of the body; ``since``: when the upload began."""

    store: ObjectStore
    key: ObjectKey
    views: Views
    attributes: Attributes
    condition: WriteCondition
    retrier: Retrier
    since: datetime

    async def carry_out(self) -> Stored:
        """Publish it, to its end even when the caller is cancelled meanwhile.

        Raises:
            CancelledError: after the end, when a cancellation came meanwhile.
            GatewayError: as :func:`~gateway.pipeline.publish.publish`.
        """
        retrier, prompt = self.retrier, self.store.prompt
        digests = part_digests(self.store, self.views)
        begun = None
        if prompt is not None and retrier.free:
            begun = prompt.put(
                self.key, self.views, self.attributes, condition=self.condition, digests=digests
            )
        if begun is None:
            return await unbroken(self._publish(digests))
        admitted = retrier.admit_begun()
        cancelled: asyncio.CancelledError | None = None
        try:
            await begun.answer
        except asyncio.CancelledError as error:
            cancelled = error  # of the caller: the answer itself cannot be, and is here now
        except OSError:
            pass  # finish() says what it means
        stored = begun.outcome()
        if stored is not None:
            retrier.settle_begun("PutObject", admitted, None)
        elif cancelled is None:
            stored = await unbroken(self._publish(digests, begun, admitted))
        else:
            with suppress(Exception):  # the cancellation is what the caller learns
                await unbroken(self._publish(digests, begun, admitted))
        if cancelled is not None:
            raise cancelled
        assert stored is not None
        return stored

    async def _publish(
        self,
        digests: Sequence[Digest],
        begun: Begun[Stored] | None = None,
        admitted: Admission | None = None,
    ) -> Stored:
        """The ordinary way, with ``begun`` as its first attempt."""

        def put() -> Awaitable[Stored]:
            return self.store.put(
                self.key, self.views, self.attributes, condition=self.condition, digests=digests
            )

        attempts = put if begun is None else going_on(begun, put)

        def retry(operation: str, call: Callable[[], Awaitable[T]], /) -> Awaitable[T]:
            nonlocal admitted
            admission, admitted = admitted, None
            return self.retrier.call(operation, call, admitted=admission)

        return await publish(self.store, self.key, retry, "PutObject", attempts, self._fingerprint)

    def _fingerprint(self) -> Fingerprint:
        size = sum([len(view) for view in self.views])
        return Fingerprint(size, whole_etag(self.views), self.since)
