"""Forms, field by field: signed ones answered as S3 does, others as plain HTTP."""

from base64 import b64encode

import pytest

from gateway.errors import (
    BadRequest,
    Forbidden,
    GatewayError,
    InvalidArgument,
    NotImplementedHere,
    Unauthenticated,
)
from gateway.model import Attributes, Digest, ObjectKey
from gateway.protocol.commands import (
    Command,
    ObjectStored,
    Preconditions,
    PutObject,
    Target,
)
from gateway.protocol.dialects.form import FormDialect
from gateway.protocol.forms import Form, FormHead
from gateway.protocol.part_head import PartHead
from tests.protocol.heads import lines, request, shown

FORM = FormDialect()
TARGET = Target("form", ObjectKey("photos", ""))
SIGNED = {"policy": "...", "key": "a b.txt"}
POST = "POST /photos\nContent-Type: multipart/form-data; boundary=x"
STORED = ObjectStored(info_etag="abc", size=5, created=True)
CRC = Digest("crc32", b"abcd")


def posted(
    fields: dict[str, str],
    text: str = POST,
    *,
    filename: str | None = "f.txt",
    kind: str | None = None,
) -> FormHead:
    return FormHead(request(text), Form(fields, PartHead("file", filename, kind)))


def parse(fields: dict[str, str], text: str = POST, *, kind: str | None = None) -> Command:
    return FORM.parse(posted(fields, text, kind=kind), TARGET)


def render(fields: dict[str, str], reply: ObjectStored = STORED, text: str = POST) -> str:
    head = posted(fields, text)
    return shown(FORM.render(head, FORM.parse(head, TARGET), reply, "r-1"))


def test_fields_say_what_headers_would() -> None:
    fields = {
        "key": "d/${filename}",
        "content-type": "image/png",
        "cache-control": "max-age=5",
        "content-disposition": "inline",
        "content-encoding": "gzip",
        "content-language": "de",
        "expires": "soon",
        "x-amz-meta-a": "ü",
        "sluice-meta-b": "2",
        "acl": "private",
        "submit": "Send",
        "not a token": "x",
        "x-ignore-me": "x",
        "host": "elsewhere",
    }
    assert parse(fields) == PutObject(
        key=ObjectKey("photos", "d/f.txt"),
        length=None,
        attributes=Attributes(
            content_type="image/png",
            cache_control="max-age=5",
            content_disposition="inline",
            content_encoding="gzip",
            content_language="de",
            expires="soon",
            metadata={"a": "ü".encode().decode("latin-1"), "b": "2"},
        ),
        tell_created=True,
    )


def test_the_files_own_type_counts_only_where_no_policy_covers_types() -> None:
    plain, signed = parse({"key": "a"}, kind="text/html"), parse(SIGNED, kind="text/html")
    assert isinstance(plain, PutObject)
    assert isinstance(signed, PutObject)
    assert plain.attributes.content_type == "text/html"
    assert signed.attributes.content_type is None
    told = parse({"key": "a", "content-type": "image/png"}, kind="text/html")
    assert isinstance(told, PutObject)
    assert told.attributes.content_type == "image/png"


def test_checksums_are_fields_and_conditions_headers() -> None:
    value = b64encode(CRC.value).decode()
    command = parse(SIGNED | {"x-amz-checksum-crc32": value}, f"{POST}\nIf-None-Match: *")
    assert isinstance(command, PutObject)
    assert command.digests == (CRC,)
    assert command.conditions == Preconditions(if_none_match=("*",))
    named = parse(SIGNED | {"x-amz-checksum-algorithm": "SHA256"})
    assert isinstance(named, PutObject)
    assert named.want_digests == ("sha-256",)
    both = parse(SIGNED | {"x-amz-checksum-algorithm": "CRC32", "x-amz-checksum-crc32": value})
    assert isinstance(both, PutObject)
    assert (both.digests, both.want_digests) == ((CRC,), ())


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"acl": "public-read"}, NotImplementedHere),
        ({"acl": "private", "x-amz-acl": "private"}, BadRequest),
        ({"tagging": "<Tagging/>"}, NotImplementedHere),
        ({"x-amz-storage-class": "GLACIER"}, NotImplementedHere),
        ({"x-amz-server-side-encryption": "AES256"}, NotImplementedHere),
        ({"x-amz-website-redirect-location": "/x"}, NotImplementedHere),
        ({"x-amz-copy-source": "/b/k"}, NotImplementedHere),
        ({"x-amz-checksum-algorithm": "CRC32C", "x-amz-checksum-crc32": "YWJjZA=="}, BadRequest),
        ({"content-type": "text/html\r\nSet-Cookie: a"}, InvalidArgument),
        ({"content-type": "html"}, InvalidArgument),
        ({"x-amz-meta-a": "b\x00"}, InvalidArgument),
    ],
)
def test_case_86_fields_that_ask_for_more_or_are_no_headers_are_refused(
    fields: dict[str, str], error: type[GatewayError]
) -> None:
    with pytest.raises(error):
        parse(SIGNED | fields)


