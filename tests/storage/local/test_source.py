import asyncio
import io
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import StorageCorrupt, StorageUnavailable
from gateway.model import ByteRange
from gateway.storage.local.source import FileSource, cut
from gateway.storage.local.threads import Threads
from tests.storage.contract_base import drain


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads("test", 2)
    yield threads
    threads.close()


@pytest.fixture
def file(tmp_path: Path) -> io.FileIO:
    (tmp_path / "file").write_bytes(b"0123456789")
    return io.FileIO(tmp_path / "file")


@dataclass(frozen=True)
class Held:
    """A read of the file system that has begun, and waits until it is released."""

    began: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    """Every read waits."""
    held, real = Held(), os.preadv

    def slow(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        held.began.set()
        held.release.wait(5)
        return real(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", slow)
    return held


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 9)), min_size=1, max_size=8),
    st.data(),
)
def test_a_range_is_cut_out_of_the_extents(
    extents: list[tuple[int, int]], data: st.DataObject
) -> None:
    places = [at + n for at, size in extents for n in range(size)]
    start = data.draw(st.integers(0, len(places) - 1))
    stop = data.draw(st.integers(start + 1, len(places)))
    pieces = cut(tuple(extents), ByteRange(start, stop))
    assert [at + n for at, size in pieces for n in range(size)] == places[start:stop]


async def test_pieces_are_read_in_their_order(file: io.FileIO, threads: Threads) -> None:
    source = FileSource(file, [(7, 3), (0, 2)], threads)
    assert source.length == 5
    assert await drain(source, step=2) == b"78901"
    assert file.closed


async def test_a_file_that_is_too_short_is_corrupt(file: io.FileIO, threads: Threads) -> None:
    source = FileSource(file, [(5, 10)], threads)
    with pytest.raises(StorageCorrupt):
        await drain(source)
    await source.aclose()


async def test_after_the_store_was_closed_nothing_is_read(
    file: io.FileIO, threads: Threads
) -> None:
    source = FileSource(file, [(0, 10)], threads)
    threads.close()
    with pytest.raises(StorageUnavailable):
        await drain(source)
    await source.aclose()


async def test_closing_under_a_running_read_waits_for_it(
    file: io.FileIO, threads: Threads, held: Held
) -> None:
    source = FileSource(file, [(0, 10)], threads)
    buffer = bytearray(10)
    reading = asyncio.create_task(source.read_into(memoryview(buffer)))
    await asyncio.to_thread(held.began.wait)
    await source.aclose()
    assert not file.closed
    held.release.set()
    assert await reading == 10
    assert file.closed
    assert await source.read_into(memoryview(buffer)) == 0


async def test_a_cancelled_read_has_left_the_view_alone_when_it_returns(
    file: io.FileIO, threads: Threads, held: Held
) -> None:
    source = FileSource(file, [(0, 10)], threads)
    buffer = bytearray(10)
    reading = asyncio.create_task(source.read_into(memoryview(buffer)))
    await asyncio.to_thread(held.began.wait)
    reading.cancel()
    await asyncio.sleep(0.01)
    assert not reading.done(), "the thread may still write into the view"
    held.release.set()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await source.aclose()
    assert file.closed
