"""Ranges: parsed, resolved, written."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest, InvalidRange
from gateway.model import ByteRange, From, RangeRequest, Suffix
from gateway.protocol.ranges import (
    content_range,
    format_range,
    parse_content_range,
    parse_range,
    resolve,
    resolve_one,
    unsatisfied_range,
)


@pytest.mark.parametrize(
    ("header", "requests"),
    [
        ("bytes=0-499", (From(0, 500),)),
        ("bytes=500-", (From(500),)),
        ("bytes=-500", (Suffix(500),)),
        ("Bytes=0-0", (From(0, 1),)),
        ("bytes=0-0,-1", (From(0, 1), Suffix(1))),
        ("bytes= 0-0 ,, \t2-3 ,", (From(0, 1), From(2, 4))),
        ("bytes=00-01", (From(0, 2),)),
        ("bytes=0-18446744073709551616", (From(0, 2**64 + 1),)),
    ],
)
def test_ranges_are_read_in_order(header: str, requests: tuple[RangeRequest, ...]) -> None:
    assert parse_range(header) == requests


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=0",
        "bytes=5-4",
        "bytes=0-4,9-8",
        "bytes=+0-4",
        "bytes=0x0-4",
        "bytes=0--4",
        "bytes=1.0-4",
        "bytes=0 - 4",
        "bytes=٠-٤",
        "bytes=0-4;x",
        "bytes =0-4",
        "items=0-4",
        "0-4",
    ],
)
def test_case_69_what_cannot_be_read_is_ignored(header: str | None) -> None:
    assert parse_range(header) == ()
    assert resolve((), 10) is None


def test_case_68_a_header_over_one_kib_is_ignored_unparsed() -> None:
    longest = "bytes=" + "0" * (1024 - len("bytes=-4")) + "-4"
    assert parse_range(longest) == (From(0, 5),)
    assert parse_range(longest.replace("=", "=0")) == ()
    assert parse_range("bytes=" + ",".join(["0-0"] * 10_000)) == ()


def test_case_68_several_ranges_give_the_whole_object() -> None:
    for header in ("bytes=0-0,5-9", "bytes=0-4,0-4", "bytes=0-0,1-1,2-2", "bytes=0-,-1"):
        assert resolve(parse_range(header), 10) is None


def test_the_only_satisfiable_range_of_several_is_answered() -> None:
    assert resolve(parse_range("bytes=20-30,2-3,-0"), 10) == ByteRange(2, 4)


@pytest.mark.parametrize(
    ("header", "size", "range"),
    [
        ("bytes=0-4", 10, ByteRange(0, 5)),
        ("bytes=0-", 10, ByteRange(0, 10)),
        ("bytes=9-", 10, ByteRange(9, 10)),
        ("bytes=9-100", 10, ByteRange(9, 10)),
        ("bytes=-3", 10, ByteRange(7, 10)),
        ("bytes=-100", 10, ByteRange(0, 10)),
        ("bytes=0-99999999999999999999999", 10, ByteRange(0, 10)),
    ],
)
def test_a_range_is_clamped_to_the_object(header: str, size: int, range: ByteRange) -> None:
    assert resolve(parse_range(header), size) == range


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ("bytes=10-", 10),
        ("bytes=-0", 10),
        ("bytes=18446744073709551616-", 10),
        ("bytes=10-11,12-", 10),
        ("bytes=0-", 0),
        ("bytes=0-0", 0),
        ("bytes=-1", 0),
        ("bytes=-0", 0),
    ],
)
def test_case_69_no_byte_in_the_range_is_416_with_the_size(header: str, size: int) -> None:
    with pytest.raises(InvalidRange) as caught:
        resolve(parse_range(header), size)
    assert caught.value.size == size


def test_content_range_is_inclusive() -> None:
    assert content_range(ByteRange(0, 5), 10) == "bytes 0-4/10"
    assert unsatisfied_range(10) == "bytes */10"


requests = st.one_of(
    st.builds(Suffix, st.integers(0, 2**70)),
    st.builds(From, st.integers(0, 2**70)),
    st.tuples(st.integers(0, 2**70), st.integers(1, 2**70)).map(
        lambda pair: From(pair[0], pair[0] + pair[1])
    ),
)


@given(requests)
def test_what_is_written_is_read_back(request_: RangeRequest) -> None:
    assert parse_range(format_range(request_)) == (request_,)


@given(requests, st.integers(0, 2**50))
def test_a_resolved_range_lies_in_the_object(request_: RangeRequest, size: int) -> None:
    found = resolve_one(request_, size)
    assert found is None or 0 <= found.start < found.stop <= size


@given(st.text(max_size=60), st.integers(0, 100))
def test_only_invalid_range_escapes(text: str, size: int) -> None:
    for header in (text, "bytes=" + text):
        with suppress(InvalidRange):
            resolve(parse_range(header), size)


@given(st.text("0123456789-, b", max_size=30), st.integers(0, 12))
def test_slices_of_python_agree(specs: str, size: int) -> None:
    body = bytes(range(size))
    found = parse_range("bytes=" + specs)
    if len(found) == 1 and (part := resolve_one(found[0], size)) is not None:
        request_ = found[0]
        expected = (
            body[-request_.size :]
            if isinstance(request_, Suffix)
            else body[request_.start : request_.stop]
        )
        assert body[part.start : part.stop] == expected


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("bytes 0-4/10", (ByteRange(0, 5), 10)),
        ("BYTES 5-9/10", (ByteRange(5, 10), 10)),
        ("bytes 0-4/*", (ByteRange(0, 5), None)),
        ("bytes */10", (None, 10)),
        ("bytes */*", (None, None)),
    ],
)
def test_a_content_range_is_bytes_or_a_question(
    text: str, parsed: tuple[ByteRange | None, int | None]
) -> None:
    assert parse_content_range(text) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "", "bytes", "bytes=0-4/10", "bytes 0-4", "bytes 4-0/10", "bytes 0-10/10", "bytes -4/10",
        "bytes 0-/10", "items 0-4/10", "bytes 0-4/10, bytes 5-9/10", "bytes 0-4/+10", "bytes */",
        "bytes 0-4/9999999999999999999", "bytes ٠-4/10",
    ],
)  # fmt: skip
def test_another_content_range_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parse_content_range(text)


@given(st.integers(0, 10**17), st.integers(1, 10**17), st.integers(0, 10**17))
def test_a_content_range_that_is_written_is_read_back(start: int, size: int, more: int) -> None:
    part, total = ByteRange(start, start + size), start + size + more
    assert parse_content_range(content_range(part, total)) == (part, total)
