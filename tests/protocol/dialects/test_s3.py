"""S3, head by head."""

import pytest

from gateway.errors import (
    AmbiguousCredentials,
    BadRequest,
    InvalidArgument,
    LengthRequired,
    MetadataTooLarge,
    MethodNotAllowed,
    NotImplementedHere,
    TooLarge,
)
from gateway.model import Attributes, ByteRange, Digest, ObjectInfo, ObjectKey
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
    RequestHead,
    Target,
)
from gateway.protocol.dialects.s3 import S3Dialect
from tests.protocol.heads import KEY, MODIFIED, info, lines, request, shown

S3 = S3Dialect()
TARGET = Target("s3", KEY)
SIGNED = "\nAuthorization: AWS4-HMAC-SHA256 x\nx-amz-date: 20240101T000000Z"
URL = "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=c&X-Amz-Date=d&X-Amz-Expires=60"
URL += "&X-Amz-SignedHeaders=host&X-Amz-Signature=0"
CRC = Digest("crc32", bytes(4))
SHA = Digest("sha-256", bytes(32))


def parse(text: str, target: Target = TARGET) -> Command:
    return S3.parse(request(text), target)


def put(*headers: str, query: str = "") -> Command:
    text = f"PUT /photos/a/b.txt{query}\nContent-Length: 5{SIGNED}"
    return parse("\n".join((text, *headers)))


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (
            # boto3 over http
            f"""PUT /photos/a/b.txt
            Content-Length: 5
            Content-Type: text/plain
            Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==
            x-amz-content-sha256: {"0" * 64}
            x-amz-sdk-checksum-algorithm: CRC32
            x-amz-checksum-crc32: AAAAAA==
            x-amz-meta-mtime: 1.5
            If-None-Match: *
            Expect: 100-continue
            amz-sdk-invocation-id: x{SIGNED}""",
            PutObject(
                key=KEY,
                length=5,
                attributes=Attributes(content_type="text/plain", metadata={"mtime": "1.5"}),
                conditions=Preconditions(if_none_match=("*",)),
                digests=(CRC, Digest("md5", bytes(16))),
            ),
        ),
        (
            # a URL signed by the JavaScript SDK: headers stand in the query
            f"PUT /photos/a/b.txt{URL}&x-id=PutObject&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD"
            "&x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32"
            "&x-amz-meta-a=%C3%BC\nContent-Length: 5",
            PutObject(
                key=KEY,
                length=5,
                attributes=Attributes(metadata={"a": "ü".encode().decode("latin-1")}),
                digests=(CRC,),
            ),
        ),
        (
            f"PUT /photos/a/b.txt{URL}\nTransfer-Encoding: chunked\nContent-Encoding: aws-chunked",
            PutObject(key=KEY, length=None, attributes=Attributes()),
        ),
        (
            f"PUT /photos/a/b.txt{URL}\nContent-Length: 0\nx-amz-checksum-algorithm: SHA256",
            PutObject(key=KEY, length=0, attributes=Attributes(), want_digests=("sha-256",)),
        ),
        (
            f"GET /photos/a/b.txt{URL}&x-id=GetObject&x-amz-checksum-mode=ENABLED"
            '&response-content-type=text%2Fplain&versionId=null\nRange: bytes=5-\nIf-Match: "abc"',
            GetObject(
                key=KEY,
                range_header="bytes=5-",
                conditions=Preconditions(if_match=('"abc"',)),
                overrides=((b"content-type", b"text/plain"),),
            ),
        ),
        (
            f"HEAD /photos/a/b.txt\nRange: bytes=0-1{SIGNED}",
            GetObject(key=KEY, range_header="bytes=0-1", head_only=True),
        ),
        (
            f"DELETE /photos/a/b.txt?x-id=DeleteObject\nIf-Match: abc{SIGNED}",
            DeleteObject(key=KEY, conditions=Preconditions(if_match=('"abc"',))),
        ),
        (
            "OPTIONS /photos/a/b.txt\nOrigin: https://app.example\nx-amz-date: d",
            Describe(key=KEY, origin="https://app.example"),
        ),
    ],
)
def test_a_head_is_a_command(text: str, command: Command) -> None:
    assert parse(text) == command


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE"])
@pytest.mark.parametrize("key", [None, ObjectKey("photos", "")])
def test_case_93_operations_on_buckets_are_501(method: str, key: ObjectKey | None) -> None:
    with pytest.raises(NotImplementedHere):
        parse(f"{method} /photos?x-id=x{SIGNED}", Target("s3", key))


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE"])
@pytest.mark.parametrize("subresource", ["acl", "uploads", "uploadId=x", "tagging", "unheard-of"])
def test_case_93_a_subresource_never_falls_through_to_the_object(
    method: str, subresource: str
) -> None:
    with pytest.raises(NotImplementedHere):
        parse(f"{method} /photos/a/b.txt?{subresource}\nContent-Length: 0{SIGNED}")


