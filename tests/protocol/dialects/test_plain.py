"""Plain HTTP, head by head."""

import hashlib

import pytest

from gateway.errors import (
    BadRequest,
    InvalidArgument,
    InvalidDigest,
    MetadataTooLarge,
    MethodNotAllowed,
    PreconditionFailed,
    Unauthenticated,
    UnsupportedMediaType,
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
    Preconditions,
    PutObject,
    Reply,
    Target,
)
from gateway.protocol.dialects.plain import PlainDialect
from tests.protocol.heads import KEY, info, lines, request, shown

PLAIN = PlainDialect()
TARGET = Target("plain", KEY)
EMPTY_SHA = Digest("sha-256", hashlib.sha256().digest())


def parse(text: str, target: Target = TARGET) -> Command:
    return PLAIN.parse(request(text), target)


def render(text: str, reply: Reply) -> str:
    head = request(text)
    return shown(PLAIN.render(head, PLAIN.parse(head, TARGET), reply, "r-1"))


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (
            "PUT /photos/a/b.txt\nContent-Length: 5",
            PutObject(key=KEY, length=5, attributes=Attributes(), tell_created=True),
        ),
        (
            "PUT /photos/a/b.txt\nTransfer-Encoding: chunked\nContent-Type: text/plain",
            PutObject(
                key=KEY,
                length=None,
                attributes=Attributes(content_type="text/plain"),
                tell_created=True,
            ),
        ),
        (
            "POST /photos/a/b.txt\nContent-Length: 5\n"
            "Content-Type: application/x-www-form-urlencoded",
            PutObject(
                key=KEY,
                length=5,
                attributes=Attributes(content_type="application/x-www-form-urlencoded"),
                tell_created=True,
            ),
        ),
        (
            """PUT /photos/a/b.txt
            Content-Length: 0
            Content-Type: image/png
            Content-Disposition: inline
            Content-Encoding: gzip, aws-chunked
            Content-Language: en
            Cache-Control: no-store
            Expires: 0
            Sluice-Meta-Colour: blue
            If-None-Match: *
            Repr-Digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:
            Want-Repr-Digest: sha-512=1""",
            PutObject(
                key=KEY,
                length=0,
                attributes=Attributes(
                    content_type="image/png",
                    content_disposition="inline",
                    content_encoding="gzip",
                    content_language="en",
                    cache_control="no-store",
                    expires="0",
                    metadata={"colour": "blue"},
                ),
                conditions=Preconditions(if_none_match=("*",)),
                digests=(EMPTY_SHA,),
                want_digests=("sha-512",),
                tell_created=True,
            ),
        ),
        ("GET /photos/a/b.txt?v=1", GetObject(key=KEY)),
        (
            'GET /photos/a/b.txt\nRange: bytes=0-4\nIf-Range: "abc"\nIf-Match: "abc"',
            GetObject(
                key=KEY,
                range_header="bytes=0-4",
                if_range='"abc"',
                conditions=Preconditions(if_match=('"abc"',)),
            ),
        ),
        ("HEAD /photos/a/b.txt\nRange: bytes=0-4", GetObject(key=KEY, head_only=True)),
        (
            'DELETE /photos/a/b.txt\nIf-Match: "abc"',
            DeleteObject(key=KEY, conditions=Preconditions(if_match=('"abc"',))),
        ),
        ("OPTIONS /photos/a/b.txt", Describe(key=KEY)),
        (
            "OPTIONS /photos/a/b.txt\nOrigin: https://app.example",
            Describe(key=KEY, origin="https://app.example"),
        ),
    ],
)
def test_a_head_is_a_command(text: str, command: Command) -> None:
    assert parse(text) == command


@pytest.mark.parametrize("key", [None, ObjectKey("photos", "")])
def test_buckets_can_only_be_described(key: ObjectKey | None) -> None:
    target = Target("plain", key)
    assert parse("OPTIONS *", target) == Describe(key=key)
    for method in ("GET", "HEAD", "PUT", "DELETE", *(["POST"] if key is None else [])):
        with pytest.raises(MethodNotAllowed) as caught:
            parse(f"{method} /photos", target)
        assert caught.value.allow == ("OPTIONS",)


def test_what_is_posted_to_a_bucket_is_a_form() -> None:
    with pytest.raises(UnsupportedMediaType, match="multipart/form-data"):
        parse("POST /photos", Target("plain", ObjectKey("photos", "")))


