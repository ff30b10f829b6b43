"""Whose object it is."""

from collections.abc import AsyncIterator
from hashlib import md5
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Attributes, Digest, PartReceipt
from gateway.storage.checksums import compute
from gateway.transfer.resumable.proof import crc_of_parts, find_ours
from gateway.transfer.resumable.site import Site
from tests.transfer.lab import KEY
from tests.transfer.resumable.lab import Fleet, content, fleet

DATA = content(5000)
CRC = compute("crc64nvme", [memoryview(DATA)])


@pytest.fixture
async def team(tmp_path: Path) -> AsyncIterator[Fleet]:
    async with fleet(tmp_path) as made:
        yield made


@pytest.fixture
async def site(team: Fleet) -> Site:
    gateway = await team.gateway()
    return gateway.works.site(await gateway.create(len(DATA)))


async def put(team: Fleet, data: bytes) -> None:
    await team.store.put(KEY, [memoryview(data)], Attributes())


async def test_the_object_with_our_bytes_is_ours(team: Fleet, site: Site) -> None:
    assert await find_ours(site, len(DATA), None, CRC, 0) is None
    await put(team, DATA)
    assert await find_ours(site, len(DATA), None, CRC, 0) is not None


async def test_another_of_the_same_size_is_not_however_new(team: Fleet, site: Site) -> None:
    await put(team, bytes(len(DATA)))
    assert await find_ours(site, len(DATA), None, CRC, 0) is None
    assert await find_ours(site, len(DATA), md5(DATA).hexdigest(), CRC, 0) is None


async def test_where_nothing_else_is_known_size_and_time_decide(team: Fleet, site: Site) -> None:
    await put(team, DATA)
    assert await find_ours(site, len(DATA), None, None, 0) is not None
    assert await find_ours(site, len(DATA) - 1, None, None, 0) is None
    assert await find_ours(site, len(DATA), None, None, team.now + 3600) is None


@given(
    st.lists(st.binary(max_size=50), max_size=6), st.sampled_from(["crc64nvme", "crc32c", "crc32"])
)
def test_the_crc_of_a_whole_is_composed_of_its_parts(pieces: list[bytes], name: str) -> None:
    receipts = [
        PartReceipt(number, 0, len(piece), "", (compute(name, [memoryview(piece)]),))
        for number, piece in enumerate(pieces)
    ]
    assert crc_of_parts(receipts, name) == compute(name, [memoryview(b"".join(pieces))])


def test_what_has_no_crc_composes_to_none() -> None:
    receipt = PartReceipt(1, 0, 5, "", (Digest("sha-256", bytes(32)),))
    assert crc_of_parts([receipt]) is None
    assert crc_of_parts([receipt], "sha-256") is None
