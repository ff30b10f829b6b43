"""Chunked sessions: every header held against the others."""

import json
from base64 import b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    BadRequest,
    ChunkDiffers,
    GatewayError,
    InconsistentLength,
    InvalidArgument,
    MethodNotAllowed,
    NotImplementedHere,
    TooLarge,
    Unauthenticated,
)
from gateway.model import Attributes, ByteRange, Digest, ObjectKey
from gateway.protocol.commands import Describe
from gateway.protocol.dialects.chunked import ChunkedDialect, chunk_size
from gateway.protocol.routing import route
from gateway.protocol.upload_commands import (
    CancelChunks,
    CreateUpload,
    InspectChunks,
    PutChunk,
    UploadAppended,
    UploadCancelled,
    UploadMade,
    UploadShown,
)
from tests.protocol.uploads import (
    DONE,
    HALF,
    ID,
    URL,
    fields,
    head_of,
    parsed,
    refused,
    rendered,
    values,
)

CHUNKED = ChunkedDialect()
KEY = ObjectKey("photos", "a.bin")
AT = "/-/chunked/photos/a.bin"
NAMED = "\nX-Upload-Session-ID: my-session\n"
PUT = f"PUT {AT}{NAMED}"
#: The middle of three chunks of four bytes, the last of which has two.
MIDDLE = "Content-Range: bytes 4-7/10\nX-Chunk-Number: 1\nX-Total-Chunks: 3\nContent-Length: 4\n"


def chunk(text: str) -> PutChunk:
    command = parsed(CHUNKED, text)
    assert isinstance(command, PutChunk)
    return command


def test_a_chunk_is_told_five_ways() -> None:
    assert parsed(CHUNKED, PUT + MIDDLE + "Content-Type: image/png") == PutChunk(
        key=KEY,
        range=ByteRange(4, 8),
        total=10,
        body=4,
        session="my-session",
        number=1,
        chunks=3,
        chunk_size=4,
        attributes=Attributes(content_type="image/png"),
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("Content-Range: bytes 4-7/10", {"chunk_size": None, "number": None, "total": 10}),
        ("Content-Range: bytes 4-7/*", {"total": None}),
        ("Content-Range: bytes 4-7/*\nX-Total-Size: 10", {"total": 10}),
        ("Content-Range: bytes 4-7/10\nTransfer-Encoding: chunked", {"body": None}),
        (
            "Content-Range: bytes 8-9/10\nX-Chunk-Number: 2\nX-Total-Chunks: 3",
            {"chunk_size": 4},
        ),
        (
            "Content-Range: bytes 0-9/10\nX-Chunk-Number: 0\nX-Total-Chunks: 1",
            {"chunk_size": 10},
        ),
        (
            "Content-Range: bytes 8-9/*\nX-Chunk-Number: 2\nX-Total-Chunks: 3",
            {"chunk_size": 4, "total": None},
        ),
    ],
)
def test_what_is_sent_suffices_where_it_agrees(lines: str, expected: dict[str, object]) -> None:
    values(chunk(PUT + lines), **expected)


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ("", BadRequest),
        ("Content-Range: bytes */10", BadRequest),
        ("Content-Range: bytes 7-4/10", BadRequest),
        ("Content-Range: bytes 4-10/10", BadRequest),
        ("Content-Range: bytes=4-7/10", BadRequest),
        ("Content-Range: bytes 4-7/10\nContent-Range: bytes 4-7/10", BadRequest),
        ("Content-Range: bytes 4-7/10\nContent-Length: 5", BadRequest),
        ("Content-Range: bytes 4-7/10\nContent-Length: 0", BadRequest),
        ("Content-Range: bytes 4-7/10\nX-Total-Size: 11", InconsistentLength),
        ("Content-Range: bytes 4-7/*\nX-Total-Size: 7", InconsistentLength),
        ("Content-Range: bytes 4-7/10\nX-Total-Size: +10", BadRequest),
        (f"Content-Range: bytes 4-7/*\nX-Total-Size: {2**63}", TooLarge),
        ("Content-Range: bytes 4-7/10\nX-Chunk-Number: 1", BadRequest),
        ("Content-Range: bytes 4-7/10\nX-Total-Chunks: 3", BadRequest),
        (MIDDLE.replace("Number: 1", "Number: 0"), BadRequest),
        (MIDDLE.replace("Number: 1", "Number: 2"), BadRequest),
        (MIDDLE.replace("Number: 1", "Number: 3"), BadRequest),
        (MIDDLE.replace("Number: 1", "Number: -1"), BadRequest),
        (MIDDLE.replace("Chunks: 3", "Chunks: 4"), BadRequest),
        (MIDDLE.replace("Chunks: 3", "Chunks: 0"), BadRequest),
        (MIDDLE.replace("4-7", "5-8"), BadRequest),
        (MIDDLE + "Content-Encoding: aws-chunked", NotImplementedHere),
    ],
)
def test_pitfall_13_what_contradicts_itself_is_refused(
    lines: str, error: type[GatewayError]
) -> None:
    with pytest.raises(error):
        parsed(CHUNKED, PUT + lines)


