"""The Authorization header, read and written: Amazon's published examples, then what is refused."""

import pytest

from gateway.errors import (
    BadRequest,
    ClockSkew,
    GatewayError,
    InvalidToken,
    MalformedCredential,
    SignatureMismatch,
    UnsignedHeader,
)
from gateway.protocol.commands import RequestHead
from gateway.protocol.signatures.authorization import Credentials, read_header, sign_headers
from gateway.protocol.signatures.canonical import CanonicalQuery
from gateway.protocol.signatures.sigv4 import EMPTY_SHA256, UNSIGNED_PAYLOAD, verify
from tests.protocol.signatures.wire import (
    HOST,
    KEY_ID,
    NOW,
    REGION,
    SECRET,
    Wire,
    botocore_headers,
    read,
)

# "Examples: Signature Calculations", Amazon S3 API reference: 24 May 2013, bucket examplebucket.
EXAMPLE_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
EXAMPLE_TIME = 1_369_353_600.0
EXAMPLES = {
    "get-object": (
        "GET",
        b"/test.txt",
        b"",
        ((b"range", b"bytes=0-9"), (b"x-amz-content-sha256", EMPTY_SHA256.encode())),
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    "put-object": (
        "PUT",
        b"/test%24file.text",
        b"",
        (
            (b"date", b"Fri, 24 May 2013 00:00:00 GMT"),
            (b"x-amz-storage-class", b"REDUCED_REDUNDANCY"),
            (
                b"x-amz-content-sha256",
                b"44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            ),
        ),
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ),
    "get-lifecycle": (
        "GET",
        b"/",
        b"lifecycle",
        ((b"x-amz-content-sha256", EMPTY_SHA256.encode()),),
        "host;x-amz-content-sha256;x-amz-date",
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    ),
    "list-objects": (
        "GET",
        b"/",
        b"max-keys=2&prefix=J",
        ((b"x-amz-content-sha256", EMPTY_SHA256.encode()),),
        "host;x-amz-content-sha256;x-amz-date",
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_amazons_published_examples_verify(name: str) -> None:
    method, path, query, headers, signed, signature = EXAMPLES[name]
    authorization = (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders={signed},Signature={signature}"
    )
    head = RequestHead(
        method,
        path,
        query,
        (
            (b"host", b"examplebucket.s3.amazonaws.com"),
            (b"x-amz-date", b"20130524T000000Z"),
            *headers,
            (b"authorization", authorization.encode()),
        ),
    )
    claim = read_header(
        head, CanonicalQuery(query), region="us-east-1", now=EXAMPLE_TIME, max_skew=900
    )
    verify(claim, EXAMPLE_SECRET)
    with pytest.raises(SignatureMismatch):
        verify(claim, EXAMPLE_SECRET + "x")


def test_signing_gives_amazons_published_signature() -> None:
    method, path, query, _, signed, signature = EXAMPLES["list-objects"]
    credentials = Credentials(
        key_id="AKIAIOSFODNN7EXAMPLE", secret=EXAMPLE_SECRET, region="us-east-1"
    )
    host = [(b"host", b"examplebucket.s3.amazonaws.com")]
    added = dict(
        sign_headers(method, path, query, host, credentials, payload=EMPTY_SHA256, now=EXAMPLE_TIME)
    )
    assert (
        added[b"authorization"].decode().endswith(f"SignedHeaders={signed}, Signature={signature}")
    )


def _signed() -> Wire:
    """A PUT that verifies, signed by Sluice's own signer."""
    host = (b"host", HOST.encode())
    credentials = Credentials(key_id=KEY_ID, secret=SECRET, region=REGION)
    added = sign_headers(
        "PUT", b"/bucket/k", b"", [host], credentials, payload=UNSIGNED_PAYLOAD, now=NOW
    )
    return Wire("PUT", b"/bucket/k", b"", (host, *added))


def test_what_sluice_signs_is_what_botocore_signs() -> None:
    theirs = botocore_headers(
        "PUT", b"/bucket/k", b"uploadId=x&partNumber=2", [("content-type", "a/b")], hashed=False
    )
    headers = [(b"host", HOST.encode()), (b"content-type", b"a/b")]
    credentials = Credentials(key_id=KEY_ID, secret=SECRET, region=REGION)
    ours = dict(
        sign_headers(
            theirs.method,
            theirs.path,
            theirs.query,
            headers,
            credentials,
            payload=UNSIGNED_PAYLOAD,
            now=NOW,
        )
    )
    assert ours[b"authorization"] == theirs.header(b"authorization")


def test_a_session_token_is_signed_for_stores_that_want_one() -> None:
    credentials = Credentials(key_id=KEY_ID, secret=SECRET, region=REGION, token="temporary")
    added = dict(
        sign_headers(
            "GET", b"/b", b"", [(b"host", b"h")], credentials, payload=EMPTY_SHA256, now=NOW
        )
    )
    assert added[b"x-amz-security-token"] == b"temporary"
    assert b"x-amz-security-token" in added[b"authorization"]
    assert "temporary" not in repr(credentials)
    assert SECRET not in repr(credentials)


def test_a_separating_space_may_be_missing() -> None:
    wire = _signed()
    value = wire.header(b"authorization").replace(b", ", b",")
    verify(read(wire.with_header(b"authorization", value)), SECRET)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"AWS4-HMAC-SHA256", b"AWS4-ECDSA-P256-SHA256"),
        (b"AWS4-HMAC-SHA256", b"AWS4-HMAC-SHA1"),
        (b"AWS4-HMAC-SHA256", b"aws4-hmac-sha256"),
        (b"AWS4-HMAC-SHA256 ", b"AWS4-HMAC-SHA256  "),
        (b", SignedHeaders", b",  SignedHeaders"),
        (b"Credential=", b"credential="),
        (b"Credential=", b""),
        (b", Signature=", b", Signature"),
        (b", Signature=", b", Extra=1, Signature="),
    ],
)
def test_case_17_only_the_one_algorithm_and_form_is_read(old: bytes, new: bytes) -> None:
    wire = _signed()
    value = wire.header(b"authorization")
    assert old in value
    with pytest.raises(MalformedCredential) as refused:
        read(wire.with_header(b"authorization", value.replace(old, new)))
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("offset", "fine"), [(900, True), (901, False), (-900, True), (-901, False)]
)
def test_case_12_the_date_may_be_15_minutes_off_either_way(offset: int, fine: bool) -> None:
    wire = _signed()
    if fine:
        verify(read(wire, now=NOW + offset), SECRET)
        return
    with pytest.raises(ClockSkew) as refused:
        read(wire, now=NOW + offset)
    assert refused.value.status == 403
    assert refused.value.members["request_time"] == "20261121T120000Z"


