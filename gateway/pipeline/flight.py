"""Parts of one upload on their way to the store: tasks, receipts, retries counted, samples taken."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, TypeVar

from gateway.adapt.concurrency import Limit
from gateway.adapt.credit import Credit
from gateway.adapt.samples import Outcome, PartSample
from gateway.errors import StorageCorrupt, StorageThrottled, StorageTimeout
from gateway.model import Digest, MultipartRef, Part, PartReceipt
from gateway.pipeline.limiter import Limiter
from gateway.pipeline.owner import Owner
from gateway.pipeline.parts import Draft
from gateway.storage.base import ObjectStore
from gateway.storage.checksums import compute
from gateway.telemetry import Instrument

T = TypeVar("T")

#: Per-part checksums that cost next to nothing here, best first; one is sent if the store verifies it.
_CHEAP: Final = ("crc64nvme", "crc32c")


class Retry(Protocol):
    """Carries out a call to a store and repeats it by the store's policy.

    Raises:
        GatewayError: the last attempt's.
    """

    def __call__(self, operation: str, call: Callable[[], Awaitable[T]], /) -> Awaitable[T]:
        """``call`` is called once per attempt; ``operation`` names it (``UploadPart``, ...)."""
        ...


class Flight:
    """What is in flight. From the event loop, ``failed`` is told about the first error, ``received`` about each
    receipt."""

    def __init__(
        self,
        store: ObjectStore,
        *,
        principal: str,
        places: Limiter,
        limit: Limit,
        retry: Retry,
        instrument: Instrument,
        failed: Callable[[BaseException], None],
        clock: Callable[[], float] = time.monotonic,
        received: Callable[[PartReceipt], None] = lambda receipt: None,
    ) -> None:
        self._store = store
        self._principal = principal
        self._places = places
        self._limit = limit
        self._retry = retry
        self._instrument = instrument
        self._failed = failed
        self._received = received
        self._clock = clock
        self._credit = Credit()
        self._tasks = Owner()
        self._landed = asyncio.Event()
        self._stopping = False
        self._sending = 0
        self._kept_back = 0
        self.peak = 0
        self.receipts: dict[int, PartReceipt] = {}

    @property
    def count(self) -> int:
        """Parts in flight."""
        return len(self._tasks)

    async def trusted(self, size: int) -> None:
        """Wait until the store has answered for enough that a part of ``size`` bytes may be begun."""
        while len(self._tasks) and not self._credit.covers(size):
            self._kept_back = self._limit.value
            await self._landing()

    async def send(self, ref: MultipartRef, draft: Draft) -> None:
        """Wait for a place, then send the part beside the caller. The draft is released when its receipt is here
        or it has failed; also when this is cancelled."""
        try:
            while len(self._tasks) >= self._limit.value:
                await self._landing()
            in_flight = await self._places.acquire(self._principal)
        except BaseException:
            draft.release()
            raise
        self._credit.sent(draft.size)
        self._tasks.start(
            self._carry(ref, draft, in_flight), name=f"part {draft.number} of {ref.key}"
        )
        self.peak = max(self.peak, len(self._tasks))

    async def settle(self) -> None:
        """Wait until nothing is in flight."""
        while len(self._tasks):
            await self._landing()

    async def stop(self, grace: float) -> bool:
        """Begin nothing new, wait ``grace`` seconds for what is being sent, cancel the rest; answer whether
        all ended by itself."""
        self._stopping = True
        landed = await self._tasks.join(grace) if self._sending else not len(self._tasks)
        if not landed:
            self._tasks.cancel()
            await self._tasks.join()
        return landed

    def landed(self, receipt: PartReceipt, number: int, size: int) -> None:
        """The store has acknowledged the part ``number`` of ``size`` bytes.

        Raises:
            StorageCorrupt: the receipt is another's.
        """
        if (receipt.number, receipt.size) != (number, size):
            raise StorageCorrupt("The store acknowledged another part than was sent.")
        self.receipts[number] = receipt
        self._received(receipt)

    async def _landing(self) -> None:
        self._landed.clear()
        await self._landed.wait()

    async def _carry(self, ref: MultipartRef, draft: Draft, in_flight: int) -> None:
        started, attempts = self._clock(), 0
        width = self._width()

        async def attempt() -> PartReceipt:
            nonlocal attempts
            if self._stopping:
                raise asyncio.CancelledError
            attempts += 1
            return await self._attempt(ref, part, width, in_flight)

        try:
            part = draft.part(part_digests(self._store, draft.views()))
            receipt = await self._retry("UploadPart", attempt)
            self._credit.answered(part.size)
            self.landed(receipt, part.number, part.size)
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        except BaseException as error:  # noqa: BLE001 - it surfaces from the sink's block
            self._failed(error)
        else:
            seconds = self._clock() - started
            self._instrument.part_finished(self._store.name, part.size, seconds, attempts)
        finally:
            draft.release()
            self._places.release()
            # This task still counts: the waiter runs after it is done.
            asyncio.get_running_loop().call_soon(self._landed.set)
            self._instrument.parts_in_flight(self._store.name, self._places.statistics().in_flight)

    def _width(self) -> int:
        """How much of the window is used: all of it by the next windowful of what the store's answers kept back."""
        if not self._kept_back:
            return len(self._tasks)
        self._kept_back -= 1
        return max(self._limit.value, len(self._tasks))

    async def _attempt(
        self, ref: MultipartRef, part: Part, width: int, in_flight: int
    ) -> PartReceipt:
        started = self._clock()
        outcome = Outcome.IGNORED
        self._sending += 1
        try:
            receipt = await self._store.upload_part(ref, part)
            outcome = Outcome.OK
            return receipt
        except (StorageThrottled, StorageTimeout):
            outcome = Outcome.CONGESTED
            raise
        finally:
            self._sending -= 1
            sample = PartSample(
                size=part.size,
                started=started,
                finished=self._clock(),
                in_flight=width,
                outcome=outcome,
            )
            self._limit.on_sample(sample)
            self._places.on_sample(sample, in_flight)


def part_digests(store: ObjectStore, views: Sequence[memoryview]) -> tuple[Digest, ...]:
    """A checksum of ``views`` that the store verifies and that costs nothing to speak of, if there is one."""
    algorithm = part_algorithm(store)
    return () if algorithm is None else (compute(algorithm, views),)


def part_algorithm(store: ObjectStore) -> str | None:
    """What :func:`part_digests` computes for this store, if anything."""
    return next((each for each in _CHEAP if each in store.capabilities.checksums), None)