@given(st.integers(1, 5000), st.integers(1, 600), st.data())
def test_every_cut_into_equal_chunks_is_taken_and_no_other_number(
    total: int, size: int, data: st.DataObject
) -> None:
    chunks = -(-total // size)
    number = data.draw(st.integers(0, chunks - 1))
    part = ByteRange(number * size, min(total, (number + 1) * size))
    found = chunk_size(part, total, number, chunks)
    assert found == size or (chunks == 1 and found == total)
    for wrong in {number - 1, number + 1} - {-1}:
        with pytest.raises(BadRequest):
            chunk_size(part, total, wrong, chunks)


@given(
    st.integers(0, 50), st.integers(1, 50), st.none() | st.integers(1, 100),
    st.integers(0, 9), st.integers(0, 9),
)  # fmt: skip
def test_a_size_that_is_found_explains_the_chunk(
    start: int, size: int, total: int | None, number: int, chunks: int
) -> None:
    part = ByteRange(start, start + size)
    try:
        found = chunk_size(part, total, number, chunks)
    except BadRequest:
        return
    assert found is not None
    assert number < chunks
    assert start == number * found
    assert part.size == found or number == chunks - 1
    assert total is None or -(-total // found) == chunks


def test_digests_are_the_chunks_and_the_wholes() -> None:
    value = f"sha-256=:{b64encode(bytes(32)).decode()}:"
    digest = Digest("sha-256", bytes(32))
    command = chunk(PUT + MIDDLE + f"Content-Digest: {value}\nRepr-Digest: {value}")
    values(command, body_digest=digest, digests=(digest,))


def test_a_session_is_asked_for_with_its_size() -> None:
    text = f"POST {AT}\nX-Total-Size: 10\nContent-Type: image/png\nContent-Length: 0\n"
    assert parsed(CHUNKED, text) == CreateUpload(
        key=KEY, length=10, attributes=Attributes(content_type="image/png")
    )
    named = parsed(CHUNKED, text + "X-Upload-Session-ID: s\nX-Total-Chunks: 3")
    values(named, name="s")
    again = [parsed(CHUNKED, text + "Idempotency-Key: k") for _ in range(2)]
    assert again[0] == again[1]
    status = replace(HALF, offset=0, received=0, chunk_size=4, chunks=3, session="s")
    answer = rendered(CHUNKED, text, UploadMade(status=status, location=URL))
    document = json.loads(answer.body)
    assert answer.status == 201
    assert fields(answer)["location"] == URL
    assert {
        name: document[name] for name in ("session_id", "chunk_size", "total_chunks")
    } == {"session_id": "s", "chunk_size": 4, "total_chunks": 3}  # fmt: skip


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "X-Total-Size: x",
        "X-Total-Size: 10\nContent-Length: 1",
        "X-Total-Size: 10\nTransfer-Encoding: chunked",
        "X-Total-Size: 10\nX-Total-Chunks: 11",
        "X-Total-Size: 0\nX-Total-Chunks: 0",
    ],
)
def test_a_session_needs_a_size_that_can_be(lines: str) -> None:
    with pytest.raises(BadRequest):
        parsed(CHUNKED, f"POST {AT}\n{lines}")


def test_an_empty_object_is_asked_for_whole() -> None:
    values(parsed(CHUNKED, f"POST {AT}\nX-Total-Size: 0\nX-Total-Chunks: 1"), length=0)


