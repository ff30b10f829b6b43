"""Slices: fixed bytes and numbers of their own, whoever writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapt.part_size import PartPlan
from gateway.adapt.slices import Slices, choose
from gateway.errors import TooLarge
from gateway.model import PartLimits
from gateway.units import GiB, KiB, MiB, TiB

PLANS = st.builds(
    PartPlan,
    st.none(),
    st.integers(1, 1000),
    st.integers(1000, 9000),
    st.none() | st.integers(1, 7),
    st.integers(1, 300),
)


@given(PLANS, st.integers(0, 299))
def test_slices_follow_each_other_without_gap_in_the_sizes_of_the_plan(
    plan: PartPlan, index: int
) -> None:
    index %= plan.max_parts
    start = sum(plan.size_of(number) for number in range(1, index + 1))
    assert Slices(plan).bounds(index) == (start, start + plan.size_of(index + 1))


@given(PLANS, st.integers(0, 10**7))
def test_every_byte_belongs_to_the_slice_whose_bounds_hold_it(plan: PartPlan, offset: int) -> None:
    slices = Slices(plan)
    if offset >= slices.max_length:
        with pytest.raises(TooLarge) as caught:
            slices.index_of(offset)
        assert caught.value.members == {"max_length": slices.max_length}
    else:
        start, stop = slices.bounds(slices.index_of(offset))
        assert start <= offset < stop


def test_there_is_no_slice_behind_the_last() -> None:
    with pytest.raises(TooLarge):
        Slices(PartPlan(None, 10, 10, None, 3)).bounds(3)


@given(st.integers(1, 8), st.integers(0, 500), st.integers(0, 500), st.integers(0, 99))
def test_no_two_slices_share_a_number_under_any_epochs(
    stride: int, one: int, other: int, epoch: int
) -> None:
    slices = Slices(PartPlan(None, 10, 10, None, 600), stride)
    numbers = {
        index: {slices.number(index, epoch + late) for late in range(stride)}
        for index in (one, other)
    }
    assert all(len(found) == stride for found in numbers.values())
    assert one == other or not numbers[one] & numbers[other]
    assert min(min(found) for found in numbers.values()) >= 1


@given(
    st.none() | st.integers(0, 40 * TiB),
    st.sampled_from([None, 128 * MiB, 32 * MiB]),
    st.booleans(),
    st.none() | st.integers(1, 200 * MiB),
)
def test_what_is_chosen_holds_the_upload_within_the_limits_of_the_store(
    length: int | None, memory: int | None, uniform: bool, chunk: int | None
) -> None:
    limits = PartLimits(uniform=uniform)
    try:
        slices = choose(length, limits, memory_cap=memory, chunk=chunk)
    except TooLarge:
        assert length is not None
        assert length > 32 * MiB * limits.max_parts
        return
    assert slices.max_length >= (length or 0)
    last = slices.plan.max_parts - 1
    assert slices.number(last, slices.stride - 1) <= limits.max_parts
    assert slices.stride == 1 or not uniform
    for index in (0, last):
        start, stop = slices.bounds(index)
        assert limits.min_size <= stop - start <= (memory or limits.max_size)


def test_late_parts_have_numbers_of_their_own_wherever_that_is_possible() -> None:
    assert choose(GiB, PartLimits()).stride == 8
    assert choose(20 * GiB, PartLimits()).stride == 2
    assert choose(100 * GiB, PartLimits()).stride == 2  # for parts of twice the size
    assert choose(None, PartLimits()).stride == 2
    assert choose(9 * TiB, PartLimits(max_size=GiB)).stride == 1  # no parts are as large as that


def test_a_store_that_wants_all_its_parts_gets_one_number_for_each_slice() -> None:
    assert choose(GiB, PartLimits(), fenced=False) == choose(GiB, PartLimits(uniform=True))
    assert choose(None, PartLimits(), fenced=False).stride == 1


def test_an_unknown_length_reaches_500_gb_with_the_default_memory() -> None:
    assert choose(None, PartLimits(), memory_cap=128 * MiB).max_length > 500 * 10**9


@pytest.mark.parametrize(
    ("chunk", "first"),
    [
        (5 * MiB, 5 * MiB),  # a chunk is a part
        (6_000_001, 6_000_001),
        (MiB, 8 * MiB),  # several are, exactly
        (3 * MiB, 9 * MiB),
        (64 * KiB + 1, 8_388_736),
        (100 * MiB, 8 * MiB),  # too large for the memory
    ],
)
def test_slices_are_whole_chunks_where_chunks_have_a_size(chunk: int, first: int) -> None:
    slices = choose(200 * MiB, PartLimits(), memory_cap=32 * MiB, chunk=chunk)
    assert slices.bounds(0) == (0, first)
    assert first % chunk == 0 or chunk == 100 * MiB


def test_chunks_that_no_whole_part_can_hold_are_no_reason_for_large_ones() -> None:
    slices = choose(200 * MiB, PartLimits(), memory_cap=8 * MiB, chunk=4_900_000)
    assert slices.bounds(0) == (0, 8 * MiB)
