"""Presigned URLs, read and made."""

from dataclasses import replace

import pytest

from gateway.errors import (
    BadRequest,
    Forbidden,
    GatewayError,
    InvalidToken,
    MalformedPresignedUrl,
    RequestExpired,
    SignatureMismatch,
    UnsignedHeader,
)
from gateway.protocol.commands import RequestHead
from gateway.protocol.signatures.authorization import Credentials
from gateway.protocol.signatures.canonical import CanonicalQuery
from gateway.protocol.signatures.presign import MAX_EXPIRES, presign, read_query
from gateway.protocol.signatures.sigv4 import verify
from tests.protocol.signatures.wire import (
    HOST,
    KEY_ID,
    NOW,
    REGION,
    SECRET,
    Wire,
    botocore_presigned,
    read,
)

CREDENTIALS = Credentials(key_id=KEY_ID, secret=SECRET, region=REGION)


def _presigned(
    method: str = "PUT",
    path: bytes = b"/bucket/k",
    query: bytes = b"",
    headers: tuple[tuple[bytes, bytes], ...] = (),
    expires: int = 3600,
) -> Wire:
    sent = ((b"host", HOST.encode()), *headers)
    made = presign(method, path, query, sent, CREDENTIALS, expires=expires, now=NOW)
    return Wire(method, path, made, sent)


def test_amazons_published_example_verifies_and_is_made_byte_for_byte() -> None:
    # "Authenticating Requests: Using Query Parameters", Amazon S3 API reference.
    credentials = Credentials(
        key_id="AKIAIOSFODNN7EXAMPLE",
        secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        region="us-east-1",
    )
    host = [(b"host", b"examplebucket.s3.amazonaws.com")]
    made = presign("GET", b"/test.txt", b"", host, credentials, expires=86400, now=1_369_353_600.0)
    assert made == (
        b"X-Amz-Algorithm=AWS4-HMAC-SHA256"
        b"&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        b"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        b"&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )
    head = RequestHead("GET", b"/test.txt", made, host)
    claim = read_query(
        head, CanonicalQuery(made), region="us-east-1", now=1_369_353_600.0, max_skew=900
    )
    verify(claim, credentials.secret)


def test_what_sluice_presigns_is_what_botocore_presigns() -> None:
    theirs = botocore_presigned("GET", b"/bucket/a%20b", b"versionId=1", [("range", "bytes=0-1")])
    headers = ((b"range", b"bytes=0-1"),)
    ours = _presigned("GET", b"/bucket/a%20b", b"versionId=1", headers)
    assert read(ours) == read(theirs)


@pytest.mark.parametrize(
    "expires", ["", "x", "-1", "0", "604801", "609901", "+60", "1e3", "\u0663", " 60", "9" * 40]
)
def test_case_21_an_expiry_out_of_bounds_is_refused(expires: str) -> None:
    wire = _presigned(expires=3600)
    changed = replace(
        wire, query=wire.query.replace(b"X-Amz-Expires=3600", b"X-Amz-Expires=" + expires.encode())
    )
    with pytest.raises(MalformedPresignedUrl) as refused:
        read(changed)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "name",
    ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"],
)
def test_case_21_a_missing_or_misspelt_parameter_is_refused(name: str) -> None:
    wire = _presigned()
    full = f"X-Amz-{name}=".encode()
    pieces = wire.query.split(b"&")
    without = b"&".join(piece for piece in pieces if not piece.startswith(full))
    for query in (without, wire.query.replace(full, full.lower())):
        with pytest.raises(MalformedPresignedUrl, match=name):
            read(replace(wire, query=query))


def test_case_21_expired_is_past_its_signed_life_to_the_second() -> None:
    wire = _presigned(expires=60)
    verify(read(wire, now=NOW + 60), SECRET)
    with pytest.raises(RequestExpired) as refused:
        read(wire, now=NOW + 61)
    assert refused.value.status == 403


@pytest.mark.parametrize(
    "header",
    [
        (b"date", b"Sat, 21 Nov 2026 13:00:00 GMT"),
        (b"x-forwarded-for", b"127.0.0.1"),
        (b"user-agent", b"Conversations"),
        (b"content-length", b"99999999999"),
        (b"expires", b"Sat, 21 Nov 2037 13:00:00 GMT"),
    ],
)
def test_pitfall_02_nothing_in_a_request_widens_its_expiry(header: tuple[bytes, bytes]) -> None:
    wire = _presigned(expires=60).with_header(*header)
    with pytest.raises(RequestExpired):
        read(wire, now=NOW + 61)
    wider = replace(wire, query=wire.query.replace(b"Expires=60", b"Expires=6000"))
    with pytest.raises(SignatureMismatch):
        verify(read(wider, now=NOW + 61), SECRET)


def test_case_22_a_date_in_the_future_is_refused_beyond_the_skew() -> None:
    wire = _presigned()
    verify(read(wire, now=NOW - 900), SECRET)
    with pytest.raises(RequestExpired) as refused:
        read(wire, now=NOW - 901)
    assert refused.value.status == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "POST"])
def test_case_23_a_url_is_for_one_method(method: str) -> None:
    with pytest.raises(SignatureMismatch):
        verify(read(replace(_presigned("GET"), method=method)), SECRET)


@pytest.mark.parametrize("added", [b"acl", b"tagging", b"uploads", b"partNumber=1", b"versionId=2"])
def test_case_24_a_url_takes_no_further_subresource(added: bytes) -> None:
    wire = _presigned("GET")
    for query in (wire.query + b"&" + added, added + b"&" + wire.query):
        with pytest.raises(SignatureMismatch):
            verify(read(replace(wire, query=query)), SECRET)


def test_case_24_a_url_is_for_one_key() -> None:
    with pytest.raises(SignatureMismatch):
        verify(read(replace(_presigned(), path=b"/bucket/other")), SECRET)


