"""Where an upload's bytes go: parts in a store. And the rules by which they go there.

1. *Memory before bytes.* Nothing is read that has no place to go: :meth:`PartSink.admit` waits for memory
   of the budget, slab by slab, charged at the slab's capacity, and only then the source is asked. So a slow store
   closes the client's TCP window, and no queue exists anywhere. Slabs start small and grow with the
   client's rate: a thousand phones that trickle do not own the budget.
2. *It cannot deadlock.* When memory is out, the oldest unfinished part may use the reserve until it is complete
   (:mod:`gateway.pipeline.budget`). One whose client is slow loses that right and goes to disk
   (:mod:`gateway.pipeline.pressure`, :mod:`gateway.pipeline.spool`). A complete part depends on the store only: it is
   sent before memory for the next one is asked for. That holds for the first one too, which would
   otherwise wait to see whether the body ends with it (then one PutObject would do): only a length known beforehand
   keeps it.
3. *A fast client never waits behind slow ones*; principals take turns, for memory and for places in flight.
4. *Memory first, then a place*: a spooled part takes memory for its bytes, then waits for a place, never
   the other way round.
5. *A part stays as it is until its receipt is here*, so that a retry never touches the client. Then its
   memory goes back at once.
6. *Nothing becomes visible unverified*: :meth:`PartSink.complete` comes after the chain's ``verify()``. A body
   that ends within the first part is one PutObject, the empty one too; anything else is completed as a
   multipart.
7. *Leaving the block in any other way abandons*: parts that are being sent may land (or are cut off after a
   grace), then the multipart is aborted, once, and every reservation is back before the block ends.
8. *An error in a part ends the upload and surfaces as itself*, never as an ExceptionGroup, and before any
   error that it caused.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self

from gateway.adapt.buffer_size import BufferSize
from gateway.adapt.concurrency import Limit
from gateway.adapt.part_size import PartPlan
from gateway.errors import GatewayError, IncompleteBody, StorageCorrupt, TooLarge
from gateway.model import Attributes, MultipartRef, ObjectKey, PartReceipt, Stored, WriteCondition
from gateway.pipeline.flight import Flight, Retry, part_digests
from gateway.pipeline.limiter import Limiter
from gateway.pipeline.multipart import Journal, Multipart
from gateway.pipeline.owner import Owner, unbroken
from gateway.pipeline.parts import Draft, PartBuilder
from gateway.pipeline.publish import Fingerprint, multipart_etag, publish, whole_etag
from gateway.pipeline.slabs import Account, Slab
from gateway.pipeline.spool import Spool
from gateway.storage.base import ObjectStore
from gateway.telemetry import Instrument

#: How long parts that are being sent may go on when an upload is abandoned, in seconds.
GRACE: Final = 5.0


class PartSink:
    """One body on its way into one object. An async context manager, for one task.

    ``memory`` is an account of its own, opened and closed here; ``places`` are the store's, for all uploads; ``limit``
    is how many parts of this one may be in flight.
    """

    def __init__(
        self,
        *,
        store: ObjectStore,
        key: ObjectKey,
        plan: PartPlan,
        memory: Account,
        places: Limiter,
        retry: Retry,
        journal: Journal,
        attributes: Attributes | None = None,
        condition: WriteCondition | None = None,
        limit: Limit | None = None,
        spool: Spool | None = None,
        instrument: Instrument | None = None,
        clock: Callable[[], float] = time.monotonic,
        grace: float = GRACE,
    ) -> None:
        self._store = store
        self._key = key
        self._plan = plan
        self._memory = memory
        self._places = places
        self._retry = retry
        self._attributes = attributes or Attributes()
        self._condition = condition or WriteCondition()
        self._spool = spool
        self._instrument = instrument or Instrument()
        self._clock = clock
        self._grace = grace
        self._multipart = Multipart(
            store, key, self._attributes, retry=retry, journal=journal, instrument=self._instrument
        )
        self._flight = Flight(
            store,
            principal=memory.principal,
            places=places,
            limit=limit or Limit(),
            retry=retry,
            instrument=self._instrument,
            failed=self._fail,
            clock=clock,
        )
        self._builder = PartBuilder(plan)
        self._window: memoryview | None = None
        self._client = BufferSize()
        self._expected: int | None = plan.length
        self._reading_since: float | None = None
        self._spills = Owner()
        self._error: BaseException | None = None
        self._interrupted = False
        self._published = False
        self._since = datetime.now(UTC)
        self.paused = 0.0

    # --- the block ---

    async def __aenter__(self) -> Self:
        """Begin.

        Raises:
            Overloaded: no memory for one more body.
        """
        self._memory.open(self)
        task = asyncio.current_task()
        assert task is not None
        self._task, self._cancelling = task, task.cancelling()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Complete or not, nothing is in flight and nothing is held afterwards."""
        try:
            await unbroken(self._leave())
        except asyncio.CancelledError as late:
            error = error or late
        if self._interrupted:
            self._task.uncancel()
        if self._task.cancelling() > self._cancelling:
            if not isinstance(error, asyncio.CancelledError):
                raise asyncio.CancelledError
        elif self._error is not None and error is not self._error and _follows(error):
            raise self._error

    def _fail(self, error: BaseException) -> None:
        """A part failed: interrupt whoever is inside the block."""
        if self._error is None:
            self._error = error
            self._interrupted = True
            self._task.cancel()

    async def _leave(self) -> None:
        await self._spills.join()
        landed = await self._flight.stop(0 if self._published else self._grace)
        self._close_window()
        self._builder.draft.release()
        if not self._published:
            await self._multipart.abort(confirm=not landed)
        self._memory.close()
        self._instrument.client_paused(self.paused)

    # --- filling, called by the pump ---

    async def admit(self, expected: int | None) -> memoryview | None:
        """Wait for memory and answer where the next bytes go; None when no more may come.

        ``expected`` is how many bytes the source still has, if it knows.
        """
        self._expected = expected
        builder = self._builder
        if expected == 0 or not builder.draft.room:
            return None
        if not builder.is_open:
            if not builder.draft.size:
                self._memory.start_part()
            builder.add(await self._memory.take(builder.slab_size(self._client.size, expected)))
        self._window = builder.window()
        self._reading_since = self._clock()
        return self._window

    def filled(self, size: int) -> Slab | None:
        """The source put ``size`` bytes there. Answers the slab that this has filled, if it has: with one lease
        more, for the taps, which release it."""
        assert self._reading_since is not None
        self._client.on_read(size, self._clock() - self._reading_since)
        self._close_window()
        slab = self._builder.advance(size)
        if slab is not None:
            self._client.on_filled()
            slab.retain()
        return slab

    def ended(self) -> Slab | None:
        """The source is at its end. Answers the last slab, if it holds bytes that no tap saw."""
        self._close_window()
        slab = self._builder.seal()
        if slab is not None:
            slab.retain()
        return slab

    def _close_window(self) -> None:
        self._reading_since = None
        if self._window is not None:
            # Whoever still holds a buffer of it keeps the slab from being reused; see Slab.
            with suppress(BufferError):
                self._window.release()
            self._window = None

    async def put(self) -> None:
        """Send the part if it is complete. Waits for a place in flight, never for a receipt.

        Raises:
            GatewayError: an earlier part failed, or the multipart can't be created.
        """
        draft = self._builder.draft
        whole = draft.number == 1 and draft.size == self._plan.length
        if not draft.room and not whole:
            await self._send(self._builder.cut())

    def overrun(self) -> GatewayError:
        """What is wrong when bytes come although :meth:`admit` said that none may."""
        if self._plan.length is not None:
            return IncompleteBody(
                f"The body runs past its declared length of {self._plan.length} bytes."
            )
        most = self._plan.max_length
        return TooLarge(
            f"The body is over the {most} bytes that can be stored here.", max_length=most
        )

    async def _send(self, draft: Draft) -> None:
        try:
            await self._gather(draft)
            ref = await unbroken(self._multipart.create())
        except BaseException:
            draft.release()
            raise
        await self._flight.send(ref, draft)

    async def _gather(self, draft: Draft) -> None:
        """Have all of a complete draft at hand. From here on it depends on the store only."""
        await self._spills.join()
        if draft.spooled:
            await draft.take_room(self._memory)
        self._memory.end_part()

    # --- the end ---

    async def settle(self) -> tuple[PartReceipt, ...]:
        """Wait until no part is in flight; answers the receipts in order.

        Raises:
            GatewayError: a part failed.
        """
        await self._flight.settle()
        if self._error is not None:
            raise self._error
        return tuple(self._flight.receipts[number] for number in sorted(self._flight.receipts))

    async def complete(self) -> Stored:
        """Publish the object. Only after everything about the body was verified.

        Runs to its end once it has begun, cancelled or not, so that the outcome is known.

        Raises:
            PreconditionFailed: the write condition does not hold.
            GatewayError: a part, or the publication, failed for good; nothing is published.
        """
        assert not self._builder.is_open, "ended() comes first"
        draft = self._builder.draft
        size = draft.offset + draft.size
        if self._plan.length not in (None, size):
            raise IncompleteBody(
                f"The body ended after {size} of its declared {self._plan.length} bytes."
            )
        if draft.number == 1:
            return await self._put_whole(self._builder.cut())
        if draft.size:
            await self._send(self._builder.cut())
        receipts = await self.settle()
        return await unbroken(self._complete_parts(receipts))

    async def _put_whole(self, draft: Draft) -> Stored:
        try:
            await self._gather(draft)
            await self._places.acquire(self._memory.principal)
            try:
                return await unbroken(self._put_object(draft))
            finally:
                self._places.release()
        finally:
            draft.release()

    async def _put_object(self, draft: Draft) -> Stored:
        views = draft.views()
        digests = part_digests(self._store, views)
        stored = await publish(
            self._store,
            self._key,
            self._retry,
            "PutObject",
            lambda: self._store.put(
                self._key, views, self._attributes, condition=self._condition, digests=digests
            ),
            lambda: Fingerprint(draft.size, whole_etag(views), self._since),
        )
        self._published = True
        return stored

    async def _complete_parts(self, receipts: tuple[PartReceipt, ...]) -> Stored:
        ref = self._multipart.ref
        assert ref is not None
        size = self._check(receipts)
        stored = await publish(
            self._store,
            self._key,
            self._retry,
            "CompleteMultipartUpload",
            lambda: self._store.complete_multipart(ref, receipts, condition=self._condition),
            lambda: Fingerprint(size, multipart_etag(receipts), self._since),
        )
        self._published = True
        await self._multipart.close()
        return stored

    def _check(self, receipts: tuple[PartReceipt, ...]) -> int:
        """The receipts must be an unbroken run that adds up to what was read."""
        offset = 0
        for number, receipt in enumerate(receipts, start=1):
            if receipt.number != number or receipt.offset != offset:
                raise StorageCorrupt("The acknowledged parts are not an unbroken run.")
            offset += receipt.size
        if offset != self._builder.draft.offset:
            raise StorageCorrupt("The acknowledged parts do not add up to the body.")
        return offset

    # --- under memory pressure (gateway.pipeline.budget.Holder) ---

    def spillable(self) -> int:
        """Bytes that could go to disk now."""
        if self._spool is None or len(self._spills):
            return 0
        size = sum(slab.size for slab in self._builder.sealed())
        return size if self._spool.has_room(size) else 0

    def sending(self) -> bool:
        """Whether the store owes a receipt, so that memory will come back."""
        return self._flight.count > 0

    def due(self) -> float:
        """Seconds until the unfinished part is complete at the client's rate; 0 when it is."""
        room = self._builder.draft.room
        missing = room if self._expected is None else min(room, self._expected)
        if not missing:
            return 0.0
        since = self._reading_since
        rate = self._client.rate(0.0 if since is None else self._clock() - since)
        return missing / rate if rate > 0 else float("inf")

    def spill(self) -> None:
        """Write them, beside whatever the pump does."""
        if self._spool is not None and not len(self._spills):
            draft = self._builder.draft
            self._spills.start(
                draft.spill(self._spool, self._builder.sealed()), name=f"spill of {self._key}"
            )

    @property
    def multipart(self) -> MultipartRef | None:
        """The multipart in the store, once there is one and until it is gone."""
        return self._multipart.ref

    @property
    def peak_in_flight(self) -> int:
        """The most parts that were in flight at a time."""
        return self._flight.peak


def _follows(error: BaseException | None) -> bool:
    """Whether ``error`` may be what a failed part brought about: nothing, the interruption, a request's failure."""
    return error is None or isinstance(error, asyncio.CancelledError | GatewayError)
