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


class PromptTrickle(TrickleSource):
    """Counts how it was asked: for a full view, which takes a slow client long, or for what is there."""

    def __init__(self, data: bytes, pause: float) -> None:
        super().__init__(data, 16 * KiB, pause)
        self.whole = self.some = 0

    async def read_into(self, view: memoryview, /) -> int:
        self.whole += 1
        return await super().read_into(view)

    async def read_some(self, view: memoryview, /) -> int:
        self.some += 1
        return await super().read_into(view[: 4 * KiB])


@pytest.mark.parametrize(("pause", "slow"), [(0.0, False), (0.2, True)])
async def test_only_a_client_that_is_known_for_slow_is_asked_for_what_is_there(
    pause: float, slow: bool
) -> None:
    bench = Bench()
    data = os.urandom(72 * KiB)
    source = PromptTrickle(data, pause)
    await bench.upload(source, bench.sink(len(data)))
    assert bench.store.objects[KEY] == data
    assert source.whole > 0
    assert (source.some > 0) is slow
