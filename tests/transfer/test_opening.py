"""Opening objects, on a store that can be asked at once."""

import asyncio

import pytest

from gateway.errors import StorageCorrupt
from tests.storage.s3.begun_lab import lab, saying
from tests.storage.s3.raw_store import Peer, RawStore, reply


async def test_a_get_that_succeeds_is_one_call_and_all_of_it_is_here() -> None:
    async with lab(saying(reply(b"abc"))) as it:
        assert await it.get() == b"abc"
        assert it.calls.outcomes == ["GetObject ok"]


async def test_another_success_than_was_asked_for_opens_nothing() -> None:
    async with lab(saying(reply(b"", "204 No Content"))) as it:
        with pytest.raises(StorageCorrupt):
            await it.get()
        assert it.calls.outcomes == ["GetObject storage-corrupt"]


async def test_a_get_that_is_cancelled_closes_its_connection() -> None:
    came = asyncio.Event()

    async def script(raw: RawStore, peer: Peer) -> None:
        await raw.note(peer)
        came.set()
        assert await peer.reader.read() == b""

    async with lab(script) as it:
        task = asyncio.create_task(it.get())
        await came.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert it.calls.outcomes == ["GetObject cancelled"]
        async with asyncio.timeout(5):
            while it.raw.open:
                await asyncio.sleep(0.01)


async def test_an_answer_that_breaks_us_closes_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise LookupError("a bug")

    async with lab(saying(reply(b"ab", length=3))) as it:
        monkeypatch.setattr("gateway.storage.s3.wire_begun.opened", broken)
        with pytest.raises(LookupError):
            await it.get()
        assert it.calls.outcomes == ["GetObject internal-error"]
        async with asyncio.timeout(5):
            while it.raw.open:
                await asyncio.sleep(0.01)
