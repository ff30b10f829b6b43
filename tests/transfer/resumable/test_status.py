"""What is told of an upload."""

from pathlib import Path

import pytest

from gateway.model import ByteRange
from gateway.sessions.extents import Extent
from gateway.sessions.uploads import Change
from gateway.transfer.resumable.status import limits_of, status_of
from tests.transfer.resumable.lab import TTL, fleet


async def test_the_status_counts_each_durable_byte_once(tmp_path: Path) -> None:
    async with fleet(tmp_path) as team:
        made = await (await team.gateway()).create(None)
        extents = [
            Extent(offset=0, size=10, name="a"),
            Extent(offset=5, size=10, name="b"),
            Extent(offset=20, size=10, name="c"),
        ]
        session = await team.sessions.change_upload(made.id, 0, Change(add=extents))
        status = status_of(session, team.now)
        assert (status.offset, status.received, status.length) == (15, 25, None)
        assert status.missing == (ByteRange(15, 20),)
        session = await team.sessions.change_upload(made.id, 0, Change(length=100))
        assert status_of(session, team.now).received == 25
        assert status_of(session, team.now, 30).chunks == 4


async def test_a_finished_upload_has_all_its_bytes(tmp_path: Path) -> None:
    async with fleet(tmp_path) as team:
        gateway = await team.gateway()
        made = await gateway.create(5)
        done = await gateway.append(made.id, 0, b"hello")
        status = gateway.engine.status(done)
        assert (status.offset, status.length, status.complete, status.missing) == (5, 5, True, ())
        assert status.stored is not None
        assert status.stored.size == 5


async def test_limits_say_how_long_and_how_large(tmp_path: Path) -> None:
    async with fleet(tmp_path) as team:
        gateway = await team.gateway()
        made = await gateway.create(None)
        limits = limits_of(made, team.now + 10)
        assert limits.max_age == TTL - 10
        announced = gateway.engine.limits()
        assert announced.max_age == TTL
        assert (announced.max_size or 0) <= (limits.max_size or 0)
        assert limits_of(made, team.now + 2 * TTL).max_age == 0


@pytest.mark.parametrize("dialect", ["rufh", "chunked"])
async def test_R8_an_upload_whose_length_is_told_is_held_to_no_less_than_was_announced(
    tmp_path: Path, dialect: str
) -> None:
    async with fleet(tmp_path) as team:
        gateway = await team.gateway()
        told = limits_of(await gateway.create(10, dialect=dialect), team.now).max_size or 0
        announced = gateway.engine.limits().max_size or 0
        assert told >= (announced if dialect == "rufh" else 10)
