"""The link delays, limits, drops and moves as it is told, and changes no byte."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.units import KiB, MiB
from loadtests.link import Link
from loadtests.weather import Weather

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send everything back, then what address it came from, then end."""
    while data := await reader.read(64 * KiB):
        writer.write(data)
        await writer.drain()
    writer.write(str(writer.get_extra_info("peername")[0]).encode())
    writer.close()


@asynccontextmanager
async def linked(weather: Weather, serve: Serve = echo) -> AsyncIterator[Link]:
    """A link in front of a server."""

    async def quiet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except OSError:
            writer.close()

    server = await asyncio.start_server(quiet, "127.0.0.1", 0)
    link = Link(server.sockets[0].getsockname()[1], weather)
    await link.open()
    try:
        yield link
    finally:
        await link.aclose()
        server.close()
        await asyncio.sleep(0.01)


async def there_and_back(link: Link, data: bytes) -> tuple[bytes, float]:
    """What comes back, and the seconds that it took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    began = time.monotonic()

    async def send() -> None:
        writer.write(data)
        await writer.drain()
        writer.write_eof()

    _, back = await asyncio.gather(send(), reader.read(-1))
    took = time.monotonic() - began
    writer.close()
    return back, took


async def test_every_byte_arrives_in_order_also_when_the_client_is_ahead_of_the_connection() -> (
    None
):
    data = os.urandom(3 * MiB)
    async with linked(Weather()) as link:
        results = await asyncio.gather(*(there_and_back(link, data) for _ in range(4)))
    assert [back for back, _ in results] == [data + b"127.0.0.1"] * 4


async def test_a_round_trip_takes_two_delays() -> None:
    async with linked(Weather(delay=0.05)) as link:
        back, took = await there_and_back(link, b"hello")
    assert back == b"hello127.0.0.1"
    assert 0.1 <= took < 2


async def test_the_rate_is_kept_per_connection_not_shared() -> None:
    data = bytes(MiB)
    async with linked(Weather(rate=4 * MiB)) as link:
        results = await asyncio.gather(*(there_and_back(link, data) for _ in range(3)))
    for back, took in results:
        assert len(back) > MiB
        assert 0.25 <= took < 3


async def test_a_sender_is_held_back_when_the_link_is_full() -> None:
    weather = Weather(rate=256 * KiB)
    async with linked(weather) as link:
        _, writer = await asyncio.open_connection("127.0.0.1", link.port)
        writer.transport.set_write_buffer_limits(high=0)
        writer.write(bytes(32 * MiB))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 0.3)
        assert writer.transport.get_write_buffer_size() > 16 * MiB
        writer.transport.abort()


async def test_drops_reset_the_connection_at_both_ends() -> None:
    ended = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(-1)
        except ConnectionResetError:
            ended.set()

    async with linked(Weather(drops=1e9), listen) as link:
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        await asyncio.sleep(0.05)
        writer.write(b"x" * 1000)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        await asyncio.wait_for(ended.wait(), 2)


async def test_clients_that_move_lose_their_connections_and_come_back_from_elsewhere() -> None:
    async with linked(Weather(sources=("127.0.0.2", "127.0.0.3"))) as link:
        assert (await there_and_back(link, b""))[0] == b"127.0.0.2"
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        link.move()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        assert (await there_and_back(link, b""))[0] == b"127.0.0.3"


async def test_clients_move_by_themselves_and_the_link_says_what_happened() -> None:
    async with linked(Weather(sources=("127.0.0.2", "127.0.0.3"), moves=0.02)) as link:
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(reader.readexactly(1), 5)
            writer.close()
    told = json.loads(link.story.told())
    assert told["addresses"] == ["127.0.0.2", "127.0.0.3"]
    assert told["moves"] >= told["moved"] >= 3
    assert (told["connections"], told["dropped"]) == (3, 0)


async def test_drops_are_counted_apart_from_moves() -> None:
    async with linked(Weather(drops=1e9)) as link:
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        writer.write(b"x" * 1000)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
    assert (link.story.dropped, link.story.moved) == (1, 0)


async def test_nobody_upstream_is_a_reset() -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    link = Link(port, Weather())
    await link.open()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
    finally:
        await link.aclose()
