"""The pure rules of uploads, and the contract in all three stores."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import ByteRange
from gateway.sessions.extents import Extent
from gateway.sessions.uploads import Change, UploadSession, changed
from tests.sessions.test_extents import EXTENTS, covered
from tests.sessions.upload_contract import UploadContract, part, segment, upload


class TestContract(UploadContract):
    """All three stores run here, by the parameters of ``another``."""


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
