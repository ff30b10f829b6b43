"""First match: slots, then S3, then plain; one valid Host; never an absolute form."""

import pytest

from gateway.errors import BadRequest, InvalidBucketName, InvalidUri, UploadNotFound
from gateway.model import ObjectKey
from gateway.protocol.commands import RequestHead, Target
from gateway.protocol.routing import SlotMount, dialect_of, effective_head, route
from tests.protocol.heads import request
from tests.protocol.uploads import ID, MAC, URL

SLOTS = (SlotMount("up", "/upload/", "files"), SlotMount("deep", "/upload/deep/", "deeper"))
DOMAINS = ("s3.example.org",)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("GET /photos/a", Target("plain", ObjectKey("photos", "a"))),
        ("GET /", Target("plain", None)),
        ("OPTIONS *", Target("plain", None)),
        (
            "GET /photos/a\nAuthorization: Bearer x.y.z",
            Target("plain", ObjectKey("photos", "a")),
        ),
        ("PUT /upload/x/y.jpg?v2=00", Target("slot", ObjectKey("files", "x/y.jpg"), "up")),
        ("GET /upload/deep/z", Target("slot", ObjectKey("deeper", "z"), "deep")),
        (
            "PUT /upload/x?X-Amz-Signature=0",
            Target("slot", ObjectKey("files", "x"), "up"),
        ),
        ("GET /uploads/x", Target("plain", ObjectKey("uploads", "x"))),
        ("GET /photos/a?X-Amz-Signature=0", Target("s3", ObjectKey("photos", "a"))),
        ("GET /photos/a?x-amz-checksum-mode=x", Target("s3", ObjectKey("photos", "a"))),
        ("GET /photos/a\nx-amz-date: 1", Target("s3", ObjectKey("photos", "a"))),
        (
            "GET /photos?list-type=2\nAuthorization: AWS4-HMAC-SHA256 x",
            Target("s3", ObjectKey("photos", "")),
        ),
        ("GET /photos/a\nAuthorization: AWS x:y", Target("s3", ObjectKey("photos", "a"))),
        (
            "GET /a/b\nHost: photos.s3.example.org:443",
            Target("plain", ObjectKey("photos", "a/b")),
        ),
        ("GET /\nHost: photos.s3.example.org", Target("plain", ObjectKey("photos", ""))),
        ("GET /photos/b\nHost: S3.Example.org.", Target("plain", ObjectKey("photos", "b"))),
        ("GET //a\nHost: photos.s3.example.org", Target("plain", ObjectKey("photos", "/a"))),
        ("GET /photos/b\nHost: [::1]:8080", Target("plain", ObjectKey("photos", "b"))),
    ],
)
def test_the_first_match_decides(text: str, target: Target) -> None:
    assert route(request(text), SLOTS, DOMAINS) == target


FORM = "Content-Type: multipart/form-data; boundary=x"


@pytest.mark.parametrize(
    ("text", "target"),
    [
        (f"POST /photos\n{FORM}", Target("form", ObjectKey("photos", ""))),
        (f"POST /photos/\n{FORM}", Target("form", ObjectKey("photos", ""))),
        (f"POST /photos?X-Amz-Signature=0\n{FORM}", Target("form", ObjectKey("photos", ""))),
        (f"POST /photos\nx-amz-date: 1\n{FORM}", Target("form", ObjectKey("photos", ""))),
        (
            f"POST /\nHost: photos.s3.example.org\n{FORM}",
            Target("form", ObjectKey("photos", "")),
        ),
        (f"POST /photos/a\n{FORM}", Target("plain", ObjectKey("photos", "a"))),
        (f"POST /\n{FORM}", Target("plain", None)),
        (f"PUT /photos\n{FORM}", Target("plain", ObjectKey("photos", ""))),
        ("POST /photos\nContent-Type: text/plain", Target("plain", ObjectKey("photos", ""))),
        (f"POST /photos\nUpload-Complete: ?1\n{FORM}", Target("rufh", ObjectKey("photos", ""))),
        (f"POST /upload/x?v=0\n{FORM}", Target("slot", ObjectKey("files", "x"), "up")),
    ],
)
def test_a_form_is_what_is_posted_to_a_bucket_as_one(text: str, target: Target) -> None:
    assert route(request(text), SLOTS, DOMAINS) == target