def test_post_on_an_object_is_405() -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        parse(f"POST /photos/a/b.txt\nContent-Length: 0{SIGNED}")
    assert "POST" not in caught.value.allow


def test_case_11_a_parameter_sent_twice_is_refused() -> None:
    with pytest.raises(BadRequest, match="versionId"):
        parse(f"GET /photos/a/b.txt?versionId=null&versionId=null{SIGNED}")


@pytest.mark.parametrize(
    "text",
    [
        "GET /photos/a/b.txt?response-content-type=text/html",
        "GET /photos/a/b.txt?response-content-type=text/html\nAuthorization: Bearer x",
    ],
)
def test_case_29_overrides_need_an_aws_signature(text: str) -> None:
    with pytest.raises(BadRequest, match="signature"):
        parse(text + "\nx-amz-date: d")


def test_case_29_an_override_cannot_split_the_response() -> None:
    with pytest.raises(InvalidArgument):
        parse(f"GET /photos/a/b.txt?response-content-disposition=a%0D%0AX:y{SIGNED}")


def test_case_46_two_checksums_are_refused() -> None:
    with pytest.raises(BadRequest, match="at most one"):
        put("x-amz-checksum-crc32: AAAAAA==", "x-amz-checksum-crc32c: AAAAAA==")


def test_a_checksum_is_of_the_algorithm_that_is_named() -> None:
    with pytest.raises(InvalidArgument, match="named"):
        put("x-amz-checksum-crc32: AAAAAA==", "x-amz-checksum-algorithm: CRC32C")


def test_case_51_metadata_over_two_kib_is_refused_wherever_it_stands() -> None:
    with pytest.raises(MetadataTooLarge):
        put(f"x-amz-meta-a: {'x' * 2048}")
    with pytest.raises(MetadataTooLarge):
        put(f"x-amz-meta-a: {'x' * 1024}", query=f"?x-amz-meta-b={'x' * 1024}")


def test_case_70_range_and_part_number_exclude_each_other() -> None:
    with pytest.raises(BadRequest, match="Range"):
        parse(f"GET /photos/a/b.txt?partNumber=1\nRange: bytes=0-1{SIGNED}")


def test_case_81_a_copy_source_is_501_on_put_and_400_elsewhere() -> None:
    with pytest.raises(NotImplementedHere):
        put("x-amz-copy-source: /photos/b")
    for method in ("GET", "HEAD", "DELETE"):
        with pytest.raises(BadRequest, match="PUT"):
            parse(f"{method} /photos/a/b.txt\nx-amz-copy-source: /photos/b{SIGNED}")


def test_a_put_declares_its_body() -> None:
    with pytest.raises(LengthRequired):
        parse(f"PUT /photos/a/b.txt{SIGNED}")


GET = f"GET /photos/a/b.txt{SIGNED}"
KEPT = ObjectInfo(
    key=KEY,
    size=10,
    etag="abc",
    modified=MODIFIED,
    version="v1",
    digests=(CRC, Digest("md5", bytes(16))),
    attributes=Attributes(
        content_type="text/html",
        metadata={"a": "1"},
        storage_class="STANDARD_IA",
        sse="AES256",
    ),
)


