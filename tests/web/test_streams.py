"""Bodies between ASGI and the pipeline."""

from typing import Any

import pytest

from gateway.errors import ClientGone, IncompleteBody
from gateway.web.channel import AsgiChannel, source_of
from gateway.web.streams import (
    ExtensionSource,
    Message,
    Receive,
    ReceiveSource,
    SendWriter,
    response_writer,
)


async def unsent(message: Message) -> None:
    raise AssertionError(message)


def said(*pieces: bytes, end: str = "http.request") -> Receive:
    """ASGI messages, the last of which says so."""
    messages: list[Message] = [
        {"type": "http.request", "body": piece, "more_body": True} for piece in pieces
    ]
    messages.append({"type": end})

    async def receive() -> Message:
        return messages.pop(0)

    return receive


async def everything(source: Any, step: int = 4) -> bytes:
    view, taken = memoryview(bytearray(step)), b""
    while count := await source.read_into(view):
        taken += view[:count]
    return taken


@pytest.mark.parametrize("step", [1, 3, 100])
async def test_messages_of_any_size_fill_views_of_any_size(step: int) -> None:
    source = ReceiveSource(said(b"", b"abcdef", b"g", b""), 7)

    assert source.length == 7
    assert await everything(source, step) == b"abcdefg"
    assert source.length == 0
    assert await everything(source) == b""
    await source.aclose()


async def test_case_49_a_client_that_leaves_is_no_end() -> None:
    with pytest.raises(ClientGone):
        await everything(ReceiveSource(said(b"abc", end="http.disconnect"), None))


async def test_a_body_that_ends_early_is_an_error() -> None:
    with pytest.raises(IncompleteBody, match="4 bytes before"):
        await everything(ReceiveSource(said(b"abc"), 7))


class Front:
    """The server's extensions."""

    def __init__(self, data: bytes, length: int | None) -> None:
        self.data = data
        self.length = length
        self.written = b""

    async def read_some(self, view: memoryview, /) -> int:
        return await self.read_into(view[:2])

    async def read_into(self, view: memoryview, /) -> int:
        count = min(len(view), len(self.data))
        view[:count], self.data = self.data[:count], self.data[count:]
        return count

    def take_at_once(self, size: int, /) -> memoryview | None:
        if len(self.data) != size:
            return None
        taken, self.data = self.data, b""
        return memoryview(taken)

    async def write(self, view: memoryview, /) -> None:
        self.written += view


async def test_the_fronts_extensions_are_used_where_they_are() -> None:
    front = Front(b"abcdef", 6)
    scope = {"extensions": {"sluice.body": front, "sluice.writer": front}}
    source = source_of(AsgiChannel(scope, said(), unsent), 6)
    writer = response_writer(scope, None)  # type: ignore[arg-type]

    assert isinstance(source, ExtensionSource)
    assert await everything(source) == b"abcdef"
    assert source.length == 0
    await source.aclose()
    await writer.write(memoryview(b"out"))
    assert front.written == b"out"


async def test_a_body_that_is_all_here_is_taken_at_once() -> None:
    source = ExtensionSource(Front(b"abcdef", 6))

    assert source.take_at_once(5) is None
    assert (source.count, source.length) == (0, 6)
    assert bytes(source.take_at_once(6) or b"") == b"abcdef"
    assert (source.count, source.length) == (6, 0)
    assert ExtensionSource(Front(b"abc", 6)).take_at_once(6) is None


async def test_an_unknown_length_stays_unknown() -> None:
    source = ExtensionSource(Front(b"abc", None))
    await everything(source)

    assert source.length is None


async def test_other_servers_get_asgis_own_messages() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    writer = response_writer({"extensions": None}, send)
    assert isinstance(source_of(AsgiChannel({}, said(), unsent), None), ReceiveSource)
    assert isinstance(writer, SendWriter)
    slab = memoryview(bytearray(b"one"))
    await writer.write(slab)
    slab[:] = b"two"

    assert sent == [{"type": "http.response.body", "body": b"one", "more_body": True}]


async def test_a_body_remembers_how_much_was_read() -> None:
    source = ReceiveSource(said(b"abcdef"), 6)
    await source.read_into(memoryview(bytearray(4)))

    assert (source.count, source.length) == (4, 2)
    await source.aclose()
