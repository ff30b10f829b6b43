"""A body from source to store, whole."""

import os

import pytest

from gateway.units import KiB, MiB
from tests.pipeline.fakes import KEY, Bench, TrickleSource


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("step", [1 * MiB, 16 * KiB, 7777])
@pytest.mark.parametrize(
    "size", [0, 1, 64 * KiB - 1, 64 * KiB, 64 * KiB + 1, 256 * KiB, 1 * MiB + 3]
)
async def test_every_size_arrives_whole(size: int, step: int, known: bool) -> None:
    bench = Bench()
    data = os.urandom(size)
    stored = await bench.upload(
        TrickleSource(data, step, known=known), bench.sink(size if known else None)
    )
    assert bench.store.objects[KEY] == data
    assert stored.size == size
    bench.assert_clean()