@pytest.mark.parametrize(
    "name", [b"x-amz-acl", b"x-amz-meta-a", b"x-amz-date", b"x-amz-content-sha256"]
)
def test_case_25_an_unsigned_amz_header_is_refused(name: bytes) -> None:
    with pytest.raises(UnsignedHeader):
        read(_presigned().with_header(name, b"UNSIGNED-PAYLOAD"))


def test_case_23_a_url_for_post_is_not_turned_into_a_deletion() -> None:
    with pytest.raises(UnsignedHeader, match="x-http-method-override"):
        read(_presigned().with_header(b"x-http-method-override", b"DELETE"))
    signed = _presigned(headers=((b"x-http-method-override", b"PATCH"),))
    verify(read(signed), SECRET)
    with pytest.raises(SignatureMismatch):
        verify(read(signed.with_header(b"x-http-method-override", b"DELETE")), SECRET)


@pytest.mark.parametrize(
    ("name", "value", "other"),
    [(b"content-type", b"image/png", b"text/html"), (b"content-length", b"10", b"11")],
)
def test_case_26_a_signed_type_or_length_may_not_change(
    name: bytes, value: bytes, other: bytes
) -> None:
    wire = _presigned(headers=((name, value),))
    verify(read(wire), SECRET)
    for changed in (wire.with_header(name, other), wire.without_header(name)):
        with pytest.raises(SignatureMismatch):
            verify(read(changed), SECRET)


def test_case_27_a_pinned_payload_hash_becomes_the_digest_the_body_must_have() -> None:
    wire = _presigned(query=b"X-Amz-Content-Sha256=" + b"ab" * 32)
    payload = verify(read(wire), SECRET).payload
    assert payload is not None
    assert payload.value == b"\xab" * 32
    other = replace(wire, query=wire.query.replace(b"ab" * 32, b"ac" * 32))
    with pytest.raises(SignatureMismatch):
        verify(read(other), SECRET)


def test_case_27_a_signed_header_beside_the_url_pins_the_payload_too() -> None:
    header = (b"x-amz-content-sha256", b"ab" * 32)
    wire = _presigned(query=b"X-Amz-Content-Sha256=" + b"ab" * 32, headers=(header,))
    assert verify(read(wire), SECRET).payload is not None
    with pytest.raises(BadRequest, match="contradicts"):
        read(wire.with_header(b"x-amz-content-sha256", b"UNSIGNED-PAYLOAD"))
    # Without the parameter the header alone speaks, and must be signed.
    alone = _presigned(headers=(header,))
    assert read(alone).payload == "ab" * 32


def test_the_browser_form_of_the_javascript_sdk_verifies() -> None:
    query = (
        b"X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&x-amz-checksum-crc32=AAAAAA%3D%3D"
        b"&x-id=PutObject&x-amz-meta-a=b"
    )
    assert verify(read(_presigned(query=query)), SECRET).payload is None


def test_case_09_a_parameter_stands_in_for_a_signed_amz_header_and_for_no_other() -> None:
    sent = ((b"host", HOST.encode()), (b"x-amz-acl", b"private"))
    made = presign(
        "PUT", b"/bucket/k", b"x-amz-acl=private", sent, CREDENTIALS, expires=60, now=NOW
    )
    verify(read(Wire("PUT", b"/bucket/k", made, sent[:1])), SECRET)
    typed = (*sent[:1], (b"content-type", b"a/b"))
    made = presign(
        "PUT", b"/bucket/k", b"content-type=a%2Fb", typed, CREDENTIALS, expires=60, now=NOW
    )
    with pytest.raises(SignatureMismatch, match="not sent"):
        read(Wire("PUT", b"/bucket/k", made, sent[:1]))


def test_a_stand_in_has_one_spelling() -> None:
    with pytest.raises(BadRequest, match="two spellings"):
        read(_presigned(query=b"x-amz-acl=private&X-Amz-Acl=public-read"))


def test_case_17_another_algorithm_is_refused() -> None:
    wire = _presigned()
    query = wire.query.replace(b"AWS4-HMAC-SHA256", b"AWS4-ECDSA-P256-SHA256")
    with pytest.raises(MalformedPresignedUrl, match="AWS4-HMAC-SHA256"):
        read(replace(wire, query=query))


def test_case_13_a_scope_elsewhere_is_told_the_region() -> None:
    wire = _presigned()
    with pytest.raises(MalformedPresignedUrl) as refused:
        read(replace(wire, query=wire.query.replace(b"us-east-1", b"eu-west-1")))
    assert refused.value.members == {"region": REGION}


def test_case_18_a_session_token_in_the_url_is_refused() -> None:
    credentials = Credentials(key_id=KEY_ID, secret=SECRET, region=REGION, token="t")
    host = ((b"host", HOST.encode()),)
    made = presign("GET", b"/bucket/k", b"", host, credentials, expires=60, now=NOW)
    with pytest.raises(InvalidToken):
        read(Wire("GET", b"/bucket/k", made, host))


@pytest.mark.parametrize("expires", [0, -1, MAX_EXPIRES + 1])
def test_no_url_is_made_that_would_be_refused(expires: int) -> None:
    with pytest.raises(GatewayError):
        _presigned(expires=expires)


@pytest.mark.parametrize("raw", [b"X-Amz-Credential=a/b", b"x-amz-credential=a&X-Amz-Date=b"])
def test_case_04_a_credential_that_nothing_proves_is_403(raw: bytes) -> None:
    with pytest.raises(Forbidden, match="not signed"):
        read_query(
            RequestHead("PUT", b"/photos/a", raw),
            CanonicalQuery(raw),
            region="us-east-1",
            now=0,
            max_skew=900,
        )