@pytest.mark.parametrize(
    ("text", "reply", "golden"),
    [
        (
            f"PUT /photos/a/b.txt\nContent-Length: 5{SIGNED}",
            ObjectStored(info_etag="abc", size=5, created=True),
            """200
            x-amz-request-id: r-1
            etag: "abc"
            content-length: 0""",
        ),
        (
            f"PUT /photos/a/b.txt\nContent-Length: 5\nx-amz-checksum-crc32: AAAAAA=={SIGNED}",
            ObjectStored(info_etag="abc", size=5, created=False, version="v1", digests=(SHA, CRC)),
            """200
            x-amz-request-id: r-1
            etag: "abc"
            x-amz-version-id: v1
            x-amz-checksum-crc32: AAAAAA==
            x-amz-checksum-type: FULL_OBJECT
            content-length: 0""",
        ),
        (
            GET,
            ObjectOpened(info=info(attributes=Attributes(storage_class="STANDARD"))),
            """200
            x-amz-request-id: r-1
            content-length: 10
            accept-ranges: bytes
            etag: "abc"
            last-modified: Sun, 06 Nov 1994 08:49:37 GMT
            content-type: application/octet-stream""",
        ),
        (
            f"GET /photos/a/b.txt{URL}&response-content-type=a/b&response-expires=0\n"
            "x-amz-checksum-mode: ENABLED",
            ObjectOpened(info=KEPT, serving=((b"expires", b"1"),)),
            """200
            x-amz-request-id: r-1
            content-length: 10
            accept-ranges: bytes
            etag: "abc"
            last-modified: Sun, 06 Nov 1994 08:49:37 GMT
            x-amz-meta-a: 1
            content-type: a/b
            expires: 1
            x-amz-version-id: v1
            x-amz-storage-class: STANDARD_IA
            x-amz-server-side-encryption: AES256
            x-amz-checksum-crc32: AAAAAA==
            x-amz-checksum-type: FULL_OBJECT""",
        ),
        (
            GET + "\nIf-None-Match: abc",
            NotModified(info()),
            """304
            x-amz-request-id: r-1
            etag: "abc"
            last-modified: Sun, 06 Nov 1994 08:49:37 GMT""",
        ),
        (f"DELETE /photos/a/b.txt{SIGNED}", Deleted(), "204\nx-amz-request-id: r-1"),
        (
            "OPTIONS /photos/a/b.txt",
            Described(S3Dialect.methods),
            """200
            x-amz-request-id: r-1
            allow: GET, HEAD, PUT, DELETE, OPTIONS
            content-length: 0""",
        ),
    ],
)
def test_a_reply_is_a_head(text: str, reply: Reply, golden: str) -> None:
    head = request(text)
    assert shown(S3.render(head, S3.parse(head, TARGET), reply, "r-1")) == lines(golden)


@pytest.mark.parametrize(
    ("mode", "range"),
    [("ENABLED", ByteRange(0, 5)), ("DISABLED", None), (None, None)],
)
def test_checksums_are_told_when_asked_and_never_with_a_range(
    mode: str | None, range: ByteRange | None
) -> None:
    head = request(GET + (f"\nx-amz-checksum-mode: {mode}" if mode else ""))
    answer = S3.render(head, S3.parse(head, TARGET), ObjectOpened(info=KEPT, range=range), "r-1")
    assert not any(name.startswith(b"x-amz-checksum") for name, _ in answer.headers)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("x-amz-checksum-algorithm: CRC32", [b"x-amz-checksum-crc32"]),
        ("x-amz-checksum-crc32: AAAAAA==", [b"x-amz-checksum-crc32"]),
        ("x-amz-checksum-sha256: " + "A" * 43 + "=", [b"x-amz-checksum-sha256"]),
        ("Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==", []),
    ],
)
def test_only_the_checksum_that_was_sent_or_named_is_told(line: str, told: list[bytes]) -> None:
    head = request(f"PUT /photos/a/b.txt\nContent-Length: 5\n{line}{SIGNED}")
    stored = ObjectStored(info_etag="abc", size=5, created=True, digests=(SHA, CRC))
    answer = S3.render(head, S3.parse(head, TARGET), stored, "r-1")
    checksums = [name for name, _ in answer.headers if name.startswith(b"x-amz-checksum")]
    assert checksums == ([*told, b"x-amz-checksum-type"] if told else [])


def test_a_reply_to_another_command_has_no_overrides_and_no_checksums() -> None:
    head = RequestHead("OPTIONS", b"/photos/a", b"")
    answer = S3.render(head, Describe(key=KEY), ObjectOpened(info=info()), "r-1")
    assert dict(answer.headers)[b"content-type"] == b"application/octet-stream"
    stored = ObjectStored(info_etag="abc", size=5, created=True, digests=(CRC,))
    answer = S3.render(head, Describe(key=KEY), stored, "r-1")
    assert b"x-amz-checksum-crc32" not in dict(answer.headers)


def test_errors_are_s3s_own() -> None:
    answer = S3.render_error(request(GET), TooLarge("Too large."), "r-1")
    assert answer.status == 400
    assert b"<Code>EntityTooLarge</Code>" in answer.body
    two = S3.render_error(request(GET), AmbiguousCredentials("Two."), "r-1")
    assert b"<Code>InvalidRequest</Code>" in two.body