def test_a_form_is_not_stored_as_an_object() -> None:
    form = "multipart/form-data; boundary=x"
    with pytest.raises(UnsupportedMediaType):
        parse(f"POST /photos/a/b.txt\nContent-Length: 5\nContent-Type: {form}")
    stored = parse(f"PUT /photos/a/b.txt\nContent-Length: 5\nContent-Type: {form}")
    assert isinstance(stored, PutObject)


def test_case_47_a_bad_content_md5_is_refused() -> None:
    with pytest.raises(InvalidDigest):
        parse("PUT /photos/a/b.txt\nContent-Length: 0\nContent-MD5: x")


def test_case_51_metadata_over_two_kib_is_refused() -> None:
    with pytest.raises(MetadataTooLarge):
        parse(f"PUT /photos/a/b.txt\nContent-Length: 0\nSluice-Meta-A: {'x' * 2048}")


def test_case_86_a_content_type_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        parse("PUT /photos/a/b.txt\nContent-Length: 0\nContent-Type: html")


PUT = "PUT /photos/a/b.txt\nContent-Length: 5"
GET = "GET /photos/a/b.txt"


@pytest.mark.parametrize(
    ("text", "reply", "golden"),
    [
        (
            PUT,
            ObjectStored(info_etag="abc", size=5, created=True),
            """201
            x-request-id: r-1
            etag: "abc"
            content-length: 0""",
        ),
        (
            PUT,
            ObjectStored(info_etag="abc", size=0, created=False, version="v", digests=(EMPTY_SHA,)),
            """204
            x-request-id: r-1
            etag: "abc"
            repr-digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:""",
        ),
        (
            GET,
            ObjectOpened(
                info=info(
                    attributes=Attributes(
                        content_type="text/html", cache_control="public", metadata={"a": "1"}
                    )
                ),
                serving=((b"cache-control", b"private"), (b"vary", b"Authorization")),
            ),
            """200
            x-request-id: r-1
            content-length: 10
            accept-ranges: bytes
            etag: "abc"
            last-modified: Sun, 06 Nov 1994 08:49:37 GMT
            content-type: text/html
            sluice-meta-a: 1
            cache-control: private
            vary: Authorization""",
        ),
        (
            GET + "\nRange: bytes=2-4",
            ObjectOpened(info=info(), range=ByteRange(2, 5)),
            """206
            x-request-id: r-1
            content-length: 3
            accept-ranges: bytes
            etag: "abc"
            last-modified: Sun, 06 Nov 1994 08:49:37 GMT
            content-range: bytes 2-4/10
            content-type: application/octet-stream""",
        ),
        (
            GET + '\nIf-None-Match: "abc"',
            NotModified(info(attributes=Attributes(expires="0"))),
            """304
            x-request-id: r-1
            etag: "abc"
            last-modified: Sun, 06 Nov 1994 08:49:37 GMT
            expires: 0""",
        ),
        ("DELETE /photos/a/b.txt", Deleted(), "204\nx-request-id: r-1"),
        (
            "OPTIONS /photos/a/b.txt",
            Described(PlainDialect.methods),
            """204
            x-request-id: r-1
            allow: GET, HEAD, PUT, POST, DELETE, OPTIONS""",
        ),
    ],
)
def test_a_reply_is_a_head(text: str, reply: Reply, golden: str) -> None:
    assert render(text, reply) == lines(golden)


def test_a_store_that_keeps_digests_lets_readers_verify() -> None:
    kept = info()
    kept = type(kept)(key=kept.key, size=0, etag="e", modified=kept.modified, digests=(EMPTY_SHA,))
    answer = render(GET, ObjectOpened(info=kept))
    assert "repr-digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:" in answer


def test_errors_are_problems_and_401_names_a_scheme() -> None:
    refused = PLAIN.render_error(request(GET), Unauthenticated("Sign the request."), "r-1")
    assert shown(refused) == (
        lines(
            """401
            content-type: application/problem+json
            x-request-id: r-1
            cache-control: no-store
            x-content-type-options: nosniff
            www-authenticate: Bearer realm="sluice"
            content-length: 132"""
        )
        + '\n\n{"type": "/-/errors/unauthenticated", "title": "Unauthenticated", "status": 401, '
        '"detail": "Sign the request.", "request_id": "r-1"}'
    )
    failed = PLAIN.render_error(request(GET), PreconditionFailed("No."), "r-1")
    assert b"www-authenticate" not in dict(failed.headers)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_case_29_a_read_without_an_aws_signature_sets_no_headers(method: str) -> None:
    with pytest.raises(BadRequest, match="signature"):
        parse(f"{method} /photos/a/b.txt?response-content-type=text/html\nAuthorization: Bearer x")
