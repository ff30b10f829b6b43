"""What one process is put together of."""

import inspect
import pkgutil
import time
from pathlib import Path
from typing import Any

import pytest

import gateway.protocol.dialects
from gateway.assembly import DIALECTS, open_tails
from gateway.runtime import open_runtime
from gateway.telemetry import Instrument
from gateway.transfer.resumable.tails import LocalTails, StoreTails
from tests.web import lab


def test_every_dialect_is_served_under_a_name_of_its_own() -> None:
    found = {each.name for each in pkgutil.iter_modules(gateway.protocol.dialects.__path__)}
    served = [inspect.getmodule(type(each)) for each in DIALECTS]

    assert {each.__name__.rpartition(".")[2] for each in served if each} == found
    assert len({each.name for each in DIALECTS}) == len(DIALECTS)


@pytest.mark.parametrize(
    ("durability", "kept"), [("power", "power"), ("process", "process"), (None, "power")]
)
async def test_bytes_that_wait_on_this_machine_are_as_durable_as_its_stores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: str | None, kept: str
) -> None:
    asked: list[str] = []

    class Noted(LocalTails):
        def __init__(self, folder: Path, durability: Any) -> None:
            super().__init__(folder, durability)
            asked.append(durability)

    monkeypatch.setattr("gateway.assembly.LocalTails", Noted)
    local = {"kind": "local", "path": tmp_path / "objects", "durability": durability}
    found = lab.settings(tmp_path, storage={"main": local if durability else {"kind": "memory"}})
    async with open_runtime(found, Instrument()) as runtime:
        open_tails(found, runtime, time.time)

    assert asked == [kept]


async def test_bytes_wait_where_every_gateway_of_a_fleet_finds_them(tmp_path: Path) -> None:
    alone = lab.settings(tmp_path)
    async with open_runtime(alone, Instrument()) as runtime:
        for url in ("redis://h/0", "rediss://h/0", "unix:///run/redis.sock"):
            fleet = lab.settings(tmp_path, sessions={"url": url})
            assert isinstance(open_tails(fleet, runtime, time.time), StoreTails)
        assert isinstance(open_tails(alone, runtime, time.time), LocalTails)


async def test_a_default_section_may_open_unlisted_buckets_to_everybody(tmp_path: Path) -> None:
    default = {"storage": "main", "anonymous": "public-read"}
    async with lab.gateway(tmp_path, buckets_default=default) as client:
        await client.signed("PUT", "/unlisted/a", b"x", now=time.time())
        await client.signed("PUT", "/photos/a", b"x", now=time.time())

        assert (await client.send("GET", "/unlisted/a")).status == 200
        assert (await client.send("GET", "/photos/a")).status == 401
