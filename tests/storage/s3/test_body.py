import asyncio
import hashlib
from typing import cast
from unittest.mock import Mock

import pytest
from aiohttp.abc import AbstractStreamWriter
from hypothesis import given
from hypothesis import strategies as st

from gateway.storage.s3.body import ViewsBody, sha256_of
from gateway.units import KiB, MiB
from tests.storage.contract_base import pattern, views


class Writer(AbstractStreamWriter):
    """Takes what a payload writes, like aiohttp's own."""

    def __init__(self, pause: float = 0) -> None:
        self.pieces: list[memoryview] = []
        self.fake = Mock()
        self._pause = pause

    @property
    def transport(self) -> asyncio.WriteTransport:
        return cast("asyncio.WriteTransport", self.fake)

    async def write(self, chunk: object) -> None:
        assert isinstance(chunk, memoryview)
        self.pieces.append(chunk)
        await asyncio.sleep(self._pause)

    async def write_eof(self, chunk: bytes = b"") -> None: ...
    async def drain(self) -> None: ...
    def enable_compression(self, *_: object) -> None: ...
    def enable_chunking(self) -> None: ...
    async def write_headers(self, *_: object) -> None: ...


PIECES = st.lists(st.binary(max_size=50), max_size=6)


@given(PIECES, st.lists(st.integers(-1, 70), max_size=8))
def test_reading_gives_the_bytes_in_any_steps(pieces: list[bytes], steps: list[int]) -> None:
    whole = b"".join(pieces)
    body = ViewsBody(views(*pieces), idle_timeout=1)
    taken = b"".join(body.read(step) for step in steps)
    assert whole.startswith(taken)
    assert body.tell() == len(taken)
    assert taken + body.read() == whole
    assert body.read(10) == b""
    assert body.seek(0) == 0
    assert body.read() == whole
    assert body.seek(-1, 2) == max(0, len(whole) - 1)
    assert body.seek(5, 1) == len(whole)
    assert body.decode("latin-1") == whole.decode("latin-1")


async def test_writing_sends_views_without_copies_every_time() -> None:
    buffer = bytearray(pattern(MiB + 5))
    body = ViewsBody([memoryview(buffer), memoryview(b""), memoryview(b"tail")], idle_timeout=1)
    for _ in range(2):
        writer = Writer()
        await body.write(writer)
        assert b"".join(writer.pieces) == bytes(buffer) + b"tail"
        assert max(len(piece) for piece in writer.pieces) <= 256 * KiB
        assert all(piece.obj is buffer for piece in writer.pieces[:-1])
    assert body.size == MiB + 9


async def test_a_content_length_is_never_exceeded() -> None:
    writer = Writer()
    await ViewsBody(views(b"hello", b"world"), idle_timeout=1).write_with_length(writer, 7)
    assert b"".join(writer.pieces) == b"hellowo"


def test_views_of_other_formats_are_bytes_on_the_wire() -> None:
    wide = memoryview(bytearray(16)).cast("I")
    body = ViewsBody([wide], idle_timeout=1)
    assert body.size == 16
    assert body.read() == bytes(16)


async def test_slow_progress_is_progress() -> None:
    body = ViewsBody([memoryview(bytes(2 * MiB))], idle_timeout=0.2)
    async with body.watched():
        await body.write(Writer(pause=0.05))  # 0.4 s in all
        await asyncio.sleep(0.3)  # waiting for the answer is not ours to watch


async def test_no_progress_is_a_timeout_and_nothing_buffered_leaves() -> None:
    body = ViewsBody([memoryview(bytes(2 * MiB))], idle_timeout=0.05)
    writer = Writer(pause=5)
    writer.fake.get_write_buffer_size.return_value = 1
    with pytest.raises(TimeoutError):
        async with body.watched():
            await body.write(writer)
    writer.fake.abort.assert_called()


async def test_a_connection_with_nothing_buffered_is_left_alone() -> None:
    body = ViewsBody(views(b"x"), idle_timeout=1)
    writer = Writer()
    writer.fake.get_write_buffer_size.return_value = 0

    async def call() -> None:
        async with body.watched():
            await body.write(writer)
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await call()
    writer.fake.abort.assert_not_called()


@pytest.mark.parametrize("size", [0, 1, 256 * KiB, 3 * MiB + 1])
async def test_sha256_is_the_same_inline_and_in_a_thread(size: int) -> None:
    data = pattern(size)
    cut = size // 3
    assert await sha256_of(views(data[:cut], data[cut:])) == hashlib.sha256(data).digest()
