"""What the pipeline itself costs, per slab and per GiB: a source that copies nothing into a store that keeps nothing.

Run it: ``python -m tests.bench.pipeline_cost``.
"""

import asyncio
import resource
import time
from collections.abc import Sequence

from gateway.adapt.part_size import plan
from gateway.model import MultipartRef, Part, PartLimits, PartReceipt, Stored, WriteCondition
from gateway.pipeline.limiter import Limiter
from gateway.pipeline.pool import SlabPool
from gateway.pipeline.pump import pump
from gateway.pipeline.sink import PartSink
from gateway.pipeline.transforms import Chain
from gateway.units import GiB, KiB, MiB
from tests.pipeline.fakes import KEY, MemoryJournal, MemoryPartStore, Once


class NullStore(MemoryPartStore):
    """Keeps nothing."""

    async def upload_part(self, ref: MultipartRef, part: Part) -> PartReceipt:
        await asyncio.sleep(0)
        return PartReceipt(part.number, part.offset, part.size, "x")

    async def complete_multipart(
        self,
        ref: MultipartRef,
        receipts: Sequence[PartReceipt],
        *,
        condition: WriteCondition = WriteCondition(),
    ) -> Stored:
        return Stored(etag="x", size=0)


class FreeSource:
    """Says that it gave bytes, at most ``step`` at a time."""

    def __init__(self, size: int, step: int) -> None:
        self.length = size
        self._step = step

    async def read_into(self, view: memoryview, /) -> int:
        size = min(len(view), self._step, self.length)
        self.length -= size
        return size

    async def aclose(self) -> None: ...


async def measure(name: str, step: int, compute: tuple[str, ...]) -> None:
    """Print the CPU time of 1 GiB."""
    pool = SlabPool(128 * MiB)
    sink = PartSink(
        store=NullStore(limits=PartLimits(), checksums=frozenset()),
        key=KEY,
        plan=plan(1 * GiB, PartLimits(), memory_cap=pool.part_cap),
        memory=pool.account("bench"),
        places=Limiter.of(64),
        retry=Once(),
        journal=MemoryJournal(),
    )
    chain = Chain(length=1 * GiB, compute=compute)
    before, started = _cpu(), time.perf_counter()
    async with sink:
        await pump(FreeSource(1 * GiB, step), chain, sink)
        chain.verify()
        await sink.complete()
    cpu, wall = _cpu() - before, time.perf_counter() - started
    taken = pool.statistics()
    slabs = taken.allocated + taken.reused
    print(
        f"{name:34} {cpu:7.3f} CPU-s/GiB {wall:7.3f} s {slabs:6} slabs "
        f"{cpu / slabs * 1e6:7.1f} us/slab  allocated {taken.allocated}, retired {taken.retired}"
    )


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def main() -> None:
    """All rows."""
    await measure("1 MiB reads", 1 * MiB, ())
    await measure("64 KiB reads", 64 * KiB, ())
    await measure("1 MiB reads, crc64nvme", 1 * MiB, ("crc64nvme",))
    await measure("1 MiB reads, sha-256", 1 * MiB, ("sha-256",))
    await measure("1 MiB reads, sha-256 and md5", 1 * MiB, ("sha-256", "md5"))


if __name__ == "__main__":
    asyncio.run(main())
