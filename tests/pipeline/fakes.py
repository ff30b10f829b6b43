"""Fakes for the pipeline: a store in memory whose calls can be held, failed and counted, and slow sources.

They stand in for what no real store shows on demand: a stall at a chosen call, a lost answer, an error
in the third part.
"""

import asyncio
import hashlib
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

from gateway.adapt.concurrency import Limit
from gateway.adapt.part_size import PartPlan, plan
from gateway.errors import (
    GatewayError,
    InvalidPart,
    MultipartLost,
    ObjectNotFound,
    PreconditionFailed,
)
from gateway.model import (
    Attributes,
    Digest,
    MultipartListing,
    MultipartRef,
    ObjectInfo,
    ObjectKey,
    Opened,
    Part,
    PartLimits,
    PartReceipt,
    RangeRequest,
    Source,
    Stored,
    Views,
    WriteCondition,
)
from gateway.pipeline.limiter import Limiter
from gateway.pipeline.pool import SlabPool
from gateway.pipeline.pump import pump
from gateway.pipeline.sink import PartSink
from gateway.pipeline.spool import Spool
from gateway.pipeline.transforms import Chain
from gateway.settings.sections import RetrySection
from gateway.storage.base import Capabilities
from gateway.storage.prompt import Prompt
from gateway.storage.retry import Retrier
from gateway.telemetry import Instrument
from gateway.units import KiB, MiB

T = TypeVar("T")

KEY = ObjectKey("bucket", "key")
#: The smallest part of the store here, so that tests move little.
PART = 64 * KiB
SMALL = PartLimits(min_size=PART, max_size=MiB, max_parts=100)


