import asyncio
import socket
from typing import Any

import pytest

from gateway.storage.s3.wire_names import AVOID, FRESH, Names


class Resolver:
    """Stands in for the loop's: real ones answer differently each time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked = 0
        self.now = 100.0
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(asyncio, "get_running_loop", lambda: self)
        self._loop = loop

    async def getaddrinfo(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked += 1
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(0, 0, 0, "", (one, port)) for one in self.addresses for _ in range(2)]


async def picked(names: Names, count: int) -> list[str]:
    found = []
    for _ in range(count):
        found.append(await names.pick("s3.test"))
        names.opened(found[-1])
    return found


async def test_connections_are_spread_over_all_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver(monkeypatch, "10.0.0.1", "10.0.0.2", "fd00::3")
    names = Names(443, lambda: resolver.now)
    found = await picked(names, 6)
    assert sorted(found) == sorted(resolver.addresses * 2)
    assert resolver.asked == 1
    for _ in range(2):
        names.closed("10.0.0.2")
    assert await picked(names, 2) == ["10.0.0.2"] * 2


async def test_an_answer_is_used_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver(monkeypatch, "10.0.0.1")
    names = Names(443, lambda: resolver.now)
    await picked(names, 2)
    resolver.now += FRESH
    resolver.addresses = ["10.0.0.9"]
    assert await picked(names, 1) == ["10.0.0.9"]
    assert resolver.asked == 2


async def test_after_a_failure_the_name_is_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver(monkeypatch, "10.0.0.1")
    names = Names(443, lambda: resolver.now)
    await picked(names, 1)
    names.failed("s3.test")
    await picked(names, 1)
    assert resolver.asked == 2


async def test_an_address_that_failed_is_avoided(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver(monkeypatch, "10.0.0.1", "10.0.0.2")
    names = Names(443, lambda: resolver.now)
    names.failed("s3.test", "10.0.0.1")
    assert await picked(names, 4) == ["10.0.0.2"] * 4
    names.failed("s3.test", "10.0.0.2")
    assert await names.pick("s3.test") == "10.0.0.1", "the emptier of two bad ones"
    resolver.now += AVOID
    assert await picked(names, 4) == ["10.0.0.1"] * 4


async def test_an_address_needs_no_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver(monkeypatch)
    names = Names(443)
    assert await names.pick("127.0.0.1") == "127.0.0.1"
    assert await names.pick("::1") == "::1"
    assert resolver.asked == 0
    with pytest.raises(OSError, match="unknown"):
        await names.pick("s3.test")


async def test_many_names_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver(monkeypatch, "10.0.0.1")
    names = Names(443, lambda: resolver.now)
    for number in range(200):
        await names.pick(f"bucket-{number}.s3.test")
    assert len(names._known) <= 64
