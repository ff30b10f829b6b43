"""Whether one stream is the bottleneck, and how the rest is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapt.read_ahead import (
    EVIDENCE,
    LARGEST_WINDOW,
    SMALLEST_WINDOW,
    Bottleneck,
    Period,
    window_size,
)
from gateway.units import MiB

STARVED = Period(5 * MiB, 0.1, 0.09, 0.01)
SATED = Period(5 * MiB, 0.1, 0.01, 0.01)


@pytest.mark.parametrize(
    ("period", "verdict"),
    [
        (STARVED, True),
        (SATED, False),
        (Period(5 * MiB, 0.1, 0.065, 0.01), False),
        (Period(5 * MiB, 0.1, 0.095, 0.08), False),
        (Period(20 * MiB, 0.1, 0.09, 0.01), False),
        (Period(19 * MiB, 0.1, 0.09, 0.01), True),
        (Period(EVIDENCE - 1, 0.1, 0.09, 0.01), False),
        (Period(EVIDENCE, 0.1, 0.09, 0.01), True),
    ],
    ids=[
        "store",
        "client",
        "both",
        "ourselves",
        "fast enough",
        "not quite",
        "too little",
        "just enough",
    ],
)
def test_more_streams_are_tried_only_where_one_is_waited_for(period: Period, verdict: bool) -> None:
    assert Bottleneck().on_period(period) is verdict


def test_a_period_tells_its_rate_and_who_was_waited_for() -> None:
    assert STARVED.rate == 50 * MiB
    assert (STARVED.starved, SATED.starved) == (True, False)


def test_after_streams_that_brought_nothing_the_next_trial_waits_twice_as_long() -> None:
    bottleneck, waits = Bottleneck(), []
    for _ in range(7):
        bottleneck.on_narrowed()
        waits.append(next(n for n in range(1000) if bottleneck.on_period(STARVED)))
    assert waits == [8, 16, 32, 64, 128, 256, 256]


@given(st.floats(0, 1e12), st.integers(0, 1 << 40))
def test_windows_are_powers_of_two_in_bounds_that_fit_the_memory(rate: float, memory: int) -> None:
    size = window_size(rate, memory)
    assert size.bit_count() == 1
    assert SMALLEST_WINDOW <= size <= LARGEST_WINDOW
    assert size == SMALLEST_WINDOW or size * 4 <= memory


@given(st.floats(0, 1e12), st.floats(0, 1e12), st.integers(0, 1 << 40))
def test_faster_streams_have_no_smaller_windows(one: float, other: float, memory: int) -> None:
    assert window_size(min(one, other), memory) <= window_size(max(one, other), memory)


@pytest.mark.parametrize(("rate", "size"), [(50e6, 8), (10e6, 2), (20e6, 4), (1e9, 8)])
def test_a_window_lasts_long_against_a_round_trip(rate: float, size: int) -> None:
    assert window_size(rate, 192 * MiB) == size * MiB
