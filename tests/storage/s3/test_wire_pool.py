import asyncio
import socket
from contextlib import closing
from typing import Any

import pytest

from gateway.errors import Overloaded
from gateway.storage.s3 import wire_pool
from gateway.storage.s3.wire_body import Body
from gateway.storage.s3.wire_link import Link
from gateway.storage.s3.wire_pool import Pool
from gateway.units import KiB, MiB
from tests.storage.s3.raw_store import Peer, RawStore, connection_to, raw_store, reply

HOST = "127.0.0.1"


def pool_of(store: RawStore, **more: Any) -> Pool:
    return Pool(connection_to(store.url, **more).endpoint, store.port, None)


async def answering(store: RawStore, peer: Peer) -> None:
    while True:
        await store.note(peer)
        await peer.send(reply())


async def call(link: Link) -> None:
    await link.call(b"PUT /b/k HTTP/1.1\r\nhost: x\r\n\r\n", (), method="PUT")


async def test_the_youngest_idle_connection_is_used_first() -> None:
    async with raw_store(answering) as store:
        pool = pool_of(store)
        links = [await pool.open(HOST) for _ in range(3)]
        for link in links:
            await call(link)
        assert (pool.size, pool.idle) == (3, 3)
        assert pool.take(HOST) is links[2]
        assert pool.take("other.test") is None
        pool.close()


async def test_idle_connections_are_closed_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_pool, "KEEP", 0.1)
    async with raw_store(answering) as store:
        pool = pool_of(store)
        first, second = [await pool.open(HOST) for _ in range(2)]
        await call(first)
        await asyncio.sleep(0.06)
        await call(second)
        await asyncio.sleep(0.07)
        assert (pool.size, pool.idle) == (1, 1)
        await asyncio.sleep(0.1)
        assert (pool.size, pool.idle, store.open) == (0, 0, 0)
        pool.close()


async def test_an_idle_connection_makes_place_for_another_host() -> None:
    async with raw_store(answering) as store:
        pool = pool_of(store, max_connections=1)
        await call(await pool.open(HOST))
        other = await pool.open("localhost")
        assert other.host == "localhost"
        assert pool.size == 1
        waiting = asyncio.create_task(pool.open(HOST))
        await asyncio.sleep(0.01)
        await call(other)
        found = await waiting
        assert found.host == HOST
        assert pool.size == 1
        pool.close()


async def test_a_cancelled_wait_loses_neither_connection_nor_place() -> None:
    async with raw_store(answering) as store:
        pool = pool_of(store, max_connections=1)
        link = await pool.open(HOST)
        for end in ("free", "sever"):
            first, second = (asyncio.create_task(pool.open(HOST)) for _ in range(2))
            await asyncio.sleep(0.01)
            if end == "free":
                pool.free(link)
            else:
                link.sever()
                pool.lost(link)
            first.cancel()  # after it was given what it waits for, and before it knows
            link = await second
            assert pool.size == 1
        pool.close()
        await asyncio.sleep(0.01)
        assert pool.size == 0


async def test_a_connection_that_closes_while_handed_over_is_replaced() -> None:
    async with raw_store(answering) as store:
        pool = pool_of(store, max_connections=1)
        link = await pool.open(HOST)
        waiting = asyncio.create_task(pool.open(HOST))
        await asyncio.sleep(0.01)
        pool.free(link)
        link.sever()
        assert (await waiting) is not link
        assert pool.size == 1
        pool.close()


async def test_a_refused_address_leads_to_the_next() -> None:
    async with raw_store(answering) as store:
        pool = pool_of(store)

        class Twice:
            tried: list[str] = []  # noqa: RUF012

            async def pick(self, host: str) -> str:
                return "127.0.0.2" if not self.tried else HOST

            def failed(self, host: str, address: str | None = None) -> None:
                self.tried.append(str(address))

            def opened(self, address: str) -> None: ...

            def closed(self, address: str) -> None: ...

        names = Twice()
        pool._names = names  # type: ignore[assignment]
        link = await pool.open("s3.test")
        assert link.address == HOST
        assert names.tried == ["127.0.0.2"]
        pool.close()


async def test_a_failed_connection_gives_its_place_back() -> None:
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    pool = Pool(connection_to("http://127.0.0.1", max_connections=1).endpoint, port, None)
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            await pool.open(HOST)
    assert pool.size == 0
    pool.close()


