"""Transfers without HTTP: stores in memory with chosen capabilities and planned faults."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.model import Attributes, ObjectInfo, ObjectKey, Opened, Source, Stored
from gateway.pipeline.limiter import Limiter
from gateway.pipeline.pool import SlabPool
from gateway.pipeline.spool import Spool
from gateway.protocol.commands import Preconditions, PutObject
from gateway.sessions.memory import MemorySessions
from gateway.settings import Settings
from gateway.settings.sections import RetrySection
from gateway.storage.base import ConditionalPut, ObjectStore
from gateway.storage.memory import MemoryStore
from gateway.storage.retry import Retrier
from gateway.telemetry import Instrument
from gateway.transfer.ahead import ReadAhead
from gateway.transfer.deletes import Deletes
from gateway.transfer.downloads import Downloads
from gateway.transfer.exclusive import ConditionalWrites
from gateway.transfer.journal import SessionJournal
from gateway.transfer.placement import Placements
from gateway.transfer.uploads import Machinery, UploadRules, Uploads
from gateway.units import MiB

KEY = ObjectKey("photos", "a/b.txt")
ALICE = UploadRules(principal="alice")
NEW = replace(ALICE, overwrite=False)


class Store(MemoryStore):
    """Objects in memory. ``conditional_put`` below "complete" ignores conditions silently, as some stores do;
    every call yields to others in its middle, so that races happen; ``before`` is called with each name."""

    def __init__(self, conditional_put: ConditionalPut = "complete") -> None:
        super().__init__("main")
        self.capabilities = replace(
            self.capabilities,
            conditional_put=conditional_put,
            tells_replaced=conditional_put == "complete",
        )
        self.calls: list[str] = []
        self.before: Callable[[str], Awaitable[None]] = _nothing
        self.sources: Callable[[Source], Source] = lambda source: source

    async def _called(self, name: str) -> None:
        self.calls.append(name)
        await asyncio.sleep(0)
        await self.before(name)

    async def head(self, key: ObjectKey) -> ObjectInfo:
        await self._called("head")
        return await super().head(key)

    async def get(self, key: ObjectKey, **more: Any) -> Opened:
        await self._called("get")
        opened = await super().get(key, **more)
        return replace(opened, source=self.sources(opened.source))

    async def put(self, *args: Any, **more: Any) -> Stored:
        await self._called("put")
        return _told(self, await super().put(*args, **self._heard(more, {"put", "complete"})))

    async def complete_multipart(self, *args: Any, **more: Any) -> Stored:
        await self._called("complete")
        return _told(
            self, await super().complete_multipart(*args, **self._heard(more, {"complete"}))
        )

    async def delete(self, key: ObjectKey, *, if_match: str | None = None) -> None:
        await self._called("delete")
        honoured = self.capabilities.conditional_put == "complete"
        await super().delete(key, if_match=if_match if honoured else None)

    def _heard(self, more: dict[str, Any], honouring: set[str]) -> dict[str, Any]:
        if self.capabilities.conditional_put not in honouring:
            more.pop("condition", None)
        return more

    def data(self, key: ObjectKey = KEY) -> bytes:
        return self._objects[key].data

    def has(self, key: ObjectKey = KEY) -> bool:
        return key in self._objects

    @property
    def unfinished(self) -> int:
        return len(self._uploads)


async def _nothing(name: str) -> None: ...


def _told(store: Store, stored: Stored) -> Stored:
    return stored if store.capabilities.tells_replaced else replace(stored, replaced=None)


class Bytes:
    """A source over bytes, in small steps, that may fail at its end."""

    def __init__(self, data: bytes, *, step: int = 64 * 1024, end: Exception | None = None) -> None:
        self.data, self.step, self.end = data, step, end
        self.read = 0

    @property
    def length(self) -> int | None:
        return len(self.data) - self.read

    async def read_into(self, view: memoryview, /) -> int:
        await asyncio.sleep(0)
        piece = self.data[self.read : self.read + min(len(view), self.step)]
        if not piece and self.end is not None:
            raise self.end
        view[: len(piece)] = piece
        self.read += len(piece)
        return len(piece)

    async def aclose(self) -> None: ...


class Facts(Instrument):
    """Remembers how transfers ended."""

    def __init__(self) -> None:
        self.uploads: list[tuple[str, int]] = []
        self.downloads: list[tuple[str, int]] = []
        self.resumed = 0
        self.widened = 0

    def upload_finished(self, store: str, outcome: str, size: int, seconds: float) -> None:
        self.uploads.append((outcome, size))

    def download_finished(self, store: str, outcome: str, size: int, seconds: float) -> None:
        self.downloads.append((outcome, size))

    def download_resumed(self, store: str) -> None:
        self.resumed += 1

    def download_widened(self, store: str) -> None:
        self.widened += 1


class Bench:
    """Everything that transfers run on."""

    def __init__(self, store: ObjectStore, spool: Spool, **machinery: Any) -> None:
        self.store = store
        self.facts = Facts()
        self.pool = SlabPool(32 * MiB)
        self.sessions = MemorySessions()
        self.now = 1000.0
        settings = Settings.model_validate(
            {
                "storage": {"main": {"kind": "memory"}},
                "buckets": {"photos": {"storage": "main"}},
            }
        )
        self.placements = Placements(settings, {"main": store})
        quick = RetrySection(attempts=3, base=0.0, cap=0.0, budget=1.0, breaker_failures=1000)
        self.retriers = {"main": Retrier("main", quick, self.facts)}
        self.conditional = ConditionalWrites(self.sessions, self.retriers, "me", lambda: self.now)
        places = {"main": Limiter.of(64)}
        self.ahead = ReadAhead(pool=self.pool, places=places, streams=10)
        self.machinery = Machinery(
            pool=self.pool,
            spool=spool,
            places=places,
            retriers=self.retriers,
            journal=SessionJournal(self.sessions, "me", lambda: self.now),
            instrument=self.facts,
            **machinery,
        )
        self.uploads = Uploads(self.placements, self.conditional, self.machinery)
        self.downloads = Downloads(self.placements, self.retriers, self.facts, self.ahead)
        self.deletes = Deletes(self.placements, self.retriers, self.conditional)

    async def put(
        self,
        body: bytes | Bytes,
        rules: UploadRules = ALICE,
        conditions: Preconditions = Preconditions(),
        **command: Any,
    ) -> Any:
        source = Bytes(body) if isinstance(body, bytes) else body
        put = PutObject(
            key=command.pop("key", KEY),
            length=command.pop("length", len(source.data)),
            attributes=Attributes(),
            conditions=conditions,
            **command,
        )
        return await self.uploads.put(put, source, rules)

    async def assert_clean(self) -> None:
        """Nothing held, nothing left behind."""
        statistics = self.pool.statistics()
        assert (statistics.used, statistics.accounts) == (0, 0)
        assert await self.sessions.intents() == []
        if isinstance(self.store, Store):
            assert self.store.unfinished == 0


@asynccontextmanager
async def bench(
    folder: Path, store: ObjectStore | None = None, **machinery: Any
) -> AsyncIterator[Bench]:
    """A started bench."""
    spool = Spool(folder / "spool", 64 * MiB)
    await spool.start()
    try:
        yield Bench(store or Store(), spool, **machinery)
    finally:
        await spool.aclose()


class Breaking:
    """Sources that break: each gives as many bytes as its turn says, then fails."""

    def __init__(self, error: Exception, *sizes: int) -> None:
        self.error = error
        self.sizes = iter(sizes)
        self.opened = itertools.count()
        self.closed = 0

    def __call__(self, source: Source) -> Source:
        next(self.opened)
        return _Breaking(self, source, next(self.sizes, None))


class _Breaking:
    def __init__(self, plan: Breaking, source: Source, size: int | None) -> None:
        self.plan, self.source, self.left = plan, source, size

    @property
    def length(self) -> int | None:
        return self.source.length

    async def read_into(self, view: memoryview, /) -> int:
        if self.left is None:
            return await self.source.read_into(view)
        if self.left == 0:
            raise self.plan.error
        count = await self.source.read_into(view[: self.left])
        self.left -= count
        return count

    async def aclose(self) -> None:
        self.plan.closed += 1
        await self.source.aclose()


async def everything(source: Source, step: int = 1000) -> bytes:
    view, taken = memoryview(bytearray(step)), b""
    while count := await source.read_into(view):
        taken += view[:count]
    return taken
