"""How much to send at a time: the control loop."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.client.uploading.pace import Pace
from gateway.units import KiB, MiB


def settled(rate: float, pace: Pace) -> int:
    """The size after twenty requests over a link of ``rate`` bytes per second with a tenth of a second of delay."""
    for _ in range(20):
        pace.sent(pace.size, pace.size / rate + 0.1)
    return pace.size


def test_it_settles_at_what_the_link_carries_in_the_target_time() -> None:
    assert 3 * MiB < settled(MiB, Pace()) <= 4 * MiB
    assert settled(1000 * MiB, Pace()) == 64 * MiB
    assert settled(10 * KiB, Pace()) == 256 * KiB


def test_it_grows_by_no_more_than_double() -> None:
    pace = Pace(size=MiB)
    pace.sent(MiB, 0.0)
    assert pace.size == 2 * MiB


def test_it_halves_at_a_break_and_recovers() -> None:
    pace = Pace()
    settled(2 * MiB, pace)
    before = pace.size
    pace.broke()
    assert pace.size <= before // 2
    assert settled(2 * MiB, pace) == before


def test_it_never_halves_below_its_floor() -> None:
    pace = Pace()
    for _ in range(20):
        pace.broke()
    assert pace.size == 256 * KiB


def test_it_follows_a_link_that_changes() -> None:
    pace = Pace()
    fast = settled(10 * MiB, pace)
    slow = settled(MiB, pace)
    assert fast > 30 * MiB
    assert slow <= 4 * MiB


def test_the_servers_advice_bounds_it_and_the_most_counts_over_the_least() -> None:
    pace = Pace()
    pace.advise(most=MiB)
    assert pace.size == MiB
    pace.advise(least=3 * MiB)
    assert pace.size == MiB
    pace = Pace(size=MiB)
    pace.advise(least=3 * MiB)
    assert pace.size == 3 * MiB


def test_it_begins_with_what_the_server_likes_best_and_then_measures() -> None:
    pace = Pace()
    pace.advise(best=40 * MiB)
    assert pace.size == 40 * MiB
    settled(MiB, pace)
    pace.advise(best=40 * MiB)
    assert pace.size <= 4 * MiB


def test_what_was_too_large_is_not_tried_again() -> None:
    pace = Pace()
    assert pace.too_large()
    assert settled(1000 * MiB, pace) == 4 * MiB
    while pace.too_large():
        pass
    assert pace.size == 256 * KiB


@given(
    st.lists(
        st.one_of(
            st.tuples(st.integers(1, 2**40), st.floats(0, 1e5)),
            st.integers(1, 2**40),
            st.none(),
        )
    ),
    st.integers(1, 2**30),
)
def test_it_stays_within_its_bounds_whatever_happens(
    events: list[tuple[int, float] | int | None], most: int
) -> None:
    pace = Pace()
    pace.advise(most=most)
    for event in events:
        if event is None:
            pace.broke()
        elif isinstance(event, int):
            pace.advise(least=event)
        else:
            pace.sent(*event)
        assert 1 <= pace.size <= min(most, 64 * MiB)
        assert pace.size <= pace.unit or pace.size % pace.unit == 0
