"""Fleets that take chunks, with segments here or in the store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.transfer.resumable.lab import Fleet, Gateway, fleet


@pytest.fixture(params=["local tails", "store tails"])
async def many(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with fleet(tmp_path, local=request.param == "local tails") as made:
        yield made


@pytest.fixture
async def one(many: Fleet) -> Gateway:
    return await many.gateway()


@pytest.fixture
async def team(tmp_path: Path) -> AsyncIterator[Fleet]:
    """With segments in the store."""
    async with fleet(tmp_path, local=False) as made:
        yield made