@pytest.mark.parametrize(
    "text",
    [
        f"{POST}\nContent-Encoding: gzip",
        f"{POST}\nContent-Digest: sha-256=:x:",
        f"{POST}\nContent-MD5: x",
        f"{POST}\nRepr-Digest: sha-256=:x:",
        f"{POST}\nx-amz-acl: private",
        f"{POST}\nx-amz-meta-a: b",
        f"{POST}\nSluice-Meta-a: b",
        f"{POST}\nContent-Range: bytes 0-1/2",
        POST.replace("/photos", "/photos?acl"),
        POST.replace("/photos", "/photos?uploads"),
    ],
)
def test_what_no_policy_covers_says_nothing_of_the_object(text: str) -> None:
    with pytest.raises((NotImplementedHere, BadRequest)):
        parse(SIGNED, text)


def test_what_proxies_add_is_no_matter() -> None:
    assert isinstance(parse(SIGNED, f"{POST}\nx-amz-cf-id: x"), PutObject)


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        pytest.param(
            SIGNED,
            """204
            x-amz-request-id: r-1
            etag: "abc"
            location: http://127.0.0.1:8080/photos/a%20b.txt""",
            id="S3",
        ),
        pytest.param(
            SIGNED | {"success_action_status": "404"},
            """204
            x-amz-request-id: r-1
            etag: "abc"
            location: http://127.0.0.1:8080/photos/a%20b.txt""",
            id="S3 ignores a status it does not know",
        ),
        pytest.param(
            SIGNED | {"success_action_status": "200"},
            """200
            x-amz-request-id: r-1
            etag: "abc"
            location: http://127.0.0.1:8080/photos/a%20b.txt
            content-length: 0""",
            id="S3 200",
        ),
        pytest.param(
            {"key": "a<b", "success_action_status": "201"},
            """201
            x-request-id: r-1
            etag: "abc"
            location: http://127.0.0.1:8080/photos/a%3Cb
            content-type: application/xml
            content-length: 191

            <?xml version="1.0" encoding="UTF-8"?>
            <PostResponse><Location>http://127.0.0.1:8080/photos/a%3Cb</Location><Bucket>photos</Bucket>"""
            """<Key>a&lt;b</Key><ETag>&quot;abc&quot;</ETag></PostResponse>""",
            id="a document with 201",
        ),
        pytest.param(
            {"key": "a"},
            """201
            x-request-id: r-1
            etag: "abc"
            location: http://127.0.0.1:8080/photos/a
            content-length: 0""",
            id="plain, created",
        ),
        pytest.param(
            SIGNED | {"success_action_redirect": "https://app.example.org/done?x=1"},
            """303
            x-amz-request-id: r-1
            etag: "abc"
            location: https://app.example.org/done?x=1&bucket=photos&key=a%20b.txt&etag=%22abc%22
            content-length: 0""",
            id="a redirection",
        ),
    ],
)
def test_answers(fields: dict[str, str], answer: str) -> None:
    assert render(fields) == lines(answer)


def test_plain_forms_tell_a_replaced_object_by_204() -> None:
    replaced = ObjectStored(info_etag="abc", size=5, created=False)
    assert render({"key": "a"}, replaced).startswith("204")


def test_version_and_checksums_are_told() -> None:
    reply = ObjectStored(info_etag="abc", size=5, created=True, version="v1", digests=(CRC,))
    text = render(SIGNED, reply)
    assert "x-amz-version-id: v1" in text
    assert "x-amz-checksum-crc32: YWJjZA==" in text


def test_a_virtual_hosts_location_has_no_bucket_in_its_path() -> None:
    post = POST.replace("/photos", "/") + "\nHost: photos.s3.example.org"
    assert "location: http://photos.s3.example.org/a\n" in render({"key": "a"}, text=post) + "\n"


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "/done",
        "https:evil",
        "https://",
        "ftp://example.org/",
        " https://example.org/",
        "https://example.org/\r\nSet-Cookie: a=b",
        "https://example.org/a b",
        "https://example.org/ü",
        "https://example.org/#part",
        'https://example.org/"',
        "https://user@example.org/" + "x" * 2048,
    ],
)
def test_case_85_a_redirection_leads_to_http_and_nowhere_else(url: str) -> None:
    with pytest.raises(InvalidArgument):
        parse(SIGNED | {"success_action_redirect": url})


def test_case_85_nobody_redirects_without_a_signed_policy() -> None:
    with pytest.raises(InvalidArgument):
        parse({"key": "a", "success_action_redirect": "https://app.example.org/"})
    parse({"key": "a", "success_action_redirect": ""})


def test_errors_are_xml_for_signed_forms_and_problems_for_others() -> None:
    error = Forbidden("No.")
    xml = FORM.render_error(posted(SIGNED), error, "r-1")
    assert (xml.status, b"<Code>AccessDenied</Code>" in xml.body) == (403, True)
    for head in (posted({"key": "a"}), request(POST)):
        problem = FORM.render_error(head, error, "r-1")
        assert (problem.status, b"forbidden" in problem.body) == (403, True)
    unknown = FORM.render_error(request(POST), Unauthenticated("Who?"), "r-1")
    assert b"www-authenticate" in dict(unknown.headers)
