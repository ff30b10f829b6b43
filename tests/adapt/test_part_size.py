"""Part sizes: the store's limits hold for every body up to 48.8 TiB."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.adapt.part_size import GRAIN, PartPlan, plan
from gateway.errors import TooLarge
from gateway.model import PartLimits
from gateway.units import GiB, KiB, MiB, TiB

AWS = PartLimits()
LARGEST = AWS.max_object


def sizes(plan: PartPlan, length: int) -> list[int]:
    """How a body of ``length`` bytes is cut, as the builder would."""
    cut, number = [], 1
    while length:
        size = min(plan.size_of(number), length)
        cut.append(size)
        length -= size
        number += 1
    return cut


def assert_within(limits: PartLimits, cut: list[int]) -> None:
    assert len(cut) <= limits.max_parts
    assert all(limits.min_size <= size <= limits.max_size for size in cut[:-1])
    assert all(1 <= size <= limits.max_size for size in cut[-1:])
    if limits.uniform:
        assert len(set(cut[:-1])) <= 1
        assert cut[-1] <= cut[0]


lengths = st.one_of(
    st.integers(0, 100 * MiB),
    st.integers(0, LARGEST),
    st.integers(0, 16).map(lambda less: LARGEST - less),
    st.integers(-2, 2).map(lambda more: 10_000 * 8 * MiB + more),
)


@given(length=lengths, uniform=st.booleans())
@example(length=LARGEST, uniform=False)
@example(length=0, uniform=True)
def test_a_known_length_is_cut_within_the_limits(length: int, uniform: bool) -> None:
    limits = PartLimits(uniform=uniform)
    cut = sizes(plan(length, limits), length)
    assert sum(cut) == length
    assert_within(limits, cut) if cut else None
    assert len(set(cut[:-1])) <= 1


@given(
    share=st.floats(0, 1),
    uniform=st.booleans(),
    cap=st.one_of(st.none(), st.integers(5 * MiB, 6 * GiB)),
    preferred=st.integers(1, 64 * MiB),
)
def test_an_unknown_length_is_cut_within_the_limits(
    share: float, uniform: bool, cap: int | None, preferred: int
) -> None:
    limits = PartLimits(uniform=uniform)
    chosen = plan(None, limits, preferred=preferred, memory_cap=cap)
    length = max(1, int(chosen.max_length * share))
    cut = sizes(chosen, length)
    assert sum(cut) == length
    assert_within(limits, cut)
    assert max(cut) <= (cap or limits.max_size)


@given(cap=st.integers(5 * MiB, 5 * GiB), more=st.integers(1, TiB))
def test_what_memory_cannot_carry_is_refused_at_once(cap: int, more: int) -> None:
    largest = plan(None, AWS, memory_cap=cap).cap * AWS.max_parts
    plan(largest, AWS, memory_cap=cap)
    with pytest.raises(TooLarge) as caught:
        plan(largest + more, AWS, memory_cap=cap)
    assert caught.value.members == {"max_length": largest}


@given(st.integers(1, 10_000))
def test_the_announced_length_is_the_sum_of_all_parts(parts: int) -> None:
    limits = PartLimits(max_parts=parts)
    chosen = plan(None, limits)
    assert chosen.max_length == sum(chosen.size_of(number) for number in range(1, parts + 1))


def test_pitfall_27_an_unknown_length_reaches_nine_tenths_of_the_largest_object() -> None:
    chosen = plan(None, AWS)
    assert chosen.max_length >= 0.9 * LARGEST
    assert chosen.size_of(100) == 8 * MiB
    assert chosen.size_of(10_000) == 5 * GiB


@pytest.mark.parametrize(
    ("cap", "plain_parts"), [(15 * MiB, 1000), (127 * MiB, 250), (1 * GiB, 100)]
)
def test_the_growth_is_no_steeper_than_the_memory_asks_for(cap: int, plain_parts: int) -> None:
    chosen = plan(None, AWS, memory_cap=cap)
    assert chosen.size_of(plain_parts) == 8 * MiB
    assert chosen.size_of(plain_parts + 1) == min(16 * MiB, cap)


@pytest.mark.parametrize(
    ("length", "size"),
    [(1, 8 * MiB), (80 * GiB, 9 * MiB), (5 * TiB, 525 * MiB), (LARGEST, 5 * GiB)],
)
def test_a_known_length_takes_the_preferred_size_or_what_the_count_demands(
    length: int, size: int
) -> None:
    assert plan(length, AWS).size_of(1) == size


def test_pitfall_36_uniform_parts_are_equal_also_when_the_length_is_unknown() -> None:
    chosen = plan(None, PartLimits(uniform=True))
    assert {chosen.size_of(number) for number in (1, 2, 5000, 10_000)} == {64 * MiB}


def test_there_is_no_part_beyond_the_last() -> None:
    for number in (0, 10_001):
        with pytest.raises(TooLarge):
            plan(None, AWS).size_of(number)


def test_sizes_are_whole_slabs_unless_the_store_wants_more() -> None:
    assert plan(None, AWS, memory_cap=15 * MiB + 1).cap % GRAIN == 0
    odd = PartLimits(min_size=5 * MiB + 1, max_size=5 * MiB + 5)
    assert plan(None, odd).size_of(1) == 5 * MiB + 5


def test_memory_for_no_part_at_all_is_a_matter_of_configuration() -> None:
    with pytest.raises(ValueError, match="5MiB"):
        plan(None, AWS, memory_cap=5 * MiB - KiB)