def test_asking_and_aborting() -> None:
    assert parsed(CHUNKED, f"GET {AT}{NAMED}") == InspectChunks(key=KEY, session="my-session")
    assert parsed(CHUNKED, f"DELETE {AT}{NAMED}") == CancelChunks(key=KEY, session="my-session")
    assert isinstance(parsed(CHUNKED, f"OPTIONS {AT}"), Describe)
    assert rendered(CHUNKED, f"DELETE {AT}{NAMED}", UploadCancelled()).status == 204


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_a_session_is_named(method: str) -> None:
    with pytest.raises(BadRequest, match="X-Upload-Session-ID"):
        parsed(CHUNKED, f"{method} {AT}\n{MIDDLE}")


@pytest.mark.parametrize("name", ["", "a b", "a/b", "=x", "x" * 129, "ä"])
def test_a_sessions_name_is_plain(name: str) -> None:
    with pytest.raises(InvalidArgument):
        parsed(CHUNKED, f"GET {AT}\nX-Upload-Session-ID: {name}")


@pytest.mark.parametrize("method", ["HEAD", "PATCH", "TRACE"])
def test_other_methods_are_405(method: str) -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        parsed(CHUNKED, f"{method} {AT}{NAMED}")
    assert caught.value.allow == CHUNKED.methods


@pytest.mark.parametrize("path", ["/-/chunked", "/-/chunked/", "/-/chunked/photos"])
def test_an_object_is_named(path: str) -> None:
    with pytest.raises(BadRequest, match="needs an object"):
        parsed(CHUNKED, f"GET {path}{NAMED}")


def test_a_chunk_is_202_and_the_one_that_completes_201() -> None:
    text = PUT + MIDDLE
    status = replace(HALF, chunk_size=4, chunks=3)
    answer = rendered(CHUNKED, text, UploadAppended(status=status))
    assert answer.status == 202
    assert json.loads(answer.body) == {
        "id": ID,
        "session_id": ID,
        "offset": 5,
        "length": 10,
        "received": 5,
        "complete": False,
        "chunk_size": 4,
        "total_chunks": 3,
        "expires": "Sun, 06 Nov 1994 08:49:37 GMT",
    }
    done = rendered(CHUNKED, text, UploadAppended(status=DONE))
    assert (done.status, fields(done)["etag"]) == (201, '"abc"')
    assert json.loads(done.body)["etag"] == "abc"


def test_pitfall_16_what_is_missing_is_told() -> None:
    status = replace(HALF, chunk_size=4, chunks=3)
    answer = rendered(CHUNKED, f"GET {AT}{NAMED}", UploadShown(status=status))
    document = json.loads(answer.body)
    assert (document["missing"], document["missing_chunks"]) == (["5-9"], [1, 2])
    assert fields(answer)["cache-control"] == "no-store"
    finished = rendered(CHUNKED, f"GET {AT}{NAMED}", UploadShown(status=DONE))
    assert fields(finished)["etag"] == '"abc"'


def test_errors_are_problems() -> None:
    answer = refused(CHUNKED, PUT, ChunkDiffers("Other bytes."))
    assert (answer.status, json.loads(answer.body)["type"]) == (409, "/-/errors/chunk-differs")
    assert "www-authenticate" in fields(refused(CHUNKED, PUT, Unauthenticated("Sign it.")))


def test_a_session_may_be_named_at_an_objects_own_url() -> None:
    command = chunk(f"PUT /photos/a.bin{NAMED}{MIDDLE}")
    values(command, key=KEY, session="my-session", number=1)


NAMES = (
    b"x-upload-session-id x-chunk-number x-total-chunks x-total-size content-range content-length "
    b"transfer-encoding content-type idempotency-key content-digest"
).split()
VALUES = st.one_of(
    st.binary(max_size=8),
    st.sampled_from(
        [b"s", b"0", b"1", b"3", b"4", b"10", b"bytes 4-7/10", b"bytes */*", b"chunked"]
    ),
)


@given(
    st.sampled_from(["PUT", "POST", "GET", "DELETE", "OPTIONS"]),
    st.sampled_from([AT, "/-/chunked/photos", "/-/chunked/A/b", "/-/chunked/photos/.."]),
    st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=6),
)
def test_any_head_is_a_command_or_a_gateway_error(
    method: str, path: str, lines: list[tuple[bytes, bytes]]
) -> None:
    head = head_of(method, path, lines)
    try:
        command = CHUNKED.parse(head, route(head, (), ()))
    except GatewayError as error:
        CHUNKED.render_error(head, error, "r")
        return
    if isinstance(command, PutChunk) and command.body is not None:
        assert command.body == command.range.size
