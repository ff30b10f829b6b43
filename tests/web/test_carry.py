"""Commands carried out: what is served how, and what a download costs."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.adapt.buffer_size import LARGEST
from gateway.app import Gateway
from gateway.drain import Drain
from gateway.pipeline.pool import SlabPool
from gateway.pipeline.slabs import Account, Slab
from gateway.protocol.signatures.slot_token import sign_v
from gateway.units import KiB, MiB
from gateway.web import carry
from tests.protocol.signatures.wire import KEY_ID, SECRET, botocore_headers
from tests.web import lab

SLOT = {
    "up": {"bucket": "photos", "base_path": "/up/", "secret": SECRET, "versions": ["v"]},
}
HTML = [("content-type", "text/html"), ("cache-control", "max-age=5")]


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> list[SlabPool]:
    """The pools that gateways make."""
    made: list[SlabPool] = []

    class Known(SlabPool):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            made.append(self)

    monkeypatch.setattr("gateway.assembly.SlabPool", Known)
    return made


@pytest.fixture
async def client(tmp_path: Path, pools: list[SlabPool]) -> AsyncIterator[lab.Client]:
    async with lab.gateway(tmp_path, slots=SLOT) as running:
        for bucket in ("public", "photos"):
            await running.signed("PUT", f"/{bucket}/a.html", b"<p>", HTML, now=time.time())
        yield running


async def by_header(client: lab.Client, method: str, path: str, **more: Any) -> lab.Answer:
    wire = botocore_headers(method, path.encode(), now=time.time(), **more)
    lines = [(name.decode(), value.decode()) for name, value in wire.headers]
    return await client.send(method, path, more.get("body", b""), lines)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_programs_get_the_object_as_it_was_stored(client: lab.Client, method: str) -> None:
    answer = await by_header(client, method, "/photos/a.html")

    assert answer.get("content-type") == "text/html"
    assert answer.get("cache-control") == "max-age=5"
    assert answer.get("x-content-type-options") == "nosniff"
    assert answer.get("content-disposition") is None
    assert answer.get("content-security-policy") is None


async def test_case_86_what_browsers_open_cannot_act(client: lab.Client) -> None:
    presigned = await client.signed("GET", "/photos/a.html", now=time.time())
    anonymous = await client.send("GET", "/public/a.html")
    slot = await client.send("GET", "/up/a.html")

    for answer in (presigned, anonymous, slot):
        assert (answer.status, answer.body) == (200, b"<p>")
        assert answer.get("content-disposition") == 'attachment; filename="a.html"'
        assert "sandbox" in (answer.get("content-security-policy") or "")
        assert answer.get("x-content-type-options") == "nosniff"


async def test_case_89_each_dialect_tells_caches_what_they_may_keep(client: lab.Client) -> None:
    await client.signed("PUT", "/photos/bare", b"x", now=time.time())
    bare = await client.signed("GET", "/photos/bare", now=time.time())
    slot = await client.send("GET", "/up/a.html")
    anonymous = await client.send("GET", "/public/a.html")

    assert (bare.get("cache-control"), bare.get("vary")) == ("private", "Authorization")
    assert slot.get("cache-control") == "public, max-age=31536000, immutable"
    assert (anonymous.get("cache-control"), anonymous.get("vary")) == ("max-age=5", None)


async def test_an_unchanged_object_is_not_sent_again(client: lab.Client) -> None:
    etag = (await client.send("HEAD", "/public/a.html")).get("etag") or ""
    answer = await client.send("GET", "/public/a.html", headers=[("if-none-match", etag)])

    assert (answer.status, answer.body, answer.get("etag")) == (304, b"", etag)


@pytest.mark.parametrize("size", [0, 1, 16 * KiB, 64 * KiB + 1, 3 * MiB])
async def test_downloads_of_any_size_arrive_whole_and_give_their_memory_back(
    client: lab.Client, pools: list[SlabPool], size: int
) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    await client.signed("PUT", "/public/x", data[:size], now=time.time())
    answer = await client.send("GET", "/public/x")
    (pool,) = pools
    statistics = pool.statistics()

    assert answer.body == data[:size]
    assert answer.get("content-length") == str(size)
    assert (statistics.used, statistics.accounts, statistics.retired) == (0, 0, 0)


class Reader:
    """A client that takes every piece slowly, or at once."""

    def __init__(self, pool: SlabPool, pause: float) -> None:
        self.pool, self.pause = pool, pause
        self.held: list[int] = []

    async def receive(self) -> Any:
        return {"type": "http.request"}

    async def send(self, message: Any) -> None:
        if message.get("more_body"):
            self.held.append(self.pool.statistics().used)
            await asyncio.sleep(self.pause)


async def test_a_download_holds_memory_as_its_client_takes_it(
    client: lab.Client, pools: list[SlabPool]
) -> None:
    (pool,) = pools
    fast, slow = Reader(pool, 0.0), Reader(pool, 0.02)
    for reader, size in ((fast, 3 * LARGEST), (slow, MiB)):
        await client.signed("PUT", "/public/x", bytes(size), now=time.time())
        await client.app(client.scope("GET", "/public/x"), reader.receive, reader.send)

    assert (fast.held[0], max(fast.held)) == (carry.FIRST_SLAB, LARGEST)
    assert max(slow.held) <= carry.FIRST_SLAB
    # 64 KiB in 20 ms is 3 MB a second; a slab holds a fiftieth of that.


async def test_nobody_asks_for_a_larger_slab_while_others_wait(
    client: lab.Client, pools: list[SlabPool]
) -> None:
    await client.signed("PUT", "/public/x", bytes(MiB), now=time.time())
    (pool,) = pools
    with pool.account("others") as others:
        hog = [await others.take(MiB) for _ in range(4)]
        room = pool.budget.general - pool.budget.used - carry.FIRST_SLAB
        await others.take_room(room)
        reader = Reader(pool, 0.0)

        async def send(message: Any) -> None:
            await reader.send(message)
            while reader.held and not pool.budget.waiting:
                await asyncio.sleep(0)

        download = asyncio.create_task(
            client.app(client.scope("GET", "/public/x"), reader.receive, send)
        )
        while not reader.held:
            await asyncio.sleep(0)
        waiting = asyncio.create_task(others.take(MiB))
        await download
        assert max(reader.held) <= pool.budget.general
        others.leave_room(room)
        (await waiting).release()
        for slab in hog:
            slab.release()


async def test_a_download_that_is_given_up_while_it_changes_slabs_ends_as_any(
    client: lab.Client, pools: list[SlabPool], monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.signed("PUT", "/public/x", bytes(3 * LARGEST), now=time.time())
    (pool,) = pools
    waits = asyncio.Event()

    async def take(self: Account, size: int) -> Slab:
        waits.set()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(Account, "take", take)
    reader = Reader(pool, 0.0)
    download = asyncio.create_task(
        client.app(client.scope("GET", "/public/x"), reader.receive, reader.send)
    )
    async with asyncio.timeout(5):
        await waits.wait()
    assert (len(reader.held) > 0, pool.statistics().used) == (True, 0)
    download.cancel()
    with pytest.raises(asyncio.CancelledError):
        await download
    assert pool.statistics().accounts == 0


async def test_case_56_a_download_without_memory_is_refused_in_time(
    tmp_path: Path, pools: list[SlabPool]
) -> None:
    memory = {"budget": "32MiB", "spool": tmp_path / "spool", "max_wait": 0.05}
    app = Gateway(lab.settings(tmp_path, memory=memory), Drain())
    async with lab.running(app):
        client = lab.Client(app)
        await client.signed("PUT", "/public/x", b"hello", now=time.time())
        (pool,) = pools
        with pool.account("hog") as hog, pool.account("elder") as elder:
            await hog.take_room(pool.budget.general)
            elder.start_part()  # it has the right of way, and takes the reserve as well
            await elder.take_room(pool.budget.reserve)
            answer = await client.send("GET", "/public/x")
            upload = await client.signed("PUT", "/photos/y", b"x" * 100, now=time.time())
            hog.leave_room(pool.budget.general)
            elder.leave_room(pool.budget.reserve)
        again = await client.send("GET", "/public/x")

    assert (answer.status, answer.code, answer.get("retry-after")) == (503, "overloaded", "5")
    assert (upload.status, upload.code, upload.get("retry-after")) == (503, "SlowDown", "5")
    assert again.status == 200


async def test_deleting_is_answered_by_each_dialect(client: lab.Client) -> None:
    assert (await client.signed("DELETE", "/photos/a.html", now=time.time())).status == 204
    assert (await client.signed("DELETE", "/photos/a.html", now=time.time())).status == 204
    assert (await client.signed("GET", "/photos/a.html", now=time.time())).status == 404


async def test_who_may_not_replace_an_object_is_told_whose_rule_that_is(tmp_path: Path) -> None:
    keys = {KEY_ID: {"secret": SECRET, "policy": "upload-only"}}
    async with lab.gateway(tmp_path, keys=keys, slots=SLOT) as client:
        first = await client.signed("PUT", "/photos/b.txt", b"1", now=time.time())
        again = await client.signed("PUT", "/photos/b.txt", b"2", now=time.time())
        slot = await client.send("PUT", f"/up/b.txt?v={sign_v(SECRET, 'b.txt', 1)}", b"3")

    assert (first.status, again.status, slot.status) == (200, 412, 409)
    assert b"The policy 'upload-only' lets you add objects, not replace them." in again.body
    assert b"policy" not in slot.body
