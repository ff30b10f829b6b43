"""A framed source gives the same bytes for any views and any arrivals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import MalformedForm
from gateway.pipeline.framed import FramedSource
from gateway.pipeline.source import BytesSource
from gateway.protocol.multipart_form import FileFrame
from tests.protocol.forms import BOUNDARY

END = b"\r\n--" + BOUNDARY + b"--\r\n"


async def drained(source: FramedSource, size: int) -> bytes:
    found = b""
    view = memoryview(bytearray(size))
    while count := await source.read_into(view):
        found += view[:count]
    assert (source.length, await source.read_into(view)) == (0, 0)
    assert source.count == len(found)
    return found


@given(
    data=st.binary(max_size=300).map(lambda data: data * 30),
    views=st.sampled_from([1, 7, 4095, 4096, 5000]),
    step=st.sampled_from([1, 13, 4096, None]),
    begun=st.integers(0, 400),
)
async def test_content_is_the_same_for_any_views_and_arrivals(
    data: bytes, views: int, step: int | None, begun: int
) -> None:
    body = data + END
    source = FramedSource(BytesSource(body[begun:], step=step), FileFrame(BOUNDARY), body[:begun])
    assert source.length is None
    assert await drained(source, views) == data


async def test_bytes_stay_where_the_source_put_them() -> None:
    """No copy: the view that is handed on is the caller's own."""
    seen: list[memoryview] = []

    class Watched(BytesSource):
        async def read_into(self, view: memoryview, /) -> int:
            seen.append(view)
            return await super().read_into(view)

    memory = bytearray(8192)
    view = memoryview(memory)
    source = FramedSource(Watched(b"x" * 5000 + END), FileFrame(BOUNDARY))
    assert await source.read_into(view) == 5000
    assert seen[0].obj is memory


async def test_an_end_inside_the_frame_is_an_error() -> None:
    source = FramedSource(BytesSource(b"hello" + END[:9]), FileFrame(BOUNDARY))
    with pytest.raises(MalformedForm):
        await drained(source, 64)


async def test_a_closed_source_gives_nothing() -> None:
    source = FramedSource(BytesSource(b"hello" + END), FileFrame(BOUNDARY), b"begun")
    await source.aclose()
    await source.aclose()
    assert await source.read_into(memoryview(bytearray(9))) == 0


class Prompt(BytesSource):
    """Has a thousand bytes there at a time, and waits for more when it is not asked for some."""

    async def read_some(self, view: memoryview, /) -> int:
        return await self.read_into(view[:1000])


async def test_who_asks_for_some_gets_what_is_there() -> None:
    data = bytes(range(256)) * 40
    view = memoryview(bytearray(8192))
    source = FramedSource(Prompt(data + END), FileFrame(BOUNDARY))
    found, sizes = b"", list[int]()
    while size := await source.read_some(view):
        found += view[:size]
        sizes.append(size)
    assert found == data
    assert max(sizes) <= 1000 + len(END)
    assert await FramedSource(Prompt(data + END), FileFrame(BOUNDARY)).read_into(view) > 1000 + len(
        END
    )
