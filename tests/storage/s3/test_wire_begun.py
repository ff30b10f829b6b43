"""Calls that are begun without waiting: what comes of them is what comes of the ordinary ones."""

import pytest

from gateway.errors import NotFound, StorageUnavailable
from tests.storage.s3.begun_lab import lab, saying
from tests.storage.s3.raw_store import Peer, RawStore, error, reply


@pytest.mark.parametrize("method", ["put", "get"])
async def test_a_refusal_is_what_the_ordinary_call_makes_of_it(method: str) -> None:
    async with lab(saying(error("404 Not Found", "NoSuchKey"))) as it:
        with pytest.raises(NotFound) as caught:
            await getattr(it, method)()
        assert len(it.raw.requests) == 1
        assert [outcome.split()[1] for outcome in it.calls.outcomes] == [caught.value.code]


@pytest.mark.parametrize("method", ["put", "get"])
async def test_a_failure_counts_as_the_first_attempt(method: str) -> None:
    down = error("500 Internal Server Error", "InternalError")
    async with lab(saying(down, down, down)) as it:
        with pytest.raises(StorageUnavailable):
            await getattr(it, method)()
        assert len([seen for seen in it.raw.requests if seen.method != "HEAD"]) == 2


@pytest.mark.parametrize("method", ["put", "get"])
async def test_a_stale_connection_is_replaced_unnoticed(method: str) -> None:
    async def script(raw: RawStore, peer: Peer) -> None:
        await raw.note(peer)
        if peer.number == 0:
            peer.reset()
        else:
            await peer.send(reply(b"abc" if method == "get" else b""))

    async with lab(script) as it:
        await getattr(it, method)()
        assert len(it.calls.outcomes) == 1
        assert [seen.connection for seen in it.raw.requests] == [0, 1]
