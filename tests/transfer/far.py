"""A store whose downloads come slowly, fail as planned, and are watched."""

import asyncio
import random
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gateway.adapt.read_ahead import Bottleneck, Period
from gateway.errors import StorageThrottled, StorageUnavailable
from gateway.model import ByteRange, From, ObjectKey, Opened, Source
from gateway.transfer import ahead, downloads
from gateway.units import KiB
from tests.transfer.lab import Store

WINDOW = 32 * KiB


class Eager(Bottleneck):
    """Tries other streams whenever it can."""

    def on_period(self, period: Period) -> bool:
        return True


@contextmanager
def eager(sizes: Sequence[int] = (WINDOW,)) -> Iterator[None]:
    """Small windows of these sizes in turn, from the first byte on."""
    count = iter(range(10**9))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ahead, "PERIOD", 0.0)
        patch.setattr(downloads, "WORTH", 0)
        patch.setattr(ahead, "WORTH", 0)
        patch.setattr(ahead, "Bottleneck", Eager)
        patch.setattr(ahead, "window_size", lambda rate, memory: sizes[next(count) % len(sizes)])
        yield


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one GET: ``refused``, ``throttled``, or after so many bytes ``reset`` or ``truncated``."""

    kind: str
    after: int = 0


class Clock:
    """Time that passes only while somebody waits for the store, or where a test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.busy = 0.0

    def __call__(self) -> float:
        return self.now

    def cpu(self) -> float:
        return self.busy


class FarStore(Store):
    """Every read of a download takes turns with others, at random, and gives at most ``step`` bytes."""

    def __init__(
        self, clock: Clock, faults: Iterable[Fault] = (), *, step: int = 10_000, seed: int = 0
    ) -> None:
        super().__init__()
        self.clock = clock
        self.faults = deque(faults)
        self.step = step
        self.random = random.Random(seed)
        self.ranges: list[ByteRange | None] = []
        self.matches: list[str | None] = []
        self.open = 0
        self.peak = 0
        self.honours = True

    async def get(self, key: ObjectKey, **more: Any) -> Opened:
        wanted, match = more.get("range"), more.get("if_match")
        self.ranges.append(
            ByteRange(wanted.start, wanted.stop or 0) if isinstance(wanted, From) else None
        )
        self.matches.append(match)
        await self.pass_time()
        fault = self.faults.popleft() if self.faults else None
        if fault is not None and fault.kind == "refused":
            raise StorageUnavailable("500")
        if fault is not None and fault.kind == "throttled":
            raise StorageThrottled("503 SlowDown")
        opened = await super().get(key, **more | ({} if self.honours else {"if_match": None}))
        return replace(opened, source=_Far(self, opened.source, fault))

    async def pass_time(self) -> None:
        self.clock.now += 0.03
        for _ in range(self.random.randrange(4)):
            await asyncio.sleep(0)


class _Far:
    def __init__(self, store: FarStore, source: Source, fault: Fault | None) -> None:
        self.store, self.source, self.fault = store, source, fault
        self.read = 0
        self.closed = False
        store.open += 1
        store.peak = max(store.peak, store.open)

    @property
    def length(self) -> int | None:
        return self.source.length

    async def read_into(self, view: memoryview, /) -> int:
        await self.store.pass_time()
        assert not self.closed
        room = min(len(view), self.store.step)
        if self.fault is not None:
            room = min(room, self.fault.after - self.read)
            if not room:
                if self.fault.kind == "truncated":
                    return 0
                raise StorageUnavailable("reset")
        count = await self.source.read_into(view[:room])
        self.read += count
        if self.source.length == 0:
            self._close()
        return count

    def _close(self) -> None:
        if not self.closed:
            self.closed = True
            self.store.open -= 1

    async def aclose(self) -> None:
        self._close()
        await self.source.aclose()
