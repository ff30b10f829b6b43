import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.conformance.fault_proxy import FaultProxy, Order, operation_of, start

HEAD_OF_PART = "PUT /b/k?partNumber=2&uploadId=u"


@asynccontextmanager
async def proxied() -> AsyncIterator[tuple[FaultProxy, str, str, list[bytes]]]:
    """A proxy of a server that answers all with 200, the URLs of both its faces, and the bodies that came through."""
    bodies: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw = await reader.readuntil(b"\r\n\r\n")
        assert b"\r\nConnection: close\r\n" in raw
        length = next(line for line in raw.lower().split(b"\r\n") if b"content-length" in line)
        bodies.append(await reader.readexactly(int(length.split(b":")[1])))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndone")
        writer.close()

    upstream = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy = FaultProxy(f"http://127.0.0.1:{_port(upstream)}")
    servers = await start(proxy, 0, 0)
    try:
        url, control = (f"http://127.0.0.1:{_port(server)}" for server in servers)
        yield proxy, url, control, bodies
    finally:
        for server in (upstream, *servers):
            server.close()


def _port(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


async def part(url: str, number: int = 2) -> int:
    async with httpx.AsyncClient() as client:
        target = f"{url}/b/k?partNumber={number}&uploadId=u"
        return (await client.put(target, content=b"x" * 100_000)).status_code


async def test_what_nobody_ordered_passes_through() -> None:
    async with proxied() as (proxy, url, _, bodies):
        assert await part(url) == 200
        assert bodies == [b"x" * 100_000]
        assert proxy.calls == ["UploadPart"]


async def test_an_order_meets_the_calls_that_it_names_and_no_other() -> None:
    async with proxied() as (_, url, control, bodies), httpx.AsyncClient() as client:
        order = {
            "operation": "UploadPart",
            "match": "partNumber=2&",
            "status": 503,
            "code": "SlowDown",
        }
        assert (await client.post(control, content=json.dumps(order))).status_code == 200
        assert [await part(url, number) for number in (1, 2, 2)] == [200, 503, 200]
        assert len(bodies) == 2
        calls = (await client.request("DELETE", control)).json()
        assert calls == ["UploadPart"] * 3
        assert (await client.request("DELETE", control)).json() == []


async def test_an_order_that_nobody_understands_is_refused() -> None:
    async with proxied() as (proxy, _, control, _), httpx.AsyncClient() as client:
        assert (await client.post(control, content=b'{"who": 1}')).status_code == 400
        assert proxy.orders == []


@pytest.mark.parametrize(("fault", "carried_out"), [("RESET", 0), ("LOST", 1)])
async def test_a_connection_is_reset_before_or_after_the_store_acts(
    fault: str, carried_out: int
) -> None:
    async with proxied() as (proxy, url, _, bodies):
        proxy.orders.append(Order("*", fault=fault, nth=2, times=None))
        assert await part(url) == 200
        with pytest.raises(httpx.TransportError):
            await part(url)
        assert len(bodies) == 1 + carried_out


async def test_one_that_waits_for_100_is_told_to_go_on() -> None:
    async with proxied() as (_, url, _, bodies):
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as link:
            link.setblocking(False)
            loop = asyncio.get_running_loop()
            head = f"{HEAD_OF_PART} HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
            await loop.sock_sendall(link, head.encode())
            assert (await loop.sock_recv(link, 100)).startswith(b"HTTP/1.1 100")
            await loop.sock_sendall(link, b"abc")
            assert (await loop.sock_recv(link, 100)).startswith(b"HTTP/1.1 200")
        assert bodies == [b"abc"]


@pytest.mark.parametrize(
    ("method", "target", "operation"),
    [
        ("PUT", "/b/k?partNumber=1&uploadId=u", "UploadPart"),
        ("POST", "/b/k?uploads", "CreateMultipartUpload"),
        ("POST", "/b/k?uploads=", "CreateMultipartUpload"),
        ("GET", "/b?uploads", "ListMultipartUploads"),
        ("POST", "/b/k?uploadId=u", "CompleteMultipartUpload"),
        ("DELETE", "/b/k?uploadId=u", "AbortMultipartUpload"),
        ("GET", "/b/k?uploadId=u", "ListParts"),
        ("POST", "/b?delete", "DeleteObjects"),
        ("PUT", "/b/a/b", "PutObject"),
        ("HEAD", "/b", "HeadBucket"),
        ("DELETE", "/b/k", "DeleteObject"),
    ],
)
def test_an_operation_is_known_by_its_request(method: str, target: str, operation: str) -> None:
    assert operation_of(method, target) == operation
