"""What a data plane costs its process: CPU-seconds per GiB, and microseconds per small object.

``python -m tests.bench.data_planes`` prints a table; nothing is asserted. Runs of the planes are interleaved and
medians shown; CPU is the operating system's accounting of this process.
"""

import argparse
import asyncio
import itertools
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import uvloop

from gateway.model import Attributes, Digest, MultipartRef, ObjectKey, Part
from gateway.settings import S3Storage
from gateway.storage.s3 import S3Store
from gateway.units import GiB, KiB, MiB

PLANES: Final = ("wire", "aiobotocore")
PART: Final = 64 * MiB
SMALL: Final = 16 * KiB

#: A part's slabs, of the size they have where clients are fast; more than a processor's cache holds.
SLABS: Final = tuple(memoryview(bytearray(b"s" * MiB)) for _ in range(PART // MiB))
SLAB: Final = SLABS[0]
KEY: Final = ObjectKey("bench", "object")
Run: TypeAlias = Callable[[S3Store], Awaitable[float]]


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def measured(work: Awaitable[float]) -> tuple[float, float]:
    """CPU-seconds and seconds of ``work``, over what it answers (its unit)."""
    cpu, began = _cpu(), time.perf_counter()
    units = await work
    return (_cpu() - cpu) / units, (time.perf_counter() - began) / units


def part(number: int, *digests: Digest) -> Part:
    return Part(number, 0, PART, SLABS, digests)


async def upload(store: S3Store, size: int, *digests: Digest) -> float:
    """Parts, four at a time; in GiB."""
    ref = MultipartRef("bench", KEY, "upload")
    numbers = range(1, size // PART + 1)
    for first in numbers[::4]:
        await asyncio.gather(
            *(
                store.upload_part(ref, part(number, *digests))
                for number in range(first, min(first + 4, len(numbers) + 1))
            )
        )
    return size / GiB


async def download(store: S3Store, size: int) -> float:
    """One object, into a slab; in GiB."""
    opened = await store.get(ObjectKey("bench", str(size)))
    for slab in itertools.cycle(SLABS[:8]):
        if not await opened.source.read_into(slab):
            break
    await opened.source.aclose()
    return size / GiB


async def small_puts(store: S3Store, count: int) -> float:
    """One after the other; in millions, so that seconds read as microseconds."""
    for _ in range(count):
        await store.put(KEY, (SLAB[:SMALL],), Attributes(content_type="image/png"))
    return count / 1e6


async def small_gets(store: S3Store, count: int) -> float:
    """The same."""
    key = ObjectKey("bench", str(SMALL))
    for _ in range(count):
        opened = await store.get(key)
        while await opened.source.read_into(SLAB):
            pass
        await opened.source.aclose()
    return count / 1e6


async def opened(port: int, plane: str, sign_payload: str, checksum: str) -> S3Store:
    store = S3Store(
        "bench",
        S3Storage.model_validate(
            {
                "kind": "s3",
                "endpoint_url": f"http://127.0.0.1:{port}",
                "access_key_id": "A" * 20,
                "secret_access_key": "s" * 40,
                "data_plane": plane,
                "sign_payload": sign_payload,
                "checksums": checksum,
            }
        ),
    )
    await store.start()
    return store


async def bench(port: int, rounds: int, size: int, count: int) -> None:
    cases: dict[str, tuple[str, str, Run]] = {
        "upload, unsigned payload, CPU-s/GiB": ("never", "", lambda s: upload(s, size)),
        "upload, CRC64NVME, CPU-s/GiB": ("never", "crc64nvme", lambda s: upload(s, size)),
        "upload, signed payload, CPU-s/GiB": ("always", "", lambda s: upload(s, size)),
        "download, CPU-s/GiB": ("never", "", lambda s: download(s, size)),
        "16 KiB put, unsigned, CPU-us": ("never", "", lambda s: small_puts(s, count)),
        "16 KiB put, signed, CPU-us": ("always", "", lambda s: small_puts(s, count)),
        "16 KiB get, CPU-us": ("never", "", lambda s: small_gets(s, count)),
    }
    for name, (sign_payload, checksum, run) in cases.items():
        stores = {plane: await opened(port, plane, sign_payload, checksum) for plane in PLANES}
        figures: dict[str, list[tuple[float, float]]] = {plane: [] for plane in PLANES}
        for _ in range(rounds):
            for plane, store in stores.items():
                figures[plane].append(await measured(run(store)))
        for store in stores.values():
            await store.aclose()
        shown = "  ".join(
            f"{plane} {statistics.median(cpu for cpu, _ in found):9.3f}"
            f" (took {statistics.median(wall for _, wall in found):9.3f})"
            for plane, found in figures.items()
        )
        print(f"{name:40} {shown}", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--size", type=int, default=GiB, help="bytes of a large object")
    arguments.add_argument("--count", type=int, default=2000, help="small objects of a round")
    given = arguments.parse_args()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.null_s3"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        port = int(server.stdout.readline())
        uvloop.run(bench(port, given.rounds, given.size, given.count))
        server.stdin.close()


if __name__ == "__main__":
    main()
