"""PUT with Content-Range: 308 until all is there."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    BadRequest,
    GatewayError,
    MethodNotAllowed,
    NotImplementedHere,
    OffsetMismatch,
    Unauthenticated,
)
from gateway.model import Attributes, ByteRange, Digest, ObjectKey
from gateway.protocol.commands import Describe, Target
from gateway.protocol.dialects.range_put import RangePutDialect
from gateway.protocol.routing import route
from gateway.protocol.upload_commands import (
    InspectChunks,
    PutChunk,
    UploadAppended,
    UploadShown,
)
from tests.protocol.heads import request
from tests.protocol.uploads import (
    DONE,
    FRESH,
    HALF,
    STORED,
    fields,
    head_of,
    parsed,
    refused,
    rendered,
)

RANGE = RangePutDialect()
KEY = ObjectKey("photos", "a.bin")
PUT = "PUT /photos/a.bin\nContent-Range: "


def test_a_piece_of_an_object() -> None:
    assert parsed(RANGE, PUT + "bytes 4-7/10\nContent-Length: 4\nContent-Type: a/b") == PutChunk(
        key=KEY, range=ByteRange(4, 8), total=10, body=4, attributes=Attributes(content_type="a/b")
    )
    assert parsed(RANGE, PUT + "bytes 4-7/*\nTransfer-Encoding: chunked") == PutChunk(
        key=KEY, range=ByteRange(4, 8), total=None, body=None
    )
    signed = PUT + "bytes 4-7/10\nx-amz-date: 1\nx-amz-checksum-crc32: AAAAAA=="
    command = parsed(RANGE, signed)
    assert isinstance(command, PutChunk)
    assert command.body_digest == Digest("crc32", bytes(4))


def test_a_question() -> None:
    for text, total in (("bytes */10", 10), ("bytes */*", None)):
        for line in ("", "\nContent-Length: 0"):
            assert parsed(RANGE, PUT + text + line) == InspectChunks(
                key=KEY, session=None, total=total
            )


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "bytes 4-7",
        "items 4-7/10",
        "bytes 7-4/10",
        "bytes 4-7/7",
        "bytes 4-7/10\nContent-Length: 5",
        "bytes */10\nContent-Length: 1",
        "bytes */10\nTransfer-Encoding: chunked",
    ],
)
def test_what_contradicts_itself_is_refused(lines: str) -> None:
    with pytest.raises(BadRequest):
        parsed(RANGE, PUT + lines)


def test_what_is_framed_is_refused() -> None:
    with pytest.raises(NotImplementedHere):
        parsed(RANGE, PUT + "bytes 4-7/10\nContent-Encoding: aws-chunked")


def test_until_all_is_there_the_answer_is_308_with_what_is_kept() -> None:
    text = PUT + "bytes 0-4/10"
    answer = rendered(RANGE, text, UploadAppended(status=HALF))
    assert (answer.status, fields(answer)["range"]) == (308, "bytes=0-4")
    assert "location" not in fields(answer)
    nothing = rendered(RANGE, PUT + "bytes */10", UploadShown(status=FRESH))
    assert nothing.status == 308
    assert "range" not in fields(nothing)


def test_the_end_is_201_or_200_with_the_etag() -> None:
    text = PUT + "bytes 5-9/10"
    answer = rendered(RANGE, text, UploadAppended(status=DONE))
    assert (answer.status, fields(answer)["etag"]) == (201, '"abc"')
    replacing = replace(DONE, stored=replace(STORED, created=False))
    assert rendered(RANGE, text, UploadShown(status=replacing)).status == 200


def test_errors_are_problems() -> None:
    answer = refused(RANGE, PUT, OffsetMismatch("No.", expected=7, provided=3))
    assert (answer.status, json.loads(answer.body)["expected-offset"]) == (409, 7)
    assert "www-authenticate" in fields(refused(RANGE, PUT, Unauthenticated("Sign it.")))


def test_only_put_exists() -> None:
    target = Target("range", KEY)
    assert isinstance(RANGE.parse(request("OPTIONS /photos/a.bin"), target), Describe)
    with pytest.raises(MethodNotAllowed) as caught:
        RANGE.parse(request("POST /photos/a.bin\nContent-Range: bytes 0-1/2"), target)
    assert caught.value.allow == RANGE.methods
    with pytest.raises(BadRequest, match="needs an object"):
        parsed(RANGE, "PUT /photos\nContent-Range: bytes 0-1/2")


@given(st.integers(0, 10**18 - 2), st.integers(1, 10**6), st.none() | st.integers(0, 10**18 - 1))
def test_the_range_that_is_told_is_the_one_that_goes_on(
    offset: int, size: int, total: int | None
) -> None:
    told = fields(
        rendered(RANGE, PUT + "bytes */*", UploadShown(status=replace(HALF, offset=offset)))
    )
    start = int(told["range"].partition("-")[2]) + 1 if "range" in told else 0
    assert start == offset
    text = PUT + f"bytes {start}-{start + size - 1}/{'*' if total is None else total}"
    if total is not None and start + size > total:
        with pytest.raises(BadRequest):
            parsed(RANGE, text)
    elif start + size - 1 < 10**18:
        assert parsed(RANGE, text) == PutChunk(
            key=KEY, range=ByteRange(start, start + size), total=total, body=None
        )


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"content-range", b"content-length", b"content-type", b"x-amz-acl"]),
            st.one_of(
                st.binary(max_size=12),
                st.sampled_from([b"bytes 0-3/9", b"bytes */9", b"4", b"0"]),
            ),
        ),
        max_size=4,
    )
)
def test_any_head_is_a_command_or_a_gateway_error(lines: list[tuple[bytes, bytes]]) -> None:
    head = head_of("PUT", "/photos/a", lines)
    try:
        command = RANGE.parse(head, Target("range", KEY))
    except GatewayError as error:
        RANGE.render_error(head, error, "r")
        return
    assert isinstance(command, PutChunk | InspectChunks)
    assert route(head, (), ()).dialect == "range"
