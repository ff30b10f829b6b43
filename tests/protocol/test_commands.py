"""Heads as values."""

from datetime import UTC, datetime

import pytest

from gateway.errors import BadRequest
from gateway.protocol.commands import Preconditions, RequestHead

HEAD = RequestHead("GET", b"/", b"", [(b"a", b"1"), (b"b", b"2"), (b"a", b"\xfc")])


def test_a_header_is_read_as_latin1_text() -> None:
    assert HEAD.get(b"b") == "2"
    assert HEAD.get(b"c") is None
    assert HEAD.has(b"a")
    assert not HEAD.has(b"c")


def test_case_10_a_header_that_comes_once_may_not_come_twice() -> None:
    with pytest.raises(BadRequest, match="header a was sent"):
        HEAD.get(b"a")


def test_a_list_is_joined_in_its_order() -> None:
    assert HEAD.joined(b"a") == "1, ü"
    assert HEAD.joined(b"c") is None


@pytest.mark.parametrize(
    "conditions",
    [
        Preconditions(if_match=("*",)),
        Preconditions(if_none_match=("*",)),
        Preconditions(if_modified_since=datetime(1970, 1, 1, tzinfo=UTC)),
        Preconditions(if_unmodified_since=datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_preconditions_are_true_when_any_was_sent(conditions: Preconditions) -> None:
    assert conditions
    assert not Preconditions()
