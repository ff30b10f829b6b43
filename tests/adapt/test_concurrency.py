"""The window of parts in flight, against simulated stores (scenarios/*.toml) and by single steps."""

import heapq
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapt.concurrency import Limit
from gateway.adapt.samples import Outcome, PartSample
from gateway.units import MiB

SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.toml"))
SIZE = 8 * MiB


class SimulatedStore:
    """Parts in flight share what the store carries: ``knee`` connections at full rate. An event queue, no clock."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._now = 0.0
        self._flying: list[tuple[float, int, float, int, bool]] = []
        self._count = 0

    def run(self, phase: dict[str, Any]) -> tuple[list[int], float]:
        """The window at each sample in the last third, and the bytes per second there."""
        begin, end = self._now, self._now + phase["seconds"]
        windows, moved = [], 0
        self._fill(phase)
        while self._flying[0][0] < end:
            self._now, _, started, in_flight, throttled = heapq.heappop(self._flying)
            outcome = Outcome.CONGESTED if throttled else Outcome.OK
            self._limit.on_sample(
                PartSample(
                    size=SIZE,
                    started=started,
                    finished=self._now,
                    in_flight=in_flight,
                    outcome=outcome,
                )
            )
            if self._now > begin + phase["seconds"] * 2 / 3:
                windows.append(self._limit.value)
                moved += 0 if throttled else SIZE
            self._fill(phase)
        return windows, moved / (phase["seconds"] / 3)

    def _fill(self, phase: dict[str, Any]) -> None:
        while len(self._flying) < min(self._limit.value, phase.get("fed", 99)):
            flying = len(self._flying) + 1
            throttled = flying > phase.get("throttle", 99)
            crowd = max(1.0, flying / phase["knee"])
            took = phase["delay"] + (0 if throttled else SIZE / (phase["rate"] * MiB) * crowd)
            self._count += 1
            # A little unevenness, the same in every run.
            took *= 1 + 0.05 * ((self._count * 7919) % 11 - 5) / 5
            entry = (self._now + took, self._count, self._now, flying, throttled)
            heapq.heappush(self._flying, entry)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_window_settles_where_the_scenario_says(path: Path) -> None:
    limit = Limit(maximum=20)
    store = SimulatedStore(limit)
    for phase in tomllib.loads(path.read_text())["phase"]:
        windows, goodput = store.run(phase)
        low, high = phase["settles"]
        mean = sum(windows) / len(windows)
        assert low <= mean <= high, (path.stem, mean, list(limit.decisions)[-5:])
        if "goodput" in phase:
            best = phase["knee"] * SIZE / (phase["delay"] + SIZE / (phase["rate"] * MiB))
            assert goodput >= phase["goodput"] * best


def ok(started: float, finished: float, in_flight: int = 2) -> PartSample:
    return PartSample(size=SIZE, started=started, finished=finished, in_flight=in_flight)


def congested(started: float, finished: float) -> PartSample:
    return PartSample(
        size=SIZE, started=started, finished=finished, in_flight=9, outcome=Outcome.CONGESTED
    )


def test_pitfall_30_no_samples_no_decision() -> None:
    limit = Limit()
    assert limit.value == 2
    assert not limit.decisions
    limit.on_sample(PartSample(size=1, started=0, finished=1, in_flight=2, outcome=Outcome.IGNORED))
    assert not limit.decisions


def test_one_congestion_event_is_one_cut() -> None:
    limit = Limit(10)
    limit.on_sample(congested(0.0, 1.0))
    for _ in range(5):
        limit.on_sample(congested(0.5, 1.5))
    assert limit.value == 7
    limit.on_sample(congested(1.6, 2.0))
    assert limit.value == 4


def test_the_window_never_falls_below_its_minimum() -> None:
    limit = Limit(2)
    for second in range(10):
        limit.on_sample(congested(second, second + 0.5))
    assert limit.value == 1


def test_a_step_that_is_not_used_is_taken_back() -> None:
    limit = Limit()
    limit.on_sample(ok(0, 1))
    limit.on_sample(ok(0, 1))
    assert limit.value == 4
    for second in range(1, 5):
        limit.on_sample(ok(second, second + 1, in_flight=1))
    assert limit.value == 2
    assert limit.decisions[-1].reason == "unused"


def test_samples_without_duration_decide_nothing() -> None:
    limit = Limit()
    for _ in range(10):
        limit.on_sample(ok(5.0, 5.0))
    assert limit.value == 2


def test_a_decision_tells_goodput_before_and_after() -> None:
    limit = Limit()
    for moment in (1.0, 2.0):
        limit.on_sample(ok(moment - 1, moment))
    for moment in (3.0, 4.0, 5.0, 6.0):
        limit.on_sample(ok(moment - 1, moment, in_flight=4))
    assert [(each.old, each.new, each.reason) for each in limit.decisions] == [
        (2, 4, "probe"),
        (4, 2, "no gain"),
    ]
    assert limit.decisions[-1].before == limit.decisions[-1].goodput == SIZE


@pytest.mark.parametrize("bounds", [(0, 0, 10), (5, 6, 10), (11, 1, 10), (1, 2, 1)])
def test_bounds_are_checked(bounds: tuple[int, int, int]) -> None:
    start, minimum, maximum = bounds
    with pytest.raises(ValueError, match="minimum"):
        Limit(start, minimum=minimum, maximum=maximum)


@given(
    st.lists(
        st.tuples(st.floats(0, 10), st.floats(0, 1), st.integers(1, 20), st.sampled_from(Outcome))
    )
)
def test_the_window_stays_within_its_bounds(
    samples: list[tuple[float, float, int, Outcome]],
) -> None:
    limit = Limit(3, minimum=2, maximum=12)
    now = 0.0
    for took, pause, in_flight, outcome in samples:
        now += pause
        limit.on_sample(
            PartSample(
                size=SIZE, started=now - took, finished=now, in_flight=in_flight, outcome=outcome
            )
        )
        assert 2 <= limit.value <= 12
    assert all(decision.old != decision.new for decision in limit.decisions)


def test_a_start_that_is_a_step_already_must_bring_something() -> None:
    for goodput, value, reason in ((1.1, 1, "no gain"), (3.0, 8, "probe")):
        limit = Limit(4, before=(1, SIZE))
        for _ in range(4):
            limit.on_sample(ok(0.0, 4.0 / goodput, in_flight=4))
        assert (limit.value, limit.decisions[-1].reason) == (value, reason)


def test_a_step_that_brought_a_little_is_taken_back_in_part() -> None:
    limit = Limit(4)
    for _ in range(4):
        limit.on_sample(ok(0.0, 4.0, in_flight=4))
    assert limit.value == 8
    for _ in range(8):
        limit.on_sample(ok(4.0, 10.4, in_flight=8))  # a quarter more, of as much again
    assert (limit.value, limit.decisions[-1].reason) == (5, "no gain")


def test_a_step_counts_as_used_while_the_window_still_fills() -> None:
    limit = Limit(4)
    for _ in range(4):
        limit.on_sample(ok(0.0, 4.0, in_flight=4))
    for width in (5, 6, 7, 8, 7, 7, 7, 7):
        limit.on_sample(ok(4.0, 8.0, in_flight=width))
    assert (limit.value, limit.decisions[-1].reason) == (10, "probe")
