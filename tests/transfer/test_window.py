"""A window: read into memory before its turn, straight through in its turn."""

import asyncio
from pathlib import Path

import pytest

from gateway.model import ByteRange
from gateway.pipeline.slabs import Account
from gateway.transfer.resuming import ResumingSource
from gateway.transfer.window import Window
from gateway.units import KiB
from tests.transfer.lab import KEY, Bench, bench, everything

DATA = bytes(range(256)) * 256  # 64 KiB


async def made(lab: Bench, account: Account, memory: int) -> Window:
    await lab.put(DATA)
    etag = (await lab.store.head(KEY)).etag
    placement, span = lab.placements.resolve(KEY), ByteRange(0, len(DATA))
    source = ResumingSource(placement, etag, span, None, lab.retriers["main"], lab.facts)
    return Window(0, source, account.spare(memory) if memory else ())


@pytest.mark.parametrize("filled", [0, 1, 10_000])
async def test_all_of_it_comes_however_far_it_was_filled(tmp_path: Path, filled: int) -> None:
    async with bench(tmp_path) as lab:
        with lab.pool.account("a") as account:
            window = await made(lab, account, 64 * KiB)
            window.filling = asyncio.ensure_future(window.fill())
            for _ in range(filled):
                await asyncio.sleep(0)
            assert (window.received, window.held) == (filled > 1, 64 * KiB)
            assert window.running is not window.filling.done()
            assert await everything(window) == DATA  # type: ignore[arg-type]
            assert (window.received, window.running, window.held) == (True, False, 0)


async def test_without_memory_it_is_read_straight_through(tmp_path: Path) -> None:
    async with bench(tmp_path) as lab:
        with lab.pool.account("a") as account:
            window = await made(lab, account, 0)
            assert not window.running
            window.end_at(5000, 1.0)
            assert (window.size, window.began) == (5000, 1.0)
            assert await everything(window) == DATA[:5000]  # type: ignore[arg-type]


@pytest.mark.parametrize("ran", [0, 1, 10_000])
async def test_dropped_it_gives_its_memory_back(tmp_path: Path, ran: int) -> None:
    async with bench(tmp_path) as lab:
        with lab.pool.account("a") as account:
            window = await made(lab, account, 64 * KiB)
            window.filling = asyncio.ensure_future(window.fill())
            for _ in range(ran):
                await asyncio.sleep(0)
            window.drop()
            await asyncio.wait([window.filling])
            await asyncio.sleep(0)
            assert account.held == 0
            await window.source.aclose()
