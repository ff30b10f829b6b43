"""The client of the measurements sends and counts what it says."""

import asyncio
import hashlib
import threading
from collections.abc import Iterator

import pytest

from gateway.units import KiB, MiB
from loadtests.processes import Server
from loadtests.signing import plain
from loadtests.wire import CHUNK, PATTERN, Pattern, UnexpectedAnswer, Wire


class Origin:
    """A server in a thread that keeps the bodies and answers with their SHA-256."""

    def __init__(self) -> None:
        self.status = 200
        self.early = False
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0)
        )
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await self._answer(await reader.readuntil(b"\r\n\r\n"), reader, writer)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    async def _answer(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        digest = hashlib.sha256()
        if b"chunked" in head and not self.early:
            while size := int(await reader.readline(), 16):
                digest.update((await reader.readexactly(size + 2))[:-2])
            await reader.readline()
        elif b"content-length: " in head and not self.early:
            left = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            while left:
                data = await reader.read(min(left, MiB))
                digest.update(data)
                left -= len(data)
        body = digest.hexdigest().encode()
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" if b"expect" in head else b"")
        writer.write(
            b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (self.status, len(body), body)
        )
        if self.early:
            raise OSError


@pytest.fixture
def origin() -> Iterator[Origin]:
    server = Origin()
    yield server
    server.close()


@pytest.fixture(scope="module")
def pattern() -> Pattern:
    return Pattern()


@pytest.mark.parametrize("size", [0, 1, 3 * MiB + 5, PATTERN + 2 * MiB])
def test_a_put_sends_the_pattern_whose_digest_is_known(
    origin: Origin, pattern: Pattern, size: int
) -> None:
    with Wire(origin.port) as wire:
        head = plain("PUT", "/k", origin.port, [(b"content-length", b"%d" % size)])
        answer = wire.put(head, pattern, size)
        assert answer.body.decode() == pattern.sha256(size)


@pytest.mark.parametrize("size", [CHUNK, PATTERN + 3 * CHUNK])
def test_a_chunked_put_sends_the_same_bytes(origin: Origin, pattern: Pattern, size: int) -> None:
    with Wire(origin.port) as wire:
        head = plain("PUT", "/k", origin.port, [(b"transfer-encoding", b"chunked")])
        assert wire.put_chunked(head, pattern, size).body.decode() == pattern.sha256(size)


def test_an_interim_answer_is_not_the_answer(origin: Origin) -> None:
    with Wire(origin.port) as wire:
        answer = wire.ask(plain("GET", "/", origin.port, [(b"expect", b"100-continue")]))
    assert (answer.status, answer.size) == (200, 64)


def test_another_status_is_an_error_that_shows_the_answer(origin: Origin) -> None:
    origin.status = 403
    with Wire(origin.port) as wire, pytest.raises(UnexpectedAnswer, match=r"403 .*e3b0c44"):
        wire.ask(plain("GET", "/", origin.port))


def test_an_answer_before_the_end_of_the_body_is_still_heard_or_a_reset(
    origin: Origin, pattern: Pattern
) -> None:
    origin.status, origin.early = 413, True
    head = plain("PUT", "/k", origin.port, [(b"content-length", b"%d" % (64 * MiB))])
    with Wire(origin.port) as wire, pytest.raises((UnexpectedAnswer, ConnectionResetError)):
        wire.put(head, pattern, 64 * MiB)


def test_large_answers_are_counted_to_the_byte(null_s3: Server) -> None:
    port = null_s3.port
    with Wire(port) as wire:
        for size in (0, 1, 4 * KiB, 5 * MiB + 1):
            assert wire.ask(plain("GET", f"/b/x/{size}", port)).size == size
