"""Signature Version 4 against botocore, against changes, and piece by piece."""

import random
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import (
    BadRequest,
    GatewayError,
    InvalidDigest,
    MalformedCredential,
    NotImplementedHere,
    SignatureMismatch,
    UnsignedHeader,
)
from gateway.protocol.signatures.authorization import Credentials, sign_headers
from gateway.protocol.signatures.sigv4 import (
    STREAMING,
    Scope,
    read_credential,
    read_signed_names,
    read_timestamp,
    signing_key,
    verify,
    write_timestamp,
)
from tests.protocol.signatures.wire import (
    HOST,
    KEY_ID,
    NOW,
    REGION,
    SECRET,
    Wire,
    botocore_headers,
    botocore_presigned,
    random_request,
    read,
    respelled,
)

Change = Callable[[Wire, random.Random], Wire]


def _other_method(wire: Wire, rng: random.Random) -> Wire:
    return replace(wire, method="PUT" if wire.method != "PUT" else "GET")


def _longer_path(wire: Wire, rng: random.Random) -> Wire:
    return replace(wire, path=wire.path + rng.choice((b"x", b"/", b"%20", b"%c3%a9")))


def _doubled_slash(wire: Wire, rng: random.Random) -> Wire:
    return replace(wire, path=b"/" + wire.path)


def _added_parameter(wire: Wire, rng: random.Random) -> Wire:
    added = rng.choice((b"acl", b"tagging=", b"versionId=null", b"zz=%00"))
    return replace(wire, query=wire.query + b"&" + added)


def _changed_parameter(wire: Wire, rng: random.Random) -> Wire:
    pieces = [piece for piece in wire.query.split(b"&") if piece]
    if not pieces:
        return _added_parameter(wire, rng)
    at = rng.randrange(len(pieces))
    pieces[at] += b"0" if b"=" in pieces[at] else b"=0"
    return replace(wire, query=b"&".join(pieces))


def _dropped_parameter(wire: Wire, rng: random.Random) -> Wire:
    pieces = [piece for piece in wire.query.split(b"&") if piece]
    if not pieces:
        return _added_parameter(wire, rng)
    pieces.pop(rng.randrange(len(pieces)))
    return replace(wire, query=b"&".join(pieces))


def _signed(wire: Wire) -> list[bytes]:
    names = read(wire).canonical.split(b"\n")[-2].split(b";")
    return [name for name, _ in wire.headers if name in names]


def _changed_header(wire: Wire, rng: random.Random) -> Wire:
    name = rng.choice(_signed(wire))
    at = rng.choice([i for i, (n, _) in enumerate(wire.headers) if n == name])
    headers = list(wire.headers)
    headers[at] = (name, headers[at][1] + b"x")
    return replace(wire, headers=tuple(headers))


def _dropped_header(wire: Wire, rng: random.Random) -> Wire:
    return wire.without_header(rng.choice(_signed(wire)))


def _repeated_header(wire: Wire, rng: random.Random) -> Wire:
    name = rng.choice(_signed(wire))
    return replace(wire, headers=(*wire.headers, (name, b"again")))


def _added_amz_header(wire: Wire, rng: random.Random) -> Wire:
    return wire.with_header(rng.choice((b"x-amz-acl", b"x-amz-tagging", b"x-amz-meta-new")), b"v")


CHANGES: tuple[Change, ...] = (
    _other_method,
    _longer_path,
    _doubled_slash,
    _added_parameter,
    _changed_parameter,
    _dropped_parameter,
    _changed_header,
    _dropped_header,
    _repeated_header,
    _added_amz_header,
)


@pytest.mark.parametrize("count", [500, pytest.param(20_000, marks=pytest.mark.slow)])
def test_what_botocore_signed_verifies_and_no_changed_request_does(count: int) -> None:
    rng = random.Random(20261121)
    for number in range(count):
        wire = random_request(rng)
        verify(read(wire), SECRET)
        verify(read(respelled(wire, rng)), SECRET)
        change = CHANGES[number % len(CHANGES)]
        changed = change(wire, rng)
        with pytest.raises(GatewayError) as refused:
            verify(read(changed), SECRET)
        assert refused.value.status in (400, 403), (change.__name__, wire, changed)


_WIRES = (
    botocore_headers(
        "PUT",
        b"/bucket/a%20b/c",
        b"uploadId=x&partNumber=1",
        [("x-amz-meta-a", "b c")],
        body=b"body",
    ),
    botocore_presigned("GET", b"/bucket/k", b"versionId=1", [("range", "bytes=0-9")]),
)


@settings(max_examples=300)
@given(st.data())
def test_a_changed_byte_is_refused_unless_it_says_the_same(data: st.DataObject) -> None:
    wire = data.draw(st.sampled_from(_WIRES))
    texts = [wire.path, wire.query, *(value for _, value in wire.headers)]
    which = data.draw(st.sampled_from([i for i, text in enumerate(texts) if text]))
    at = data.draw(st.integers(0, len(texts[which]) - 1))
    byte = data.draw(st.integers(0, 255))
    texts[which] = texts[which][:at] + bytes([byte]) + texts[which][at + 1 :]
    values = texts[2:]
    headers = tuple((name, value) for (name, _), value in zip(wire.headers, values, strict=True))
    changed = Wire(wire.method, texts[0], texts[1], headers)
    try:
        claim = read(changed)
        verify(claim, SECRET if claim.key_id == KEY_ID else "the secret of another key")
    except GatewayError:
        return
    assert claim == read(wire)


