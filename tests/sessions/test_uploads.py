"""The pure rules of uploads, and the contract in all three stores."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import ByteRange
from gateway.sessions.uploads import (
    Change,
    Extent,
    UploadSession,
    arranged,
    changed,
    holes,
    in_place_of,
    unbroken_run,
)
from tests.sessions.upload_contract import UploadContract, part, segment, upload


class TestContract(UploadContract):
    """All three stores run here, by the parameters of ``another``."""


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


@given(data=st.data())
def test_an_offset_never_decreases_whatever_the_changes(data: st.DataObject) -> None:
    session = upload()
    for _ in range(data.draw(st.integers(1, 8))):
        change = Change(
            add=data.draw(EXTENTS),
            drop=data.draw(st.lists(st.sampled_from(session.extents), unique=True, max_size=4))
            if session.extents
            else [],
        )
        try:
            after = changed(session, change)
        except ValueError:
            continue
        assert after.offset >= session.offset
        assert after.version == session.version + 1
        kept = [each for each in session.extents if each not in change.drop]
        assert covered(after.extents) == covered([*kept, *change.add])
        session = after


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


def test_a_hole_holds_the_offset_where_it_is() -> None:
    session = changed(upload(), Change(add=[part(1), part(3)]))
    assert (session.offset, session.missing) == (8, (ByteRange(8, 16),))
    assert changed(session, Change(length=32)).missing == (ByteRange(8, 16), ByteRange(24, 32))
    assert changed(session, Change(add=[segment(8, 8)])).offset == 24


def test_what_lies_beyond_the_run_may_be_dropped() -> None:
    session = changed(upload(), Change(add=[part(1), part(3)]))
    assert changed(session, Change(drop=[part(3)])).extents == (part(1),)
    with pytest.raises(ValueError, match="take back"):
        changed(session, Change(drop=[part(1)]))


def test_one_that_ends_may_lose_its_extents() -> None:
    session: UploadSession = changed(upload(), Change(add=[part(1)], state="ending"))
    assert changed(session, Change(drop=[part(1)])).extents == ()


def test_what_is_added_must_be_as_large_as_what_stands_there() -> None:
    session = changed(upload(), Change(add=[part(1)]))
    with pytest.raises(ValueError, match="another size"):
        changed(session, Change(add=[Extent(offset=0, size=9, number=1, etag="e")]))
