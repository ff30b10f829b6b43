import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidPart, InvalidRange, PreconditionFailed
from gateway.model import (
    ByteRange,
    From,
    PartLimits,
    PartReceipt,
    RangeRequest,
    Suffix,
    WriteCondition,
)
from gateway.storage.rules import (
    check_condition,
    check_match,
    clamp,
    in_order,
    new_etag,
    new_name,
    settle,
)

LIMITS = PartLimits(min_size=5)


def receipt(number: int, size: int = 5) -> PartReceipt:
    return PartReceipt(number, 0, size, f"etag-{number}")


def test_names_are_26_letters_and_never_twice_the_same() -> None:
    names = {new_name() for _ in range(1000)}
    assert len(names) == 1000
    assert all(re.fullmatch(r"[a-z2-7]{26}", name) for name in names)


def test_an_etag_is_not_taken_for_an_md5() -> None:
    assert not re.search(r"^[0-9a-f]{32}", new_etag())


def test_the_whole_of_an_object() -> None:
    assert clamp(None, 10) == ByteRange(0, 10)
    assert clamp(None, 0) is None


ranges = st.one_of(
    st.builds(From, st.integers(0, 60), st.one_of(st.none(), st.integers(0, 60))),
    st.builds(Suffix, st.integers(0, 60)),
)


@given(st.integers(0, 50), ranges)
def test_a_range_selects_what_a_slice_does(size: int, request: RangeRequest) -> None:
    if isinstance(request, Suffix):
        expected = range(max(0, size - request.size), size)
    else:
        expected = range(size)[request.start : request.stop]
    if expected:
        assert clamp(request, size) == ByteRange(expected.start, expected.stop)
        return
    with pytest.raises(InvalidRange) as refused:
        clamp(request, size)
    assert refused.value.size == size


@pytest.mark.parametrize(
    ("condition", "etag", "holds"),
    [
        (WriteCondition(), None, True),
        (WriteCondition(), "a", True),
        (WriteCondition(absent=True), None, True),
        (WriteCondition(absent=True), "a", False),
        (WriteCondition(etag="a"), "a", True),
        (WriteCondition(etag="a"), "b", False),
        (WriteCondition(etag="a"), None, False),
        (WriteCondition(absent=True, etag="a"), "a", False),
        (WriteCondition(absent=True, etag="a"), None, False),
    ],
)
def test_write_conditions(condition: WriteCondition, etag: str | None, holds: bool) -> None:
    if holds:
        check_condition(condition, etag)
    else:
        with pytest.raises(PreconditionFailed):
            check_condition(condition, etag)


def test_without_an_etag_everything_matches() -> None:
    check_match(None, None)
    check_match(None, "a")


def test_settled_parts_are_the_stored_ones() -> None:
    known = {number: receipt(number) for number in (1, 2, 5)}
    assert settle([receipt(1, 99), receipt(5)], known, LIMITS) == [known[1], known[5]]


@pytest.mark.parametrize(
    "receipts",
    [
        [],
        [receipt(2), receipt(1)],
        [receipt(1), receipt(1)],
        [receipt(3)],
        [receipt(4), receipt(5)],
    ],
)
def test_case_77_parts_that_do_not_fit_are_invalid(receipts: list[PartReceipt]) -> None:
    known = {1: receipt(1), 2: receipt(2), 4: receipt(4, size=4), 5: receipt(5)}
    with pytest.raises(InvalidPart):
        settle(receipts, known, LIMITS)


def test_the_last_part_may_be_small() -> None:
    known = {1: receipt(1), 2: receipt(2, size=1)}
    assert settle([receipt(1), receipt(2)], known, LIMITS) == [known[1], known[2]]


def test_listed_parts_lie_one_after_the_other() -> None:
    known = {7: receipt(7, 3), 1: receipt(1, 10)}
    assert [(one.number, one.offset) for one in in_order(known)] == [(1, 0), (7, 10)]
