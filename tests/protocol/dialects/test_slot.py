"""Upload slots, head by head."""

import json

import pytest

from gateway.errors import (
    BadRequest,
    LengthRequired,
    ObjectExists,
    PreconditionFailed,
    RequestTimeout,
    SignatureMismatch,
    TooLarge,
    Unauthenticated,
)
from gateway.model import Attributes, ByteRange, Digest, ObjectKey
from gateway.protocol.commands import (
    Command,
    Deleted,
    DeleteObject,
    Describe,
    Described,
    GetObject,
    NotModified,
    ObjectOpened,
    ObjectStored,
    PutObject,
    Reply,
    Target,
)
from gateway.protocol.dialects.slot import SlotDialect
from tests.protocol.heads import KEY, info, lines, request, shown

SLOT = SlotDialect()
TARGET = Target("slot", KEY, "up")


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (
            "PUT /upload/a/b.txt?v2=0\nContent-Length: 5",
            PutObject(key=KEY, length=5, attributes=Attributes()),
        ),
        (
            """PUT /upload/a/b.txt?v2=0
            Content-Length: 0
            Content-Type: image/png; x=y
            Content-Encoding: gzip
            Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==
            Content-Disposition: inline; filename=evil.html
            Cache-Control: no-store
            Expires: Sun, 06 Nov 1994 08:49:37 GMT
            Cookie: a=b
            Sluice-Meta-A: 1
            If-None-Match: *""",
            PutObject(
                key=KEY,
                length=0,
                attributes=Attributes(content_type="image/png; x=y", content_encoding="gzip"),
                digests=(Digest("md5", bytes(16)),),
            ),
        ),
        (
            "GET /upload/a/b.txt\nRange: bytes=-5",
            GetObject(key=KEY, range_header="bytes=-5"),
        ),
        ("HEAD /upload/a/b.txt", GetObject(key=KEY, head_only=True)),
        ("DELETE /upload/a/b.txt?token=0\nIf-Match: x", DeleteObject(key=KEY)),
        ("OPTIONS /upload/a/b.txt\nOrigin: o", Describe(key=KEY, origin="o")),
    ],
)
def test_a_head_is_a_command(text: str, command: Command) -> None:
    assert SLOT.parse(request(text), TARGET) == command


@pytest.mark.parametrize("line", ["Transfer-Encoding: chunked", "Accept: */*"])
def test_pitfall_07_a_slot_needs_a_content_length(line: str) -> None:
    with pytest.raises(LengthRequired):
        SLOT.parse(request(f"PUT /upload/a?v=0\n{line}"), TARGET)


def test_if_match_can_never_hold_for_a_slot() -> None:
    head = request('PUT /upload/a?v=0\nContent-Length: 1\nIf-Match: "abc"')
    with pytest.raises(PreconditionFailed):
        SLOT.parse(head, TARGET)


def test_a_slot_names_an_object() -> None:
    with pytest.raises(BadRequest):
        SLOT.parse(request("GET /upload/"), Target("slot", ObjectKey("files", ""), "up"))


@pytest.mark.parametrize(
    ("reply", "golden"),
    [
        (
            ObjectStored(info_etag="abc", size=5, created=True),
            """201
            x-request-id: r-1
            etag: "abc"
            content-length: 0""",
        ),
        (
            ObjectOpened(
                info=info(attributes=Attributes(content_type="image/png", metadata={"a": "1"})),
                serving=((b"cache-control", b"public, immutable"),),
            ),
            """200
            x-request-id: r-1
            content-length: 10
            accept-ranges: bytes
            etag: "abc"
            last-modified: Sun, 06 Nov 1994 08:49:37 GMT
            content-type: image/png
            cache-control: public, immutable""",
        ),
        (
            ObjectOpened(info=info(), range=ByteRange(0, 1)),
            """206
            x-request-id: r-1
            content-length: 1
            accept-ranges: bytes
            etag: "abc"
            last-modified: Sun, 06 Nov 1994 08:49:37 GMT
            content-range: bytes 0-0/10
            content-type: application/octet-stream""",
        ),
        (
            NotModified(info(), ((b"cache-control", b"public, immutable"),)),
            """304
            x-request-id: r-1
            etag: "abc"
            last-modified: Sun, 06 Nov 1994 08:49:37 GMT
            cache-control: public, immutable""",
        ),
        (Deleted(), "204\nx-request-id: r-1"),
        (
            Described(SlotDialect.methods),
            "204\nx-request-id: r-1\nallow: GET, HEAD, PUT, DELETE, OPTIONS",
        ),
    ],
)
def test_a_reply_is_a_head(reply: Reply, golden: str) -> None:
    head = request("GET /upload/a/b.txt")
    assert shown(SLOT.render(head, SLOT.parse(head, TARGET), reply, "r-1")) == lines(golden)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Unauthenticated("x"), 403),
        (SignatureMismatch("x"), 403),
        (ObjectExists("x"), 409),
        (TooLarge("x"), 413),
        (LengthRequired("x"), 411),
        (BadRequest("x"), 400),
        (RequestTimeout("x"), 408),
    ],
)
def test_statuses_are_those_that_xmpp_clients_expect(
    error: BadRequest | Unauthenticated | SignatureMismatch | ObjectExists | TooLarge, status: int
) -> None:
    answer = SLOT.render_error(request("PUT /upload/a?v=0"), error, "r-1")
    assert answer.status == status
    assert json.loads(answer.body)["status"] == status
    assert b"www-authenticate" not in dict(answer.headers)


def test_case_29_a_slots_reader_sets_no_headers() -> None:
    with pytest.raises(BadRequest, match="signature"):
        SLOT.parse(request("GET /upload/a?response-content-type=text/html"), TARGET)