def test_case_58_only_an_aws_signature_makes_dot_segments_literal() -> None:
    signed = request("GET /photos/../x?X-Amz-Signature=0")
    assert route(signed, SLOTS, DOMAINS) == Target("s3", ObjectKey("photos", "../x"))
    for text in (
        "GET /photos/../x",
        "GET /photos/../x\nx-amz-date: 1",
        "GET /photos/../x\nx-amz-date: 1\nAuthorization: Bearer x",
        "PUT /upload/..%2fx?v=0",
        "GET /../x\nHost: photos.s3.example.org",
    ):
        with pytest.raises(InvalidUri):
            route(request(text), SLOTS, DOMAINS)


@pytest.mark.parametrize("path", ["a%00b", "..", "a/./b", "%ff", "%", "", "/a", "%2Fa"])
def test_pitfall_05_slot_paths_are_strict(path: str) -> None:
    with pytest.raises(InvalidUri):
        route(request(f"PUT /upload/{path}?v=0"), SLOTS, DOMAINS)


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [b"a", b"a"],
        [b""],
        [b"a b"],
        [b"a/b"],
        [b"a@b"],
        [b"a:b"],
        [b"[::1"],
        [b"http://a"],
        [b"a,b"],
        [b"\xff"],
    ],
)
def test_case_55_exactly_one_valid_host(hosts: list[bytes]) -> None:
    head = RequestHead("GET", b"/photos/a", b"", [(b"host", host) for host in hosts])
    with pytest.raises(BadRequest, match="Host"):
        route(head, SLOTS, DOMAINS)


@pytest.mark.parametrize("target", ["http://127.0.0.1/photos/a", "photos/a", "*", ""])
def test_case_55_absolute_forms_are_refused(target: str) -> None:
    with pytest.raises(BadRequest, match="path"):
        route(request(f"GET {target}"), SLOTS, DOMAINS)


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("PUT /upload/%ff?v=0", "slot"),
        ("GET /Photos/a\nx-amz-date: 1", "s3"),
        ("GET /photos/%ff?X-Amz-Signature=0", "s3"),
        ("GET /photos/a?X-Amz-Signature=%", "s3"),
        ("GET /photos/a?x=%", "plain"),
        ("GET /photos/%ff", "plain"),
        ("GET http://x/", "plain"),
        ("POST /Photos\nContent-Type: multipart/form-data; boundary=x", "form"),
        ("POST /Photos/a\nContent-Type: multipart/form-data; boundary=x", "plain"),
    ],
)
def test_what_cannot_be_routed_is_refused_in_its_own_dialect(text: str, dialect: str) -> None:
    head = request(text)
    assert dialect_of(head, SLOTS) == dialect
    with pytest.raises(BadRequest):
        route(head, SLOTS, DOMAINS)


TUS = "\nTus-Resumable: 1.0.0"
IETF = "\nUpload-Draft-Interop-Version: 8"
UPLOAD = Target("tus", None, upload=ID, mac=MAC)
PHOTO = ObjectKey("photos", "a")