async def test_ipv6_is_an_address_like_any_other() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 loopback here")
    with listener:
        port = listener.getsockname()[1]
        pool = Pool(connection_to(f"http://[::1]:{port}").endpoint, port, None)
        link = await pool.open("::1")
        assert link.usable
        pool.close()


async def test_closing_ends_those_that_wait() -> None:
    async with raw_store(answering) as store:
        pool = pool_of(store, max_connections=1)
        link = await pool.open(HOST)
        waiting = asyncio.create_task(pool.open(HOST))
        await asyncio.sleep(0.01)
        pool.close()
        for call in (waiting, pool.open(HOST)):
            with pytest.raises(ConnectionAbortedError):
                await call
        assert not link.usable
        await asyncio.sleep(0.01)
        assert pool.size == 0


SIZE = 8 * MiB


async def downloads(store: RawStore, peer: Peer) -> None:
    """Each GET is answered with more than kernels hold; other calls with nothing."""
    while True:
        request = await peer.head()
        await peer.send(reply(bytes(SIZE)) if request.method == "GET" else reply())


async def begin(link: Link) -> Body:
    """A download of which nothing is read yet."""
    _, body = await link.call(b"GET /b/k HTTP/1.1\r\nhost: x\r\n\r\n", (), method="GET")
    return body


async def read_all(body: Body) -> int:
    view, size = memoryview(bytearray(MiB)), 0
    while count := await body.read_into(view):
        size += count
    return size


async def test_case_56_slow_downloads_do_not_keep_others_from_the_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire_pool, "LOOK", 0.02)
    async with raw_store(downloads) as store:
        with closing(pool_of(store, max_connections=2)) as pool:
            slow = [await begin(await pool.open(HOST)) for _ in range(2)]
            more = [await begin(await pool.open(HOST)) for _ in range(3)]
            assert pool.size == 5
            await call(await pool.open(HOST))
            assert [await read_all(body) for body in slow + more] == [SIZE] * 5
            await asyncio.sleep(0.02)
            assert pool.size == pool.idle <= 2
            pool.close()
            await asyncio.sleep(0.01)
            assert pool.size == 0


async def test_a_lent_place_is_not_there_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_pool, "LOOK", 0.02)
    async with raw_store(downloads) as store:
        with closing(pool_of(store, max_connections=1, idle_timeout=0.3)) as pool:
            slow = await begin(await pool.open(HOST))
            busy = await pool.open(HOST)
            assert pool.size == 2
            slow.close()
            await asyncio.sleep(0.02)
            assert pool.size == 1
            with pytest.raises(Overloaded):  # the one that is busy is no answer that stands
                await pool.open(HOST)
            await call(busy)
            assert (pool.size, pool.idle) == (1, 1)


async def test_a_connection_whose_place_was_lent_is_kept_when_there_is_place_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire_pool, "LOOK", 0.02)
    async with raw_store(downloads) as store:
        with closing(pool_of(store, max_connections=1)) as pool:
            slow = await begin(await pool.open(HOST))
            (await pool.open(HOST)).sever()
            await asyncio.sleep(0.01)
            assert await read_all(slow) == SIZE
            assert (pool.size, pool.idle) == (1, 1)
            other = await pool.open("localhost")
            assert pool.size == 1
            other.sever()


async def test_a_download_that_moves_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_pool, "LOOK", 0.05)
    async with raw_store(downloads) as store:
        with closing(pool_of(store, max_connections=1, idle_timeout=0.3)) as pool:
            moving = await begin(await pool.open(HOST))
            waiting = asyncio.create_task(pool.open(HOST))
            view = memoryview(bytearray(64 * KiB))
            while not waiting.done():
                await moving.read_into(view)
                await asyncio.sleep(0.01)
            with pytest.raises(Overloaded):
                await waiting
            moving.close()


async def test_a_download_whose_store_is_slow_keeps_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire_pool, "LOOK", 0.02)

    async def script(store: RawStore, peer: Peer) -> None:
        await peer.head()
        await peer.send(reply(b"first", length=10))
        await peer.reader.read()

    async with raw_store(script) as store:
        with closing(pool_of(store, max_connections=1, idle_timeout=0.3)) as pool:
            body = await begin(await pool.open(HOST))
            view = memoryview(bytearray(10))
            await body.read_into(view)
            reading = asyncio.create_task(body.read_into(view))
            with pytest.raises(Overloaded):
                await pool.open(HOST)
            reading.cancel()
