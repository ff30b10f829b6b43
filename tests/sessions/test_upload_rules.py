"""What may be done with an upload, and what is said when it may not."""

from dataclasses import replace

import pytest

from gateway.errors import InconsistentLength, Overtaken, UploadGone
from gateway.sessions.upload_rules import (
    after_change,
    after_creation,
    after_taking,
    keeps_name,
)
from gateway.sessions.uploads import LIVE, Change, UploadState
from tests.sessions.upload_contract import NOW, part, segment, upload


def test_a_new_upload_has_its_extents_in_order_and_each_once() -> None:
    session = replace(upload(), extents=(part(2), part(1), part(2)))
    assert after_creation(session).extents == (part(1), part(2))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("done", "finished; its object"),
        ("completing", "being finished"),
        ("failed", "could not be finished"),
        ("ending", "cancelled or has expired"),
        ("gone", "cancelled or has expired"),
    ],
)
def test_a_refusal_says_what_became_of_the_upload(state: UploadState, said: str) -> None:
    with pytest.raises(UploadGone, match=said):
        after_change(replace(upload(), state=state), 0, Change())


def test_one_that_is_not_known_is_gone() -> None:
    with pytest.raises(UploadGone, match="no longer known"):
        after_change(None, 0, Change())
    with pytest.raises(UploadGone, match="no longer known"):
        after_taking(None, "h", 0)


def test_the_epoch_is_judged_before_the_state() -> None:
    """A writer that was overtaken learns just that, whatever its successor did then."""
    with pytest.raises(Overtaken):
        after_change(replace(upload(), state="done", epoch=1), 0, Change())


def test_what_was_to_have_expired_is_left_when_it_lives() -> None:
    ending = Change(state="ending", expired=NOW)
    with pytest.raises(Overtaken):
        after_change(replace(upload(), expires=NOW + 0.1), 0, ending)
    assert after_change(replace(upload(), expires=NOW), 0, ending).state == "ending"


@pytest.mark.parametrize("state", sorted(LIVE - {"ending"}))
def test_taking_keeps_all_but_holder_and_epoch(state: UploadState) -> None:
    before = replace(upload(), state=state, epoch=4, yield_asked=True, extents=(part(1),))
    expected = replace(before, epoch=5, holder="h", yield_asked=False, version=1)
    assert after_taking(before, "h", 4) == expected
    with pytest.raises(Overtaken):
        after_taking(before, "h", 5)


def test_a_name_is_kept_until_its_upload_is_gone_or_has_expired() -> None:
    session = upload(name="n", expires=NOW)
    assert keeps_name(session, NOW)
    assert not keeps_name(session, NOW + 0.001)
    assert not keeps_name(replace(session, state="gone"), NOW)
    assert keeps_name(replace(session, state="ending"), NOW)


def test_a_length_is_said_once() -> None:
    told = after_change(upload(), 0, Change(length=24))
    assert after_change(told, 0, Change(length=24)).length == 24
    for other in (23, 25, 0):
        with pytest.raises(InconsistentLength, match="said to be 24"):
            after_change(told, 0, Change(length=other))


def test_no_bytes_lie_behind_the_length_whichever_comes_first() -> None:
    there = after_change(upload(), 0, Change(add=[segment(20, 5)]))
    assert after_change(there, 0, Change(length=25)).length == 25
    told = after_change(upload(), 0, Change(length=24))
    assert after_change(told, 0, Change(add=[segment(20, 4)])).extents == (segment(20, 4),)
    for before, change in (
        (there, Change(length=24)),
        (told, Change(add=[segment(20, 5)])),
        (upload(), Change(length=24, add=[segment(20, 5)])),
    ):
        with pytest.raises(InconsistentLength, match="behind byte 24"):
            after_change(before, 0, change)