class MemoryPartStore:
    """Objects and multiparts in memory, with S3's ETags. ``before`` and ``after`` are awaited around each call, by
    operation name: to stall or fail it, before it takes effect or after (a lost answer)."""

    def __init__(
        self, *, limits: PartLimits = SMALL, checksums: frozenset[str] = frozenset()
    ) -> None:
        self.name = "fake"
        self.capabilities = Capabilities(parts=limits, checksums=checksums)
        self.objects: dict[ObjectKey, bytes] = {}
        self.etags: dict[ObjectKey, str] = {}
        self.modified: dict[ObjectKey, datetime] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.sizes: dict[str, list[int]] = {}
        self.calls: Counter[str] = Counter()
        self._ids = itertools.count(1)
        self.in_flight = 0
        self.peak = 0
        self.plain_etags = True
        #: None: bodies must be whole.
        self.passages: FakePassages | None = None
        self.prompt: Prompt | None = None
        self.before: Callable[[str, int], Awaitable[None]] = _nothing
        self.after: Callable[[str, int], Awaitable[None]] = _nothing

    async def start(self) -> None: ...

    async def aclose(self) -> None: ...

    async def probe(self, bucket: str, prefix: str) -> Capabilities:
        return self.capabilities

    async def ping(self, bucket: str) -> None: ...

    async def list_buckets(self) -> list[str] | None:
        return None

    @asynccontextmanager
    async def _call(self, operation: str) -> AsyncIterator[None]:
        self.calls[operation] += 1
        number = self.calls[operation]
        await self.before(operation, number)
        yield
        await self.after(operation, number)

    async def head(self, key: ObjectKey) -> ObjectInfo:
        async with self._call("head"):
            if key not in self.objects:
                raise ObjectNotFound("no such object")
            return ObjectInfo(
                key=key,
                size=len(self.objects[key]),
                etag=self.etags[key],
                modified=self.modified[key],
            )

    async def get(
        self, key: ObjectKey, *, range: RangeRequest | None = None, if_match: str | None = None
    ) -> Opened:
        raise AssertionError("the pipeline does not read")

    async def put(
        self,
        key: ObjectKey,
        views: Views,
        attributes: Attributes,
        *,
        condition: WriteCondition = WriteCondition(),
        digests: Sequence[Digest] = (),
    ) -> Stored:
        async with self._call("put"):
            data = b"".join(views)
            return self._publish(key, data, hashlib.md5(data).hexdigest(), condition)

    def _publish(self, key: ObjectKey, data: bytes, etag: str, condition: WriteCondition) -> Stored:
        if condition.absent and key in self.objects:
            raise PreconditionFailed("it exists")
        self.objects[key] = data
        self.etags[key] = etag if self.plain_etags else f"opaque{len(data)}"
        self.modified[key] = datetime.now(UTC)
        return Stored(etag=self.etags[key], size=len(data))

    async def delete(self, key: ObjectKey, *, if_match: str | None = None) -> None:
        self.objects.pop(key, None)

    async def delete_many(self, keys: Sequence[ObjectKey]) -> None:
        for key in keys:
            await self.delete(key)

    async def create_multipart(self, key: ObjectKey, attributes: Attributes) -> MultipartRef:
        async with self._call("create_multipart"):
            ref = MultipartRef(self.name, key, f"upload-{next(self._ids)}")
            self.uploads[ref.upload_id] = {}
        return ref

    async def upload_part(self, ref: MultipartRef, part: Part) -> PartReceipt:
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            async with self._call("upload_part"):
                if ref.upload_id not in self.uploads:
                    raise MultipartLost("no such upload")
                data = b"".join(part.views)
                assert len(data) == part.size
                self.uploads[ref.upload_id][part.number] = data
            etag = hashlib.md5(data).hexdigest() if self.plain_etags else "opaque"
            return PartReceipt(part.number, part.offset, part.size, etag, part.digests)
        finally:
            self.in_flight -= 1

    async def complete_multipart(
        self,
        ref: MultipartRef,
        receipts: Sequence[PartReceipt],
        *,
        condition: WriteCondition = WriteCondition(),
    ) -> Stored:
        async with self._call("complete_multipart"):
            parts = self.uploads.get(ref.upload_id)
            if parts is None:
                raise MultipartLost("no such upload")
            if [receipt.number for receipt in receipts] != sorted(parts):
                raise InvalidPart("other parts")
            sizes = [len(parts[number]) for number in sorted(parts)]
            if any(size < self.capabilities.parts.min_size for size in sizes[:-1]):
                raise InvalidPart("EntityTooSmall")
            joined = b"".join(hashlib.md5(parts[number]).digest() for number in sorted(parts))
            etag = f"{hashlib.md5(joined).hexdigest()}-{len(parts)}"
            data = b"".join(parts[number] for number in sorted(parts))
            stored = self._publish(ref.key, data, etag, condition)
            self.sizes[ref.key.name] = sizes
            del self.uploads[ref.upload_id]
        return stored

    async def abort_multipart(self, ref: MultipartRef) -> None:
        async with self._call("abort_multipart"):
            self.uploads.pop(ref.upload_id, None)

    async def list_parts(self, ref: MultipartRef) -> list[PartReceipt]:
        async with self._call("list_parts"):
            if ref.upload_id not in self.uploads:
                raise MultipartLost("no such upload")
            return []

    async def list_multiparts(self, bucket: str, prefix: str) -> AsyncIterator[MultipartListing]:
        for upload_id in list(self.uploads):
            yield MultipartListing(MultipartRef(self.name, KEY, upload_id), datetime.now(UTC))


class FakePassage(Generic[T]):
    """A body that is coming to a :class:`MemoryPartStore`: what ``finish`` does is a call of it."""

    def __init__(self, store: MemoryPartStore, size: int, commit: Callable[[bytes], T]) -> None:
        self._store = store
        self._size = size
        self._commit = commit
        self.data = bytearray()
        self.abandoned = False

    async def send(self, views: Views) -> None:
        async with self._store._call("send"):
            assert not self.abandoned
            for view in views:
                self.data += view
            assert len(self.data) < self._size, "the last byte must stay"

    async def finish(self, views: Views) -> T:
        async with self._store._call("finish"):
            assert not self.abandoned
            for view in views:
                self.data += view
            assert len(self.data) == self._size
            self.made = self._commit(bytes(self.data))
        return self.made

    def abandon(self) -> None:
        self.abandoned = True