@pytest.mark.parametrize(
    ("text", "target"),
    [
        (f"PATCH {URL}{TUS}", UPLOAD),
        (f"HEAD {URL}{TUS}{IETF}", UPLOAD),
        (f"HEAD {URL}", UPLOAD),
        (f"GET {URL}", UPLOAD),
        (f"OPTIONS {URL}", UPLOAD),
        (f"POST {URL}", UPLOAD),
        (f"POST {URL}\nX-HTTP-Method-Override: PATCH", UPLOAD),
        (f"PATCH {URL}\nContent-Type: application/offset+octet-stream; a=b", UPLOAD),
        (f"HEAD /-/uploads/{ID}", Target("tus", None, upload=ID)),
        (f"HEAD {URL}{IETF}", Target("rufh", None, upload=ID, mac=MAC)),
        (f"DELETE {URL}", Target("rufh", None, upload=ID, mac=MAC)),
        (f"PATCH {URL}", Target("rufh", None, upload=ID, mac=MAC)),
        (f"PATCH {URL}\nUpload-Complete: ?1", Target("rufh", None, upload=ID, mac=MAC)),
        (
            f"POST {URL}\nContent-Type: application/partial-upload",
            Target("rufh", None, upload=ID, mac=MAC),
        ),
        ("POST /-/uploads/photos", Target("tus", ObjectKey("photos", ""))),
        (f"POST /-/uploads/photos/a{TUS}", Target("tus", PHOTO)),
        ("OPTIONS /-/uploads/photos", Target("tus", ObjectKey("photos", ""))),
        ("OPTIONS /-/uploads", Target("tus", None)),
        ("POST /-/uploads/photos/a\nUpload-Complete: ?0", Target("rufh", PHOTO)),
        ("GET /-/chunked/photos/a", Target("chunked", PHOTO)),
        (f"POST /-/chunked/photos/a{TUS}", Target("chunked", PHOTO)),
        ("PUT /photos/a\nUpload-Complete: ?1", Target("rufh", PHOTO)),
        ("PATCH /photos/a\nUpload-Complete: ?0", Target("rufh", PHOTO)),
        ("PUT /photos/a?X-Amz-Signature=0\nUpload-Complete: ?0", Target("rufh", PHOTO)),
        ("PUT /photos/a\nUpload-Complete: 1", Target("plain", PHOTO)),
        ("GET /photos/a\nUpload-Complete: ?1", Target("plain", PHOTO)),
        (f"GET /photos/a{TUS}", Target("plain", PHOTO)),
        (f"PUT /photos/a{IETF}", Target("plain", PHOTO)),
        ("PUT /photos/a\nContent-Range: bytes 0-1/2", Target("range", PHOTO)),
        ("PUT /photos/a?X-Amz-Signature=0\nContent-Range: bytes 0-1/2", Target("range", PHOTO)),
        (
            "PUT /photos/a\nContent-Range: bytes 0-1/2\nX-Upload-Session-ID: s",
            Target("chunked", PHOTO),
        ),
        ("PUT /photos/a\nX-Upload-Session-ID: s", Target("plain", PHOTO)),
        ("POST /photos/a\nContent-Range: bytes 0-1/2", Target("plain", PHOTO)),
        (
            "PUT /a\nHost: photos.s3.example.org\nContent-Range: bytes 0-1/2",
            Target("range", PHOTO),
        ),
        (
            "PUT /upload/x?v=0\nContent-Range: bytes 0-1/2\nUpload-Complete: ?0",
            Target("slot", ObjectKey("files", "x"), "up"),
        ),
    ],
)
def test_resumable_dialects_are_told_by_path_and_headers(text: str, target: Target) -> None:
    head = request(text)
    assert route(head, SLOTS, DOMAINS) == target
    assert dialect_of(head, SLOTS) == target.dialect


@pytest.mark.parametrize("method", ["HEAD", "GET", "PATCH", "DELETE"])
def test_what_can_be_neither_an_upload_nor_a_bucket_is_no_upload_that_there_is(method: str) -> None:
    with pytest.raises(UploadNotFound):
        route(request(f"{method} /-/uploads/{'0' * 66}"), SLOTS, DOMAINS)


@pytest.mark.parametrize("line", [f"POST /-/uploads/{'0' * 66}", "HEAD /-/uploads/A.B/c"])
def test_where_uploads_begin_a_bucket_must_have_a_buckets_name(line: str) -> None:
    with pytest.raises(InvalidBucketName):
        route(request(line), SLOTS, DOMAINS)


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH"])
def test_tus_at_an_objects_url_is_told_where_it_belongs(method: str) -> None:
    head = request(f"{method} /photos/a{TUS}\nUpload-Length: 5")
    assert dialect_of(head, SLOTS) == "tus"
    with pytest.raises(BadRequest, match="/-/uploads"):
        route(head, SLOTS, DOMAINS)


def test_case_58_only_in_s3s_own_dialect_are_dot_segments_literal() -> None:
    for line in ("Upload-Complete: ?0", "Content-Range: bytes 0-1/2"):
        with pytest.raises(InvalidUri):
            route(request(f"PUT /photos/../x?X-Amz-Signature=0\n{line}"), SLOTS, DOMAINS)


def test_case_55_uploads_need_a_valid_host_too() -> None:
    with pytest.raises(BadRequest, match="Host"):
        route(request(f"HEAD {URL}\nHost: a b"), SLOTS, DOMAINS)


def test_T11_the_effective_head_differs_in_the_method_alone() -> None:
    head = RequestHead(
        "POST",
        URL.encode(),
        b"a=b",
        [(b"host", b"h"), (b"x-http-method-override", b"patch")],
        scheme="https",
        peer="192.0.2.1",
    )
    meant = effective_head(head, route(head, SLOTS, DOMAINS))
    assert meant.method == "PATCH"
    for name in ("raw_path", "raw_query", "headers", "scheme", "peer"):
        assert getattr(meant, name) == getattr(head, name)
