"""What is mended on the spot."""

import asyncio
import time
from datetime import UTC, datetime

import pytest

from gateway.errors import StorageRejected, StorageThrottled, StorageTimeout, StorageUnavailable
from gateway.model import Attributes, ObjectKey, WriteCondition
from gateway.protocol.dates import format_date
from gateway.storage.s3.connection import Connection, Credentials
from gateway.storage.s3.wire_names import Names
from gateway.storage.s3.wire_plane import WirePlane
from tests.storage.s3.raw_store import (
    Peer,
    RawStore,
    connection_to,
    error,
    plane_to,
    raw_store,
    reply,
)

KEY = ObjectKey("bucket", "key")
FIVE_DAYS = 5 * 86_400


async def put(plane: WirePlane) -> None:
    views = [memoryview(b"content")]
    await plane.put(KEY, views, Attributes(), condition=WriteCondition(), digests=(), sent=())


@pytest.mark.parametrize("method", ["PUT", "HEAD"])
async def test_a_clock_that_is_wrong_is_set_by_the_stores(method: str) -> None:
    ahead = datetime.fromtimestamp(time.time() + FIVE_DAYS, UTC)

    async def script(store: RawStore, peer: Peer) -> None:
        while True:
            request = await store.note(peer)
            if request.headers["x-amz-date"].startswith(f"{ahead:%Y%m%d}"):
                await peer.send(reply())
            elif request.method == "HEAD":
                await peer.send(reply(b"", "403 Forbidden", f"Date: {format_date(ahead)}"))
            else:
                date = f"Date: {format_date(ahead)}"
                await peer.send(error("403 Forbidden", "RequestTimeTooSkewed", date))

    async with raw_store(script) as store, plane_to(store.url) as plane:
        for _ in range(2):
            if method == "PUT":
                await put(plane)
            else:
                await plane.head(KEY)
    assert len(store.requests) == 3, "the clock stays set"


async def test_a_store_that_will_not_have_any_date_is_asked_twice() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        while True:
            await store.note(peer)
            date = format_date(datetime.fromtimestamp(1000.0 * len(store.requests), UTC))
            await peer.send(error("403 Forbidden", "RequestTimeTooSkewed", f"Date: {date}"))

    async with raw_store(script) as store, plane_to(store.url) as plane:
        with pytest.raises(StorageRejected, match="clock"):
            await put(plane)
    assert len(store.requests) == 2


@pytest.mark.parametrize("date", ["yesterday", None])
async def test_a_403_with_our_own_time_is_no_matter_of_clocks(date: str | None) -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await store.note(peer)
        shown = date or format_date(datetime.now(UTC))
        await peer.send(reply(b"", "403 Forbidden", f"Date: {shown}"))

    async with raw_store(script) as store, plane_to(store.url) as plane:
        with pytest.raises(StorageRejected):
            await plane.head(KEY)
    assert len(store.requests) == 1


class Renewing(Connection):
    """Its credentials change with every look."""

    looks = 0
    last = 10

    async def credentials(self) -> Credentials:
        self.looks += 1
        return Credentials("AKIDEXAMPLE000000001", "secret", f"token-{min(self.looks, self.last)}")


@pytest.mark.parametrize(("last", "tries"), [(10, 2), (1, 1)])
async def test_expired_credentials_are_renewed_if_there_are_others(last: int, tries: int) -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        while True:
            request = await store.note(peer)
            if request.headers["x-amz-security-token"] == "token-2":
                await peer.send(reply())
            else:
                await peer.send(error("400 Bad Request", "ExpiredToken"))

    async with raw_store(script) as store:
        plain = connection_to(store.url)
        connection = Renewing(plain._session, None, plain.endpoint)
        connection.last = last
        plane = WirePlane(connection)
        if tries == 2:
            await put(plane)
            await put(plane)
        else:
            with pytest.raises(StorageRejected, match="expired"):
                await put(plane)
        await plane.aclose()
    assert len(store.requests) == (3 if tries == 2 else 1)


async def test_without_credentials_nothing_is_sent() -> None:
    class Nobody(Connection):
        async def credentials(self) -> Credentials:
            from botocore.exceptions import NoCredentialsError

            raise NoCredentialsError

    async def script(store: RawStore, peer: Peer) -> None:
        await store.note(peer)

    async with raw_store(script) as store:
        plain = connection_to(store.url)
        plane = WirePlane(Nobody(plain._session, None, plain.endpoint))
        with pytest.raises(StorageRejected, match="no credentials"):
            await put(plane)
        await plane.aclose()
        assert store.peers == 0


async def test_two_stale_connections_in_a_row_are_an_error() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        if peer.number == 0:
            await peer.request()
            await peer.send(reply())
        await peer.head()
        peer.reset()

    async with raw_store(script) as store, plane_to(store.url) as plane:
        await put(plane)
        with pytest.raises(StorageUnavailable):
            await put(plane)
        assert store.peers == 2


async def test_connecting_has_a_deadline_of_its_own() -> None:
    async def script(store: RawStore, peer: Peer) -> None:
        await peer.reader.read()

    # A server that speaks no TLS never answers the handshake.
    async with raw_store(script) as store:
        url = store.url.replace("http:", "https:")
        async with plane_to(url, verify=False, connect_timeout=0.1, idle_timeout=9) as plane:
            with pytest.raises(StorageTimeout):
                async with asyncio.timeout(3):
                    await put(plane)


@pytest.mark.parametrize("failure", ["reset", "503"])
async def test_after_a_failed_call_the_next_connection_looks_the_name_up_again(
    failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    look_up = Names._look_up

    async def counted(names: Names, host: str) -> list[str]:
        if host not in names._known:
            asked.append(host)
        return await look_up(names, host)

    async def script(store: RawStore, peer: Peer) -> None:
        await store.note(peer)
        if peer.number == 1:
            if failure == "reset":
                peer.reset()
            else:
                await peer.send(error("503 Slow Down", "SlowDown", "Connection: close"))
        else:
            await peer.send(reply(b"", "200 OK", "Connection: close"))

    monkeypatch.setattr(Names, "_look_up", counted)
    async with raw_store(script) as store:
        url = store.url.replace("127.0.0.1", "localhost")
        async with plane_to(url) as plane:
            await put(plane)
            with pytest.raises((StorageUnavailable, StorageThrottled)):
                await put(plane)
            assert asked == ["localhost"]
            await put(plane)
            assert asked == ["localhost"] * 2
            await put(plane)
            assert asked == ["localhost"] * 2
