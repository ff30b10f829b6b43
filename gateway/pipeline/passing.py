"""Cut-through: a slow client's part goes to the store as it comes, instead of to disk.

Where a part's size is known beforehand and the store need not be told a hash of it first, the call that stores it can
be begun before the part is here. Then it takes neither memory nor disk, only a connection. What that costs:
bytes that were sent are gone, so nothing can be repeated. A store that fails meanwhile fails the upload (503, and
the client may try again); nothing is stored, because no store commits a body that is not complete. For the same reason
the last slab stays here until all that was claimed of the body is verified. See ``docs/decisions/0012``.
"""

from datetime import UTC, datetime
from typing import Final

from gateway.errors import DigestMismatch, StorageUnavailable
from gateway.model import PartReceipt, Stored
from gateway.pipeline.limiter import Limiter
from gateway.pipeline.owner import unbroken
from gateway.pipeline.parts import Draft
from gateway.pipeline.publish import Fingerprint, publish
from gateway.pipeline.slabs import Slab
from gateway.pipeline.undertaking import Undertaking
from gateway.telemetry import Instrument

#: Seconds after which a client may send again what the store has lost.
_RETRY_AFTER: Final = 5
#: What could be repeated if the bytes were still here: it is for the client to repeat.
_LOST: Final = (DigestMismatch, StorageUnavailable)


class Passing:
    """The parts of one upload that go this way. ``places`` are the store's, for all uploads."""

    def __init__(self, work: Undertaking, *, places: Limiter, instrument: Instrument) -> None:
        self._work = work
        self._places = places
        self._instrument = instrument

    def reserve(self, draft: Draft, size: int) -> bool:
        """Take a place for a part of ``size`` bytes, if there is one at once."""
        if not size or self._work.store.passages is None or not self._places.acquire_now():
            return False
        self._taken(draft, size)
        return True

    async def wait(self, draft: Draft, size: int) -> None:
        """Wait for a place; principals take turns."""
        await self._places.acquire(self._work.principal)
        self._taken(draft, size)

    def _taken(self, draft: Draft, size: int) -> None:
        draft.announced = size
        draft.on_release(self._places.release)

    async def open(self, draft: Draft, *, whole: bool) -> None:
        """Begin the call. No byte is lost before, so all the attempts of the policy are made.

        Raises:
            GatewayError: it was refused, or the store is not to be had.
        """
        found, size = self._work.store.passages, draft.announced
        assert found is not None
        assert size is not None
        if whole:
            draft.passage = await self._work.retry(
                "PutObject",
                lambda: found.open_put(
                    self._work.key, size, self._work.attributes, condition=self._work.condition
                ),
            )
        else:
            ref = await unbroken(self._work.multipart.create())
            draft.passage = await self._work.retry(
                "UploadPart", lambda: found.open_part(ref, draft.number, draft.offset, size)
            )
        self._instrument.passage_opened(self._work.store.name)
        draft.on_release(lambda: self._instrument.passage_ended(self._work.store.name))

    async def send(self, draft: Draft, slabs: list[Slab]) -> None:
        """Send ``slabs``, the first that the part has here, and let go of them.

        Raises:
            GatewayError: the upload is lost.
        """
        assert draft.passage is not None
        views = [slab.data() for slab in slabs]
        try:
            await draft.passage.send(views)
        except _LOST as error:
            raise _told(error) from error
        finally:
            for view in views:
                view.release()
        del draft.slabs[: len(slabs)]
        for slab in slabs:
            slab.release()

    async def finish_part(self, draft: Draft) -> PartReceipt:
        """Send the last slab, and answer the receipt."""
        assert draft.passage is not None
        try:
            receipt: PartReceipt = await draft.passage.finish(draft.views())
        except _LOST as error:
            raise _told(error) from error
        return receipt

    async def finish_whole(self, draft: Draft) -> Stored:
        """Send the last slab of an object; when the answer is lost, ask the object whether it is ours."""
        passage, began = draft.passage, datetime.now(UTC)
        assert passage is not None

        async def finish() -> Stored:
            try:
                stored: Stored = await passage.finish(draft.views())
            except _LOST as error:
                raise _told(error) from error
            return stored

        return await publish(
            self._work.store,
            self._work.key,
            self._work.retry,
            "PutObject",
            finish,
            lambda: Fingerprint(draft.size, None, began),
            repeat=False,
        )


def _told(error: DigestMismatch | StorageUnavailable) -> StorageUnavailable:
    return StorageUnavailable(
        "The store failed while the body was passed on to it as it came. Send it again.",
        retry_after=error.retry_after or _RETRY_AFTER,
    )
