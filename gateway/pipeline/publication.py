"""The last call of an upload, which makes its object visible: one PutObject, or the completion of its multipart."""

from collections.abc import Sequence
from datetime import UTC, datetime

from gateway.model import PartReceipt, Stored
from gateway.pipeline.limiter import Limiter
from gateway.pipeline.owner import unbroken
from gateway.pipeline.parts import Draft
from gateway.pipeline.passing import Passing
from gateway.pipeline.publish import Fingerprint, check_run, publish, publish_whole
from gateway.pipeline.undertaking import Undertaking
from gateway.storage.etags import multipart_etag


class Publication:
    """Each call runs to its end once it has begun, cancelled or not, so that the outcome is known: ``done`` says it.

    ``places`` are the store's, for all uploads.
    """

    def __init__(self, work: Undertaking, *, places: Limiter) -> None:
        self._work = work
        self._places = places
        self._since = datetime.now(UTC)
        self.done = False

    async def put(self, draft: Draft) -> Stored:
        """All of the body is here.

        Raises:
            PreconditionFailed: the write condition does not hold.
            GatewayError: it failed for good; nothing is published.
        """
        await self._places.acquire(self._work.principal)
        try:
            return await unbroken(self._put(draft))
        finally:
            self._places.release()

    async def _put(self, draft: Draft) -> Stored:
        stored = await publish_whole(
            self._work.store,
            self._work.key,
            draft.views(),
            self._work.attributes,
            self._work.condition,
            self._work.retry,
            self._since,
        )
        self.done = True
        return stored

    async def finish(self, passing: Passing, draft: Draft) -> Stored:
        """All of the body but what is here was passed on as it came.

        Raises:
            GatewayError: as :meth:`put`.
        """
        return await unbroken(self._finish(passing, draft))

    async def _finish(self, passing: Passing, draft: Draft) -> Stored:
        stored = await passing.finish_whole(draft)
        self.done = True
        return stored

    async def complete(self, receipts: Sequence[PartReceipt], size: int) -> Stored:
        """The body is in parts, ``size`` bytes together.

        Raises:
            StorageCorrupt: the receipts do not add up to that.
            GatewayError: as :meth:`put`.
        """
        return await unbroken(self._complete(receipts, size))

    async def _complete(self, receipts: Sequence[PartReceipt], size: int) -> Stored:
        ref = self._work.multipart.ref
        assert ref is not None
        check_run(receipts, size)
        stored = await publish(
            self._work.store,
            self._work.key,
            self._work.retry,
            "CompleteMultipartUpload",
            lambda: self._work.store.complete_multipart(
                ref, receipts, condition=self._work.condition
            ),
            lambda: Fingerprint(size, multipart_etag(receipts), self._since),
        )
        self.done = True
        await self._work.multipart.close()
        return stored