def test_a_wrong_secret_tells_the_client_what_was_signed_and_never_the_signature() -> None:
    wire = botocore_headers("PUT", b"/bucket/k", body=b"x")
    wrong = botocore_headers("PUT", b"/bucket/k", body=b"x", secret="other")
    right_signature = read(wire).signature
    claim = read(wrong)
    with pytest.raises(SignatureMismatch) as refused:
        verify(claim, SECRET)
    members = refused.value.members
    assert members["aws_access_key_id"] == claim.key_id
    assert members["signature_provided"] == claim.signature
    assert str(members["string_to_sign"]).startswith("AWS4-HMAC-SHA256\n20261121T")
    assert str(members["canonical_request"]).startswith("PUT\n/bucket/k\n\n")
    assert right_signature not in refused.value.detail + repr(members)
    assert SECRET not in refused.value.detail + repr(members)


def test_canonical_requests_that_are_not_utf8_can_be_shown() -> None:
    wire = botocore_headers("PUT", b"/bucket/k").with_header(b"x-amz-date", b"20261121T120000Z")
    odd = wire.with_header(b"host", b"\xff")
    with pytest.raises(SignatureMismatch) as refused:
        verify(read(odd), SECRET)
    assert "host:\\xff" in str(refused.value.members["canonical_request"])


def test_the_verdict_pins_the_body_that_was_hashed() -> None:
    payload = verify(read(botocore_headers("PUT", b"/bucket/k", body=b"abc")), SECRET).payload
    assert payload is not None
    assert (payload.algorithm, payload.value) == ("sha-256", sha256(b"abc").digest())


def test_the_verdict_on_an_unsigned_payload_pins_nothing() -> None:
    wire = botocore_headers("PUT", b"/bucket/k", body=b"abc", hashed=False)
    assert verify(read(wire), SECRET).payload is None


def _streaming(form: str, secret: str = SECRET, method: str = "PUT") -> Wire:
    host = (b"host", HOST.encode())
    credentials = Credentials(key_id=KEY_ID, secret=secret, region=REGION)
    added = sign_headers(method, b"/bucket/k", b"", [host], credentials, payload=form, now=NOW)
    return Wire(method, b"/bucket/k", b"", (host, *added))


@pytest.mark.parametrize("form", sorted(STREAMING))
def test_case_03_a_streaming_payload_is_told_it_is_not_offered_only_once_it_verifies(
    form: str,
) -> None:
    with pytest.raises(NotImplementedHere, match=form):
        verify(read(_streaming(form)), SECRET)
    with pytest.raises(SignatureMismatch):
        verify(read(_streaming(form, "forged")), SECRET)


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
def test_case_06_a_streaming_payload_belongs_to_put(method: str) -> None:
    with pytest.raises(BadRequest, match="streaming"):
        read(_streaming("STREAMING-UNSIGNED-PAYLOAD-TRAILER", method=method))


@pytest.mark.parametrize(
    "payload", ["", "abc", "0" * 63, "g" * 64, "unsigned-payload", "STREAMING-X"]
)
def test_case_48_a_payload_hash_is_64_hex_digits_or_a_known_constant(payload: str) -> None:
    with pytest.raises(InvalidDigest):
        read(_streaming(payload))


@pytest.mark.parametrize(
    ("names", "error"),
    [
        ("", MalformedCredential),
        ("host;;x", MalformedCredential),
        ("host;", MalformedCredential),
        (";host", MalformedCredential),
        ("Host", MalformedCredential),
        ("host;host", MalformedCredential),
        ("x-amz-date;host", MalformedCredential),
        ("host;x y", MalformedCredential),
        ("x-amz-date", UnsignedHeader),
    ],
)
def test_case_08_signed_headers_are_a_sorted_list_with_host(
    names: str, error: type[GatewayError]
) -> None:
    with pytest.raises(error):
        read_signed_names(names)


@pytest.mark.parametrize(
    "text",
    [
        "KEY/20261120/us-east-1/s3/aws4_request",
        "KEY/20261121/eu-west-1/s3/aws4_request",
        "KEY/20261121/us-east-1/ec2/aws4_request",
        "KEY/20261121/us-east-1/s3/aws5_request",
        "KEY/20261121/us-east-1/s3",
        "/20261121/us-east-1/s3/aws4_request",
        "K" * 129 + "/20261121/us-east-1/s3/aws4_request",
        "",
    ],
)
def test_case_13_the_scope_must_be_of_the_day_the_region_and_s3(text: str) -> None:
    with pytest.raises(MalformedCredential):
        read_credential(text, "20261121T120000Z", REGION)


def test_case_13_another_region_is_told_the_right_one() -> None:
    with pytest.raises(MalformedCredential) as refused:
        read_credential("KEY/20261121/eu-west-1/s3/aws4_request", "20261121T120000Z", REGION)
    assert refused.value.members == {"region": REGION}


def test_a_key_id_may_hold_slashes() -> None:
    read_id, scope = read_credential(
        "team/key/20261121/us-east-1/s3/aws4_request", "20261121T120000Z", REGION
    )
    assert (read_id, str(scope)) == ("team/key", "20261121/us-east-1/s3/aws4_request")


def test_timestamps_are_read_as_they_are_written() -> None:
    assert write_timestamp(int(NOW)) == "20261121T120000Z"
    assert read_timestamp("20261121T120000Z") == NOW


@pytest.mark.parametrize(
    "text", ["", "20261121T120000", "2026-11-21T12:00:00Z", "20261321T120000Z", "00000101T000000Z"]
)
def test_what_is_no_timestamp_is_refused(text: str) -> None:
    with pytest.raises(MalformedCredential):
        read_timestamp(text)


def test_signing_keys_follow_amazons_published_example() -> None:
    # "Examples of how to derive a signing key for Signature Version 4", AWS General Reference.
    key = signing_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20120215", "us-east-1", "iam")
    assert key.hex() == "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"
    assert Scope("20120215", "us-east-1", "iam").service == "iam"
