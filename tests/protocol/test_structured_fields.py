"""Structured Fields: what is of another type was not sent."""

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.commands import RequestHead
from gateway.protocol.structured_fields import (
    MAX_INTEGER,
    read_boolean,
    read_item,
    read_size,
    write_boolean,
    write_sizes,
)


def sent(*values: bytes) -> RequestHead:
    return RequestHead("PUT", b"/", b"", [(b"f", value) for value in values])


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (b"0", 0),
        (b"12;a;b=?1", 12),
        (b"999999999999999", MAX_INTEGER),
        (b"9999999999999999", None),
        (b"-1", None),
        (b"-0", 0),
        (b"1.0", None),
        (b"?1", None),
        (b"+1", None),
        (b"1, 2", None),
        (b"", None),
        (b"\xff", None),
    ],
)
def test_a_size_is_an_integer_from_zero(value: bytes, size: int | None) -> None:
    assert read_size(sent(value), b"f") == size


@pytest.mark.parametrize(
    ("value", "boolean"),
    [(b"?1", True), (b"?0;q=1", False), (b"1", None), (b"true", None), (b"?2", None), (b"?", None)],
)
def test_a_boolean_is_nothing_else(value: bytes, boolean: bool | None) -> None:
    assert read_boolean(sent(value), b"f") is boolean


def test_several_lines_are_no_item_and_none_is_none() -> None:
    assert read_boolean(sent(b"?1", b"?1"), b"f") is None
    assert read_boolean(sent(), b"f") is None
    assert read_size(sent(), b"f") is None


@given(st.lists(st.binary(max_size=30), max_size=2))
def test_reading_never_fails(values: list[bytes]) -> None:
    read_item(sent(*values), b"f")


@given(st.booleans(), st.integers(0, MAX_INTEGER))
def test_what_is_written_reads_the_same(boolean: bool, size: int) -> None:
    assert read_boolean(sent(write_boolean(boolean)), b"f") is boolean
    parsed = http_sf.parse(write_sizes({"a-b": size, "c": 0}), tltype="dictionary")
    assert parsed == {"a-b": (size, {}), "c": (0, {})}


def test_what_the_format_cannot_express_is_cut() -> None:
    assert write_sizes({"a": -1, "b": 2**60}) == b"a=0, b=999999999999999"
