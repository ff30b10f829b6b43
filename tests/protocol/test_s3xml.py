"""S3's errors."""

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import errors
from gateway.errors import GatewayError, InvalidRange, ObjectNotFound, SignatureMismatch
from gateway.protocol.s3xml import S3_ERRORS, escape, render_s3_error, s3_error
from tests.protocol.heads import request


def elements(body: bytes) -> dict[str, str | None]:
    return {child.tag: child.text for child in ET.fromstring(body)}


def test_an_error_is_xml_with_the_request_id_of_the_header() -> None:
    answer = render_s3_error(
        request("GET /photos/a%20b"), ObjectNotFound("The key does not exist."), "r-1"
    )
    assert answer.status == 404
    assert answer.body == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code>'
        b"<Message>The key does not exist.</Message><Resource>/photos/a%20b</Resource>"
        b"<RequestId>r-1</RequestId></Error>"
    )
    headers = dict(answer.headers)
    assert headers[b"x-amz-request-id"] == b"r-1"
    assert headers[b"content-type"] == b"application/xml"
    assert headers[b"content-length"] == str(len(answer.body)).encode()


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        (errors.BadRequest, "InvalidRequest", 400),
        (errors.AmbiguousCredentials, "InvalidRequest", 400),
        (errors.InvalidUri, "InvalidURI", 400),
        (errors.TooLarge, "EntityTooLarge", 400),
        (errors.HeadTooLarge, "RequestHeaderSectionTooLarge", 400),
        (errors.IncompleteBody, "IncompleteBody", 400),
        (errors.DigestMismatch, "BadDigest", 400),
        (errors.PayloadHashMismatch, "XAmzContentSHA256Mismatch", 400),
        (errors.Unauthenticated, "AccessDenied", 403),
        (errors.UnsignedHeader, "AccessDenied", 403),
        (errors.RequestExpired, "AccessDenied", 403),
        (errors.ClockSkew, "RequestTimeTooSkewed", 403),
        (errors.UnknownKey, "InvalidAccessKeyId", 403),
        (errors.ObjectExists, "PreconditionFailed", 412),
        (errors.ConcurrentWrite, "ConditionalRequestConflict", 409),
        (errors.UploadGone, "NoSuchUpload", 404),
        (errors.LengthRequired, "MissingContentLength", 411),
        (errors.NotImplementedHere, "NotImplemented", 501),
        (errors.Draining, "SlowDown", 503),
        (errors.SessionsUnavailable, "SlowDown", 503),
        (errors.StorageThrottled, "SlowDown", 503),
        (errors.StorageTimeout, "SlowDown", 503),
        (errors.StorageRejected, "InternalError", 500),
        (errors.InternalError, "InternalError", 500),
    ],
)
def test_codes_and_statuses_are_those_of_aws(
    kind: type[GatewayError], code: str, status: int
) -> None:
    assert s3_error(kind("x")) == (code, status)


def test_a_new_kind_of_error_has_its_parents_code() -> None:
    class Stranger(SignatureMismatch):
        """One that the table does not know."""

    assert Stranger not in S3_ERRORS
    assert s3_error(Stranger("x")) == ("SignatureDoesNotMatch", 403)


def test_members_become_elements_and_never_replace_the_standard_ones() -> None:
    error = SignatureMismatch(
        "x", string_to_sign="AWS4\n&", aws_access_key_id="K", code="evil", left_out=None
    )
    answer = render_s3_error(request("GET /photos/a"), error, "r")
    found = elements(answer.body)
    assert found["StringToSign"] == "AWS4\n&"
    assert found["AWSAccessKeyId"] == "K"
    assert found["Code"] == "SignatureDoesNotMatch"
    assert "LeftOut" not in found


@pytest.mark.parametrize(("size", "element"), [(10, "10"), (None, None)])
def test_a_416_tells_the_size(size: int | None, element: str | None) -> None:
    answer = render_s3_error(request("GET /photos/a"), InvalidRange("x", size=size), "r")
    assert elements(answer.body).get("ActualObjectSize") == element


def test_case_57_head_has_no_body() -> None:
    answer = render_s3_error(request("HEAD /photos/a"), ObjectNotFound("x"), "r")
    assert (answer.status, answer.body) == (404, b"")


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("]]>", "]]&gt;"),
        ('<a href="x">&\'', "&lt;a href=&quot;x&quot;&gt;&amp;'"),
        ("a\x00\x1b\x0b", "a\\u0000\\u001b\\u000b"),
        ("a\r\n\tb", "a&#13;\n\tb"),
        ("\ud800\ufffe", "\\ud800\\ufffe"),
        ("ü☃", "ü☃"),
    ],
)
def test_case_80_what_is_echoed_is_escaped(text: str, escaped: str) -> None:
    assert escape(text) == escaped


@given(st.text(), st.binary(max_size=30))
def test_case_80_any_detail_and_path_give_well_formed_xml(detail: str, path: bytes) -> None:
    head = request("GET /photos/a")
    head = type(head)("GET", path, b"", head.headers)
    found = elements(render_s3_error(head, ObjectNotFound(detail), "r").body)
    assert set(found) == {"Code", "Message", "Resource", "RequestId"}
