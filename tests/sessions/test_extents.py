"""Arithmetic with extents, against sets of bytes."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from gateway.sessions.extents import Extent, arranged, holes, in_place_of, unbroken_run
from tests.sessions.upload_contract import part

EXTENTS = st.lists(
    st.builds(
        Extent,
        offset=st.integers(0, 30),
        size=st.integers(1, 8),
        number=st.integers(0, 2),
        etag=st.sampled_from("ab"),
    ),
    max_size=12,
)


def covered(extents: Sequence[Extent]) -> set[int]:
    return {byte for extent in extents for byte in range(extent.offset, extent.stop)}


def distinct(extents: list[Extent]) -> list[Extent]:
    """Those that can be told apart."""
    places = {(each.offset, each.number, each.etag): each for each in reversed(extents)}
    return list(places.values())


@given(extents=EXTENTS)
def test_the_unbroken_run_ends_at_the_first_byte_that_is_missing(extents: list[Extent]) -> None:
    there = covered(extents)
    assert unbroken_run(extents) == next(byte for byte in range(100) if byte not in there)


@given(extents=EXTENTS, end=st.integers(0, 45))
def test_holes_are_what_is_missing(extents: list[Extent], end: int) -> None:
    missing = {byte for hole in holes(extents, end) for byte in range(hole.start, hole.stop)}
    assert missing == set(range(end)) - covered(extents)
    assert all(hole.size > 0 for hole in holes(extents, end))


@given(extents=EXTENTS, more=EXTENTS)
def test_an_order_does_not_depend_on_who_came_first(
    extents: list[Extent], more: list[Extent]
) -> None:
    every = distinct(extents + more)
    half = len(every) // 2
    one_way = arranged(arranged((), add=every[:half]), add=every[half:])
    other_way = arranged(arranged((), add=reversed(every[half:])), add=every)
    assert one_way == other_way
    assert set(one_way) == set(every)
    assert list(one_way) == sorted(
        every, key=lambda each: (each.offset, each.number, each.name, each.etag)
    )
    assert arranged(one_way, drop=every[:half]) == arranged((), add=every[half:])
    for extent in every:
        assert in_place_of(one_way, extent) is extent


def test_nothing_is_found_in_place_of_what_is_not_there() -> None:
    assert in_place_of((), part(1)) is None
    assert in_place_of((part(1), part(3)), part(2)) is None
    assert in_place_of((part(1), part(3)), part(4)) is None
