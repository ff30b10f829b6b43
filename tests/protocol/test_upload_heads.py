"""What the resumable dialects share."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    BadRequest,
    Conflict,
    GatewayError,
    InconsistentLength,
    InvalidArgument,
    NotFound,
    NotImplementedHere,
    RequestTimeout,
    StorageTimeout,
    TooLarge,
)
from gateway.model import ByteRange, Digest
from gateway.protocol.upload_heads import (
    MAX_LENGTH,
    MAX_LISTED,
    decimal,
    event_stream_head,
    expires_header,
    idempotency_name,
    json_head,
    read_content_digest,
    read_decimal,
    read_object_attributes,
    read_session,
    refuse_framing,
    shown_status,
    stored_headers,
    upload_document,
    whole_length,
)
from tests.protocol.heads import request
from tests.protocol.uploads import DONE, HALF, ID, STORED, fields

PUT = "PUT /photos/a\n"


@given(st.integers(0, MAX_LENGTH))
def test_a_number_of_bytes_reads_as_written(number: int) -> None:
    assert decimal(str(number), "X") == number
    assert decimal(f"000{number}", "X") == number


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "0x1", " 1", "1_0", "١", "1,1"])
def test_a_number_of_bytes_is_digits(text: str) -> None:
    with pytest.raises(BadRequest, match="X-Size is a decimal"):
        decimal(text, "X-Size")


def test_a_number_of_bytes_has_an_end() -> None:
    for text in (str(MAX_LENGTH + 1), "1" * 5000):
        with pytest.raises(TooLarge):
            decimal(text, "X")
    assert read_decimal(request(PUT + "X-A: 5"), b"x-a") == 5
    assert read_decimal(request(PUT), b"x-a") is None


def test_a_session_has_a_plain_name() -> None:
    assert read_session(request(PUT + "X-Upload-Session-ID: a.B-1_~")) == "a.B-1_~"
    assert read_session(request(PUT)) is None
    with pytest.raises(InvalidArgument):
        read_session(request(PUT + "X-Upload-Session-ID: a b"))


def test_a_name_of_an_idempotent_request_is_no_session_and_depends_on_all() -> None:
    head = request(PUT + "Idempotency-Key: k")
    name = idempotency_name(head, b"idempotency-key", "a", 1)
    assert name is not None
    assert name != idempotency_name(head, b"idempotency-key", "a", 2)
    with pytest.raises(InvalidArgument):
        read_session(request(PUT + f"X-Upload-Session-ID: {name}"))
    assert idempotency_name(head, b"x-request-id") is None
    with pytest.raises(InvalidArgument):
        idempotency_name(request(PUT + "Idempotency-Key:"), b"idempotency-key")


def test_the_whole_has_one_length() -> None:
    assert whole_length(None, 5, 5) == 5
    assert whole_length(None, None) is None
    with pytest.raises(InconsistentLength, match="5 and 6"):
        whole_length(6, 5)


def test_attributes_of_both_kinds_of_metadata() -> None:
    attributes = read_object_attributes(
        request(
            "PUT /photos/a?X-Amz-Meta-Q=1\nx-amz-meta-a: b\nSluice-Meta-c: d\nContent-Type: a/b"
        )
    )
    assert attributes.metadata == {"a": "b", "c": "d", "q": "1"}
    assert attributes.content_type == "a/b"
    with pytest.raises(NotImplementedHere):
        read_object_attributes(request(PUT + "x-amz-grant-read: x"))


def test_a_digest_of_the_content_by_any_name() -> None:
    checksum = Digest("crc32", bytes(4))
    assert read_content_digest(request(PUT + "x-amz-checksum-crc32: AAAAAA==")) == checksum
    md5 = read_content_digest(request(PUT + f"Content-MD5: {'A' * 22}=="))
    assert md5 == Digest("md5", bytes(16))
    assert read_content_digest(request(PUT)) is None


def test_a_framed_body_is_refused() -> None:
    refuse_framing(request(PUT + "Content-Encoding: gzip"))
    for line in ("Content-Encoding: AWS-chunked", "x-amz-decoded-content-length: 1"):
        with pytest.raises(NotImplementedHere):
            refuse_framing(request(PUT + line))


def test_only_what_can_expire_says_when() -> None:
    assert expires_header(HALF) == ((b"upload-expires", b"Sun, 06 Nov 1994 08:49:37 GMT"),)
    assert expires_header(DONE) == expires_header(replace(HALF, expires=None)) == ()


def test_a_stored_object_has_an_etag_and_its_digests() -> None:
    assert dict(stored_headers(STORED)) == {
        b"etag": b'"abc"',
        b"repr-digest": b"sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:",
        b"x-amz-checksum-sha256": b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        b"x-amz-checksum-type": b"FULL_OBJECT",
    }
    assert stored_headers(replace(STORED, digests=())) == ((b"etag", b'"abc"'),)


@pytest.mark.parametrize(
    ("error", "on_head"),
    [
        (RequestTimeout("x"), 503),
        (Conflict("x"), 409),
        (NotFound("x"), 404),
        (StorageTimeout("x"), 504),
    ],
)
def test_T43_head_makes_nobody_forget_what_is_only_late(error: GatewayError, on_head: int) -> None:
    assert shown_status(error, request("HEAD /x")) == on_head
    assert shown_status(error, request("PATCH /x")) == error.status


def test_a_state_as_json() -> None:
    status = replace(HALF, missing=(ByteRange(0, 1), ByteRange(2, 3), ByteRange(7, 10)))
    assert upload_document(replace(status, chunk_size=4, chunks=3, session="s")) == {
        "id": ID,
        "session_id": "s",
        "offset": 5,
        "length": 10,
        "received": 5,
        "complete": False,
        "missing": ["0-0", "2-2", "7-9"],
        "chunk_size": 4,
        "total_chunks": 3,
        "missing_chunks": [0, 1, 2],
        "expires": "Sun, 06 Nov 1994 08:49:37 GMT",
    }
    done = upload_document(replace(DONE, expires=None))
    assert (done["etag"], done["size"]) == ("abc", 10)
    assert "expires" not in done
    assert "chunk_size" not in done


def test_a_list_of_chunks_has_an_end() -> None:
    status = replace(HALF, missing=(ByteRange(0, 2**62),), chunk_size=1, chunks=2**62)
    assert upload_document(status)["missing_chunks"] == list(range(MAX_LISTED))


@given(st.sets(st.integers(0, 200)), st.integers(1, 30))
def test_missing_chunks_are_those_with_a_missing_byte(bytes_: set[int], size: int) -> None:
    missing = tuple(ByteRange(n, n + 1) for n in sorted(bytes_))
    status = replace(HALF, missing=missing, chunk_size=size, chunks=9)
    assert upload_document(status)["missing_chunks"] == sorted({n // size for n in bytes_})


def test_json_and_events_are_never_cached() -> None:
    answer = json_head(200, {"a": 1}, "r", ((b"x", b"y"),))
    assert json.loads(answer.body) == {"a": 1}
    assert fields(answer)["content-length"] == str(len(answer.body))
    for head in (answer, event_stream_head("r")):
        assert fields(head)["cache-control"] == "no-store"
