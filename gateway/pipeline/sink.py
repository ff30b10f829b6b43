"""Where an upload's bytes go: parts in a store. And the rules by which they go there.

1. *Memory before bytes.* Nothing is read that has no place to go: :meth:`PartSink.admit` waits for memory
   of the budget, slab by slab, charged at the slab's capacity, and only then the source is asked. So a slow store
   closes the client's TCP window, and no queue exists anywhere. Slabs start small and grow with the
   client's rate: a thousand phones that trickle do not own the budget.
2. *It cannot deadlock.* A part begins when the spool could take all of it, or the store will as it comes
   (:mod:`gateway.pipeline.passing`). When memory is out, the oldest
   unfinished part may use the reserve until it is complete (:mod:`gateway.pipeline.budget`). One whose client is
   slow loses that right and goes to disk (:mod:`gateway.pipeline.pressure`, :mod:`gateway.pipeline.spool`). A complete
   part depends on the store only: it is sent before memory for the next one is asked for. That holds for
   the first one too, which would otherwise wait to see whether the body ends with it (then one PutObject would
   do): only a length known beforehand keeps it.
3. *A fast client never waits behind slow ones*; principals take turns, for memory and for places in flight.
4. *Memory first, then a place*: a spooled part takes memory for its bytes, then waits for a place, never
   the other way round.
5. *A part stays as it is until its receipt is here*, so that a retry never touches the client. Then its
   memory goes back at once. Only what is passed on as it comes is gone when it is sent: then the store's failure is
   the upload's.
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
from types import TracebackType
from typing import Final, Self

from gateway.adapt.concurrency import Limit
from gateway.adapt.part_size import PartPlan
from gateway.errors import GatewayError, IncompleteBody, TooLarge
from gateway.model import Attributes, MultipartRef, ObjectKey, PartReceipt, Stored, WriteCondition
from gateway.pipeline.filling import Filling
from gateway.pipeline.flight import Flight, Retry
from gateway.pipeline.intake import Intake
from gateway.pipeline.interruption import Interruption
from gateway.pipeline.limiter import Limiter
from gateway.pipeline.multipart import Journal, Multipart
from gateway.pipeline.naps import Naps
from gateway.pipeline.owner import unbroken
from gateway.pipeline.parts import Draft
from gateway.pipeline.passing import Passing
from gateway.pipeline.publication import Publication
from gateway.pipeline.slabs import Account
from gateway.pipeline.spool import Spool
from gateway.pipeline.undertaking import Undertaking
from gateway.storage.base import ObjectStore
from gateway.telemetry import Instrument

#: How long parts that are being sent may go on when an upload is abandoned, in seconds.
GRACE: Final = 5.0


class PartSink(Filling):
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
        passages: Limiter | None = None,
        naps: Naps | None = None,
        instrument: Instrument | None = None,
        clock: Callable[[], float] = time.monotonic,
        grace: float = GRACE,
    ) -> None:
        self._store = store
        self._key = key
        self._plan = plan
        self._principal = memory.principal
        self._places = places
        self._retry = retry
        self._attributes = attributes or Attributes()
        self._condition = condition or WriteCondition()
        self._instrument = instrument or Instrument()
        self._grace = grace
        self._interruption = Interruption()
        self._multipart = Multipart(
            store, key, self._attributes, retry=retry, journal=journal, instrument=self._instrument
        )
        self._flight = self._open_flight(limit or Limit(), clock)
        self._passing = None if passages is None else self._open_passing(passages)
        self._intake = self._open_intake(memory, spool, naps, clock)
        self._publication = self._open_publication()

    def _open_intake(
        self,
        memory: Account,
        spool: Spool | None,
        naps: Naps | None,
        clock: Callable[[], float],
    ) -> Intake:
        return Intake(
            self._plan,
            memory,
            spool,
            owed=lambda: self._flight.count > 0,
            passing=self._passing,
            failed=self._interruption.fail,
            naps=naps,
            clock=clock,
        )

    def _open_flight(self, limit: Limit, clock: Callable[[], float]) -> Flight:
        return Flight(
            self._store,
            principal=self._principal,
            places=self._places,
            limit=limit,
            retry=self._retry,
            instrument=self._instrument,
            failed=self._interruption.fail,
            clock=clock,
        )

    def _open_passing(self, places: Limiter) -> Passing:
        return Passing(self._undertaking(), places=places, instrument=self._instrument)

    def _open_publication(self) -> Publication:
        return Publication(self._undertaking(), places=self._places)

    def _undertaking(self) -> Undertaking:
        return Undertaking(
            store=self._store,
            key=self._key,
            attributes=self._attributes,
            condition=self._condition,
            principal=self._principal,
            multipart=self._multipart,
            retry=self._retry,
        )

    # --- the block ---

    async def __aenter__(self) -> Self:
        """Begin.

        Raises:
            Overloaded: no memory for one more body.
        """
        self._intake.open()
        self._interruption.enter()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Complete or not, nothing is in flight and nothing is held afterwards."""
        self._interruption.leave()
        try:
            if self._publication.done and not self._flight.count and not self._intake.spilling:
                # It waits for nothing then: a task of its own would cost more than it does.
                await self._leave()
            else:
                await unbroken(self._leave())
        except asyncio.CancelledError as late:
            error = error or late
        self._interruption.raise_instead(error)

    async def _leave(self) -> None:
        landed = await self._flight.stop(self._grace)
        await self._intake.close()
        if not self._publication.done:
            await self._multipart.abort(confirm=not landed)
        self._instrument.client_paused(self._intake.paused)

    # --- filling, called by the pump ---

    async def put(self) -> None:
        """Send the part if it is complete, or what came of it if it is passed on as it comes. Waits for a place in
        flight, for a receipt only of a part that was passed on.

        Raises:
            GatewayError: an earlier part failed, or the multipart can't be created.
        """
        draft = self._intake.draft
        if not draft.room and not (draft.number == 1 and draft.size == self._plan.length):
            await self._send(self._intake.cut())
        elif draft.passage is not None:
            await self._intake.forward(draft)

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
            await self._intake.gather(draft)
            if draft.passes:
                await self._finish_part(draft)
                return
            ref = await unbroken(self._multipart.create())
        except BaseException:
            draft.release()
            raise
        await self._flight.send(ref, draft)

    async def _finish_part(self, draft: Draft) -> None:
        assert self._passing is not None
        self._flight.landed(await self._passing.finish_part(draft), draft.number, draft.size)
        draft.release()

    # --- the end ---

    async def settle(self) -> tuple[PartReceipt, ...]:
        """Wait until no part is in flight; answers the receipts in order.

        Raises:
            GatewayError: a part failed.
        """
        await self._flight.settle()
        if self._interruption.error is not None:
            raise self._interruption.error
        return tuple(self._flight.receipts[number] for number in sorted(self._flight.receipts))

    async def complete(self) -> Stored:
        """Publish the object. Only after everything about the body was verified.

        Runs to its end once it has begun, cancelled or not, so that the outcome is known.

        Raises:
            PreconditionFailed: the write condition does not hold.
            GatewayError: a part, or the publication, failed for good; nothing is published.
        """
        draft = self._intake.draft
        size = draft.offset + draft.size
        if self._plan.length not in (None, size):
            raise IncompleteBody(
                f"The body ended after {size} of its declared {self._plan.length} bytes."
            )
        if draft.number == 1:
            return await self._put_whole(self._intake.cut())
        if draft.size:
            await self._send(self._intake.cut())
        receipts = await self.settle()
        return await self._publication.complete(receipts, self._intake.draft.offset)

    async def _put_whole(self, draft: Draft) -> Stored:
        try:
            await self._intake.gather(draft)
            if self._passing is not None and draft.passes:
                return await self._publication.finish(self._passing, draft)
            return await self._publication.put(draft)
        finally:
            draft.release()

    @property
    def multipart(self) -> MultipartRef | None:
        """The multipart in the store, once there is one and until it is gone."""
        return self._multipart.ref

    @property
    def peak_in_flight(self) -> int:
        """The most parts that were in flight at a time."""
        return self._flight.peak
