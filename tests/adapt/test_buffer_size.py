"""Slabs follow the client's rate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapt.buffer_size import LARGEST, PROOF, SMALLEST, BufferSize, power_of_two
from gateway.units import KiB, MiB


def after(rate: float, slabs: int, buffer: BufferSize | None = None) -> BufferSize:
    """A client that sends ``rate`` bytes per second, ``slabs`` slabs long."""
    buffer = buffer or BufferSize()
    for _ in range(slabs):
        buffer.on_read(buffer.size, buffer.size / rate)
        buffer.on_filled()
    return buffer


@pytest.mark.parametrize(
    ("rate", "size"),
    [(64 * KiB, 16 * KiB), (1 * MiB, 32 * KiB), (10 * MiB, 256 * KiB), (1000 * MiB, 4 * MiB)],
)
def test_a_slab_holds_a_fiftieth_of_a_second(rate: float, size: int) -> None:
    assert after(rate, 20).size == size


def test_growth_is_one_doubling_a_slab() -> None:
    assert [after(1e9, slabs).size // KiB for slabs in range(10)] == [
        16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 4096,
    ]  # fmt: skip


def test_growth_rests_until_more_came_than_a_kernel_holds() -> None:
    assert [after(1e9, slabs, BufferSize(proof=PROOF)).size // KiB for slabs in range(13)] == [
        16,
        32,
        64,
        128,
        128,
        128,
        128,
        256,
        512,
        1024,
        2048,
        4096,
        4096,
    ]


def test_what_gathered_before_a_late_first_read_brings_no_large_slab() -> None:
    """A slow client that was accepted seconds late fills its first slabs at once, as a fast one does."""
    buffer = BufferSize(proof=PROOF)
    for _ in range(4):
        buffer.on_read(buffer.size, 0.0)
        buffer.on_filled(more=True)
    assert buffer.size == 128 * KiB


def test_a_client_that_slows_down_gets_small_slabs_at_once() -> None:
    buffer = after(1e9, 10)
    buffer.on_read(64 * KiB, 60.0)
    buffer.on_filled()
    assert buffer.size == SMALLEST


def test_old_measurements_fade() -> None:
    assert after(50 * MiB, 400, after(64 * KiB, 20)).size == 1 * MiB


def test_a_wait_that_is_not_over_counts() -> None:
    buffer = after(1 * MiB, 8)
    assert buffer.rate() == pytest.approx(1 * MiB)
    assert buffer.rate(pending=60.0) < 64 * KiB


def test_an_unknown_client_is_taken_for_fast() -> None:
    assert BufferSize().rate() > 10 * MiB


@given(st.lists(st.tuples(st.integers(1, 2 * MiB), st.floats(0, 100))), st.integers(1, 4 * MiB))
def test_the_size_is_a_power_of_two_within_bounds(
    reads: list[tuple[int, float]], largest: int
) -> None:
    buffer = BufferSize(power_of_two(largest))
    for size, seconds in reads:
        buffer.on_read(size, seconds)
        buffer.on_filled()
        assert SMALLEST <= buffer.size <= max(SMALLEST, power_of_two(largest))
        assert buffer.size == power_of_two(buffer.size)


def test_the_bounds_are_those_of_the_pool() -> None:
    assert (16 * KiB, 4 * MiB) == (SMALLEST, LARGEST)


def known(rate: float) -> BufferSize:
    buffer = BufferSize()
    buffer.on_read(int(rate), 1.0)
    return buffer


@pytest.mark.parametrize(
    ("rate", "coming", "nap"),
    [
        (64 * KiB, MiB, 1.0),
        (256 * KiB, MiB, 0.25),
        (32 * KiB, MiB, 1.0),
        (64 * KiB, 6400, 6400 / (64 * KiB)),
        (1 * KiB, MiB, 0.0),
        (1 * MiB, MiB, 0.0),
    ],
)
def test_slow_clients_are_read_from_when_much_has_gathered(
    rate: float, coming: int, nap: float
) -> None:
    assert known(rate).nap(coming) == pytest.approx(nap)


def test_nobody_naps_before_a_client_is_known() -> None:
    buffer = BufferSize()
    buffer.on_read(6 * KiB, 0.1)
    assert buffer.nap(MiB) == 0.0


def test_what_gathered_as_expected_may_gather_for_longer() -> None:
    buffer = known(64 * KiB)
    buffer.on_gathered(64 * KiB, 1.0)
    assert (buffer.nap(MiB), buffer.gathered) == (2.0, 256 * KiB)
    buffer.on_gathered(128 * KiB, 2.0)
    assert (buffer.nap(MiB), buffer.gathered) == (2.0, 256 * KiB)  # that is the most
    assert buffer.nap(32 * KiB) == 0.5


def test_who_fills_the_kernels_buffer_is_read_from_as_before_and_not_tried_again() -> None:
    buffer = known(64 * KiB)
    buffer.on_gathered(64 * KiB, 1.0)
    buffer.on_gathered(64 * KiB, 2.0)  # half of what two seconds should have brought
    assert (buffer.nap(MiB), buffer.gathered) == (1.0, 128 * KiB)
    buffer.on_gathered(64 * KiB, 1.0)
    assert buffer.nap(MiB) == 1.0


def test_the_last_bytes_of_a_body_are_as_many_as_were_expected() -> None:
    buffer = known(64 * KiB)
    buffer.on_gathered(64 * KiB, 1.0)
    buffer.on_gathered(32 * KiB, 0.5)
    assert buffer.nap(MiB) == 2.0


def test_who_sends_less_than_may_gather_is_read_from_no_less_often() -> None:
    buffer = known(32 * KiB)
    for _ in range(3):
        buffer.on_gathered(32 * KiB, 1.0)
    assert buffer.nap(MiB) == 1.0


def test_a_slab_has_room_for_what_gathers() -> None:
    assert known(64 * KiB).gathered == 128 * KiB


def test_a_read_that_was_filled_at_once_doubles_whatever_the_rate_says() -> None:
    buffer = known(64 * KiB)
    buffer.on_filled(more=True)
    assert buffer.size == 32 * KiB