class FakePassages:
    """Lets a :class:`MemoryPartStore` take bodies that are coming. ``opened`` remembers each."""

    def __init__(self, store: MemoryPartStore) -> None:
        self._store = store
        self.opened: list[FakePassage[Any]] = []

    async def open_put(
        self, key: ObjectKey, size: int, attributes: Attributes, *, condition: WriteCondition
    ) -> FakePassage[Stored]:
        def commit(data: bytes) -> Stored:
            return self._store._publish(key, data, hashlib.md5(data).hexdigest(), condition)

        async with self._store._call("open_put"):
            return self._kept(FakePassage(self._store, size, commit))

    async def open_part(
        self, ref: MultipartRef, number: int, offset: int, size: int
    ) -> FakePassage[PartReceipt]:
        def commit(data: bytes) -> PartReceipt:
            self._store.uploads[ref.upload_id][number] = data
            return PartReceipt(number, offset, size, hashlib.md5(data).hexdigest())

        async with self._store._call("open_part"):
            return self._kept(FakePassage(self._store, size, commit))

    def _kept(self, passage: FakePassage[T]) -> FakePassage[T]:
        self.opened.append(passage)
        return passage


async def _nothing(operation: str, number: int) -> None: ...


class Gate:
    """Holds chosen calls of a store until it is opened."""

    def __init__(self, *operations: str) -> None:
        self._operations = operations
        self._open = asyncio.Event()
        self.reached = asyncio.Event()

    async def __call__(self, operation: str, number: int) -> None:
        if operation in self._operations:
            self.reached.set()
            await self._open.wait()

    def open(self) -> None:
        self._open.set()


def failing(
    operation: str, *errors: GatewayError, at: int = 1
) -> Callable[[str, int], Awaitable[None]]:
    """Fail the calls ``at``, ``at + 1``, ... of an operation, one with each error."""

    async def fail(called: str, number: int) -> None:
        if called == operation and at <= number < at + len(errors):
            raise errors[number - at]

    return fail


