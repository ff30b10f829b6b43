"""Small publications, on a store that can be handed one at once."""

import asyncio

import pytest

from gateway.errors import GatewayError, StorageCorrupt
from gateway.model import WriteCondition
from gateway.storage.s3.wire_link import Link
from tests.storage.s3.begun_lab import lab, saying
from tests.storage.s3.raw_store import ETAG, Peer, RawStore, error, reply


@pytest.mark.parametrize("sign", ["never", "always"])
async def test_a_put_that_succeeds_is_one_call_on_the_idle_connection(sign: str) -> None:
    async with lab(saying(reply()), sign_payload=sign) as it:
        assert await it.put() == ETAG
        assert it.calls.outcomes == ["PutObject ok"]
        assert [(seen.connection, seen.body) for seen in it.raw.requests] == [(0, b"content")]


async def test_a_lost_answer_of_a_conditional_put_is_asked_for_at_the_object() -> None:
    async def script(raw: RawStore, peer: Peer) -> None:
        while True:
            request = await raw.note(peer)
            if request.method == "PUT":
                peer.reset()
                return
            modified = "Last-Modified: Sat, 21 Nov 2099 22:00:00 GMT"
            await peer.send(reply(b"", "200 OK", modified, length=7))

    async with lab(script) as it:
        with pytest.raises(GatewayError):  # its ETag is not that of our bytes
            await it.put(WriteCondition(absent=True))
        assert it.raw.requests[-1].method == "HEAD"


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", reply(b"", "202 Accepted")]
)
async def test_a_success_that_makes_no_sense_is_an_error_and_counted_once(answer: bytes) -> None:
    async with lab(saying(answer)) as it:
        with pytest.raises(StorageCorrupt):
            await it.put()
        assert len(it.calls.outcomes) == 1


async def test_a_publication_that_is_cancelled_is_finished_first() -> None:
    came, answer = asyncio.Event(), asyncio.Event()

    async def script(raw: RawStore, peer: Peer) -> None:
        await raw.note(peer)
        came.set()
        await answer.wait()
        await peer.send(reply())

    async with lab(script) as it:
        task = asyncio.create_task(it.put())
        await came.wait()
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()
        answer.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert it.calls.outcomes == ["PutObject ok"]


async def test_also_where_it_has_to_be_repeated() -> None:
    came, answer = asyncio.Event(), asyncio.Event()

    async def script(raw: RawStore, peer: Peer) -> None:
        await raw.note(peer)
        came.set()
        await answer.wait()
        await peer.send(error("503 Service Unavailable", "ServiceUnavailable"))
        await raw.note(peer)
        await peer.send(reply())

    async with lab(script) as it:
        task = asyncio.create_task(it.put())
        await came.wait()
        task.cancel()
        await asyncio.sleep(0)
        answer.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert it.calls.outcomes[-1] == "PutObject ok"


def _broken(link: Link, _: object) -> None:
    link._break(LookupError("a bug"))


def _meaningless(*_: object) -> None:
    raise LookupError("a bug")


@pytest.mark.parametrize(
    ("where", "bug"),
    [
        ("gateway.storage.s3.wire_link.Link._deliver", _broken),
        ("gateway.storage.s3.wire_begun.stored", _meaningless),
    ],
    ids=["on its way", "what it means"],
)
async def test_an_answer_that_breaks_us_is_settled(
    where: str, bug: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lab(saying(reply())) as it:
        monkeypatch.setattr(where, bug)
        with pytest.raises(LookupError):
            await it.put()
        assert it.calls.outcomes == ["PutObject internal-error"]