@pytest.mark.parametrize("date", ["Sat, 21 Nov 2026 12:00:00 GMT", "20261121T120000Z"])
def test_case_12_a_lone_date_header_is_the_date_that_counts(date: str) -> None:
    wire = botocore_headers(
        "GET", b"/bucket/k", headers=[("Date", "Sat, 21 Nov 2026 12:00:00 GMT")]
    )
    assert b"x-amz-date" not in dict(wire.headers)
    verify(read(wire), SECRET)
    with pytest.raises(ClockSkew):
        read(wire.with_header(b"date", date.encode()), now=NOW + 901)


def test_case_12_no_date_and_no_real_date_are_refused() -> None:
    wire = _signed().without_header(b"x-amz-date")
    with pytest.raises(MalformedCredential, match="x-amz-date"):
        read(wire)
    for date in (b"yesterday", b"Sat, 31 Feb 2026 12:00:00 GMT"):
        with pytest.raises(MalformedCredential):
            read(wire.with_header(b"date", date))


@pytest.mark.parametrize(
    "name",
    [
        *(b"x-amz-acl", b"x-amz-tagging", b"x-amz-copy-source", b"x-amz-storage-class"),
        *(b"x-amz-meta-a", b"x-http-method-override"),
    ],
)
def test_case_07_an_unsigned_amz_header_is_refused_and_named(name: bytes) -> None:
    with pytest.raises(UnsignedHeader) as refused:
        read(_signed().with_header(name, b"v"))
    assert refused.value.status == 403
    assert refused.value.members == {"headers_not_signed": name.decode()}


def test_case_91_and_96_of_many_unsigned_headers_few_are_named_and_no_token() -> None:
    wire = _signed().with_header(b"x-amz-17f8c0ffee0123456789", b"v")
    for at in range(50):
        wire = wire.with_header(b"x-amz-meta-a%d" % at, b"v")
    with pytest.raises(UnsignedHeader) as refused:
        read(wire)
    assert "17f8" not in refused.value.detail
    named = str(refused.value.members["headers_not_signed"]).split(", ")
    assert (named[0], named[-1], len(named)) == ("?", "...", 6)


def test_other_unsigned_headers_are_routine() -> None:
    wire = _signed().with_header(b"user-agent", b"curl").with_header(b"accept-encoding", b"gzip")
    verify(read(wire), SECRET)


def test_case_18_a_session_token_is_refused_wherever_it_stands() -> None:
    token = (b"x-amz-security-token", b"t")
    credentials = Credentials(key_id=KEY_ID, secret=SECRET, region=REGION, token="t")
    host = (b"host", HOST.encode())
    added = sign_headers("GET", b"/b", b"", [host], credentials, payload=EMPTY_SHA256, now=NOW)
    assert token in added
    for wire in (
        Wire("GET", b"/b", b"", (host, *added)),
        botocore_headers("GET", b"/b", b"X-Amz-Security-Token=t"),
        botocore_headers("GET", b"/b", b"x-amz-security-token=t"),
    ):
        with pytest.raises(InvalidToken) as refused:
            read(wire)
        assert refused.value.status == 403


def test_the_payload_hash_is_required() -> None:
    with pytest.raises(BadRequest, match="x-amz-content-sha256"):
        read(_signed().without_header(b"x-amz-content-sha256"))


def test_case_09_header_signatures_have_no_stand_ins_in_the_query() -> None:
    wire = botocore_headers("PUT", b"/bucket/k", b"x-amz-acl=private", [("x-amz-acl", "private")])
    verify(read(wire), SECRET)
    with pytest.raises(SignatureMismatch, match="not sent"):
        read(wire.without_header(b"x-amz-acl"))


@pytest.mark.parametrize("path", [b"/bucket/%zz", b"bucket"])
def test_what_has_no_canonical_form_cannot_be_signed(path: bytes) -> None:
    credentials = Credentials(key_id=KEY_ID, secret=SECRET, region=REGION)
    with pytest.raises(GatewayError):
        sign_headers("GET", path, b"", [], credentials, payload=EMPTY_SHA256, now=NOW)