class MemoryJournal:
    """A journal that remembers everything that was said."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.open: dict[str, MultipartRef | None] = {}
        self.given: list[str] = []
        self.failing: dict[str, GatewayError] = {}

    async def intend(self, store: str, key: ObjectKey) -> str:
        self._fail("intend")
        intent = f"intent-{len(self.log)}"
        self.log.append("intend")
        self.open[intent] = None
        return intent

    async def attached(self, intent: str, ref: MultipartRef) -> None:
        self._fail("attached")
        self.log.append("attached")
        self.open[intent] = ref

    async def given_up(self, intent: str) -> None:
        self._fail("given_up")
        self.log.append("given_up")
        self.given.append(intent)

    async def closed(self, intent: str) -> None:
        self._fail("closed")
        self.log.append("closed")
        del self.open[intent]

    def _fail(self, step: str) -> None:
        if step in self.failing:
            raise self.failing[step]


class Once:
    """A retry policy without retries."""

    async def __call__(self, operation: str, call: Callable[[], Awaitable[T]], /) -> T:
        return await call()


class Times:
    """A retry policy that repeats retryable errors at once, ``attempts`` in all."""

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts

    async def __call__(self, operation: str, call: Callable[[], Awaitable[T]], /) -> T:
        for _ in range(self._attempts - 1):
            try:
                return await call()
            except GatewayError as error:
                if not error.retryable:
                    raise
        return await call()


def retrier(attempts: int) -> Retrier:
    """The real one, that does not wait: ``attempts`` in all."""

    async def at_once(seconds: float) -> None:
        del seconds

    return Retrier("fake", RetrySection(attempts=attempts), Instrument(), sleep=at_once)


class TrickleSource:
    """Bytes in small steps with a pause after each; what it gave and when it was asked is recorded."""

    def __init__(
        self,
        data: bytes,
        step: int,
        pause: float = 0.0,
        *,
        known: bool = True,
        end: GatewayError | None = None,
    ) -> None:
        self._data = memoryview(data)
        self._step = step
        self._pause = pause
        self._known = known
        self._end = end
        self.given = 0

    @property
    def length(self) -> int | None:
        return len(self._data) - self.given if self._known else None

    async def read_into(self, view: memoryview, /) -> int:
        await asyncio.sleep(self._pause)
        left = self._data[self.given :]
        if not left and self._end is not None:
            raise self._end
        size = min(len(view), len(left), self._step)
        view[:size] = left[:size]
        self.given += size
        return size

    async def aclose(self) -> None: ...


class Facts(Instrument):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.aborts_failed: list[GatewayError] = []
        self.attempts: list[int] = []
        self.spooled_bytes = 0
        self.highest = 0

    def abort_failed(self, store: str, error: GatewayError) -> None:
        self.aborts_failed.append(error)

    def part_finished(self, store: str, size: int, seconds: float, attempts: int) -> None:
        self.attempts.append(attempts)

    def spooled(self, size: int) -> None:
        self.spooled_bytes += size

    def memory_held(self, used: int, waiting: int) -> None:
        self.highest = max(self.highest, used)


class Bench:
    """A pool, a store, places, a journal and facts, joined the way the shell joins them."""

    def __init__(
        self,
        budget: int = 4 * MiB,
        reserve: int | None = None,
        *,
        pool: SlabPool | None = None,
        store: MemoryPartStore | None = None,
        places: int = 64,
        spool: Spool | None = None,
        passages: int = 0,
    ) -> None:
        self.facts = Facts()
        #: What sinks measure clients and the store by.
        self.clock: Callable[[], float] = time.monotonic
        self.pool = pool or SlabPool(budget, reserve, self.facts)
        self.store = store or MemoryPartStore()
        self.places = Limiter.of(places)
        self.journal = MemoryJournal()
        self.spool = spool
        self.passages = Limiter.of(passages) if passages else None
        if passages:
            self.store.passages = FakePassages(self.store)

    def plan(self, length: int | None, preferred: int = PART) -> PartPlan:
        limits = self.store.capabilities.parts
        return plan(length, limits, preferred=preferred, memory_cap=self.pool.part_cap)

    def sink(
        self,
        length: int | None,
        *,
        key: ObjectKey = KEY,
        principal: str = "alice",
        condition: WriteCondition | None = None,
        attempts: int = 1,
        concurrency: int = 4,
        preferred: int = PART,
        grace: float = 0.2,
    ) -> PartSink:
        return PartSink(
            store=self.store,
            key=key,
            plan=self.plan(length, preferred),
            memory=self.pool.account(principal),
            places=self.places,
            retry=Times(attempts),
            journal=self.journal,
            condition=condition,
            limit=Limit(concurrency, maximum=concurrency),
            spool=self.spool,
            passages=self.passages,
            instrument=self.facts,
            grace=grace,
            clock=self.clock,
        )

    async def upload(self, source: Source, sink: PartSink, chain: Chain | None = None) -> Stored:
        """What transfer does: pump, verify, complete."""
        chain = chain or Chain()
        async with sink:
            await pump(source, chain, sink)
            chain.verify()
            return await sink.complete()

    def assert_clean(self, *, journal: bool = True) -> None:
        """Nothing held, nothing in flight, nothing left in the store."""
        statistics = self.pool.statistics()
        assert (statistics.used, statistics.waiting, statistics.accounts) == (0, 0, 0)
        assert self.places.statistics().in_flight == 0
        assert self.store.uploads == {}
        assert statistics.retired == 0
        if journal:
            assert self.journal.open == {}
        if self.passages is not None:
            assert self.passages.statistics().in_flight == 0
        if self.spool is not None:
            assert self.spool.used == 0


@asynccontextmanager
async def spool_in(directory: Path, limit: int = 64 * MiB) -> AsyncIterator[Spool]:
    """A started spool."""
    spool = Spool(directory / "spool", limit)
    await spool.start()
    try:
        yield spool
    finally:
        await spool.aclose()
