"""Sources."""

from gateway.model import Source
from gateway.pipeline.source import BytesSource, JoinedSource, LimitedSource
from tests.pipeline.fakes import TrickleSource


async def read(source: Source, step: int = 4) -> bytes:
    """All of it."""
    data, buffer = b"", bytearray(step)
    while size := await source.read_into(memoryview(buffer)):
        data += buffer[:size]
    return data


async def test_bytes_come_in_order_and_the_length_falls() -> None:
    source = BytesSource(b"0123456789", step=3)
    buffer = bytearray(4)
    assert await source.read_into(memoryview(buffer)) == 3
    assert source.length == 7
    assert await read(source) == b"3456789"
    assert (source.length, await source.read_into(memoryview(buffer))) == (0, 0)
    await source.aclose()


async def test_a_closed_source_has_nothing() -> None:
    source = BytesSource(b"0123")
    await source.aclose()
    assert await read(source) == b""


async def test_joined_sources_follow_each_other() -> None:
    joined = JoinedSource([BytesSource(b"tail"), BytesSource(b""), BytesSource(b" and body")])
    assert joined.length == 13
    assert await read(joined, 3) == b"tail and body"
    assert joined.length == 0


async def test_a_joined_length_is_known_only_if_all_are() -> None:
    unknown = TrickleSource(b"body", 2, known=False)
    joined = JoinedSource([BytesSource(b"tail"), unknown])
    assert joined.length is None
    await joined.aclose()
    assert await read(joined) == b""


async def test_a_limited_source_leaves_the_rest() -> None:
    inner = BytesSource(b"0123456789")
    limited = LimitedSource(inner, 6)
    assert limited.length == 6
    assert await read(limited) == b"012345"
    assert limited.length == 0
    assert await read(inner) == b"6789"


async def test_a_limit_beyond_the_end_is_no_promise() -> None:
    limited = LimitedSource(TrickleSource(b"0123", 2, known=False), 9)
    assert limited.length is None
    assert await read(limited) == b"0123"
    limited = LimitedSource(BytesSource(b"0123"), 9)
    assert limited.length == 4
    await limited.aclose()
    assert await read(limited) == b""


class Prompt(BytesSource):
    """Has two bytes there at a time, and waits for more when it is not asked for some."""

    async def read_some(self, view: memoryview, /) -> int:
        return await self.read_into(view[:2])


async def test_who_asks_for_some_gets_what_is_there_through_a_limit() -> None:
    source = LimitedSource(Prompt(b"0123456789"), 5)
    view = memoryview(bytearray(4))
    assert [await source.read_some(view) for _ in range(4)] == [2, 2, 1, 0]
    assert await LimitedSource(Prompt(b"0123456789"), 5).read_into(view) == 4
    plain = LimitedSource(BytesSource(b"0123456789"), 5)
    assert await plain.read_some(view) == 4
