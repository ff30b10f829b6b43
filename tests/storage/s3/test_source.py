"""What the store's tests in front of real servers cannot show."""

import pytest

from gateway.errors import StorageUnavailable
from gateway.storage.s3.source import BodySource


class EndsEarly:
    """A body that ends without an error before its length is reached."""

    def __init__(self) -> None:
        self.pieces = [b"abc", b""]
        self.closed = 0

    async def read(self, size: int) -> bytes:
        return self.pieces.pop(0)

    async def aclose(self) -> None:
        self.closed += 1


async def test_an_early_end_is_never_taken_for_the_end() -> None:
    body = EndsEarly()
    source = BodySource(body, 10)
    view = memoryview(bytearray(10))
    assert await source.read_into(view) == 3
    assert source.length == 7
    with pytest.raises(StorageUnavailable, match="7 bytes early"):
        await source.read_into(view)
    await source.aclose()
    assert body.closed == 1


async def test_nothing_is_read_after_the_end() -> None:
    body = EndsEarly()
    source = BodySource(body, 3)
    view = memoryview(bytearray(10))
    assert await source.read_into(view) == 3
    assert await source.read_into(view) == 0
    assert body.pieces == [b""]
