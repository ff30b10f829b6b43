"""Queries: strict, in order, decoded once."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest, GatewayError, InvalidUri
from gateway.protocol.query import has_signature, parse_query, refuse_overrides, single
from tests.protocol.heads import request


@pytest.mark.parametrize(
    ("raw", "pairs"),
    [
        (b"", ()),
        (b"acl", (("acl", ""),)),
        (b"uploads=", (("uploads", ""),)),
        (b"b=2&a=1&b=3", (("b", "2"), ("a", "1"), ("b", "3"))),
        (b"a=b=c", (("a", "b=c"),)),
        (b"&a&&", (("a", ""),)),
        (b"x%3Dy=%26", (("x=y", "&"),)),
        (b"k=%C3%BC;%2525", (("k", "ü;%25"),)),
    ],
)
def test_pairs_keep_their_order_and_are_decoded_once(
    raw: bytes, pairs: tuple[tuple[str, str], ...]
) -> None:
    assert parse_query(raw) == pairs


def test_case_60_plus_is_plus_in_a_query_too() -> None:
    assert parse_query(b"k=a+b%20c") == (("k", "a+b c"),)


@pytest.mark.parametrize("raw", [b"%", b"a=%f", b"a=%ff", b"a b", b"a=\x00", b"a#b"])
def test_what_cannot_be_decoded_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidUri):
        parse_query(raw)


def test_case_96_parameters_beyond_all_use_are_refused_before_they_are_read() -> None:
    assert len(parse_query(b"&".join(b"%%61%d=" % at for at in range(256)))) == 256
    with pytest.raises(InvalidUri, match="256"):
        parse_query(b"&".join(b"%%61%d=" % at for at in range(257)))


def test_case_91_a_token_sent_twice_in_place_of_a_name_is_not_told() -> None:
    with pytest.raises(BadRequest) as refused:
        single(parse_query(b"17f8c0ffee0123456789&17f8c0ffee0123456789"))
    assert "17f8" not in refused.value.detail


def test_case_11_a_parameter_sent_twice_is_refused() -> None:
    assert single(parse_query(b"a=1&A=2")) == {"a": "1", "A": "2"}
    with pytest.raises(BadRequest, match="versionId"):
        single(parse_query(b"versionId=1&versionId=1"))


@pytest.mark.parametrize(
    ("text", "signed"),
    [
        ("GET /photos/a", False),
        ("GET /photos/a\nAuthorization: Bearer x", False),
        ("GET /photos/a\nAuthorization: AWS4-HMAC-SHA256 Credential=x", True),
        ("GET /photos/a\nAuthorization: aws4-ecdsa-p256-sha256 x", True),
        ("GET /photos/a\nAuthorization: AWS id:sig", True),
        ("GET /photos/a\nAuthorization: AWSX id:sig", False),
        ("GET /photos/a?X-Amz-Signature=00", True),
        ("GET /photos/a?x-amz-credential=00", True),
        ("GET /photos/a?AWSAccessKeyId=x&Signature=y&Expires=1", True),
        ("GET /photos/a?X-Amz-Date=1", False),
        ("GET /photos/a?v2=00", False),
    ],
)
def test_a_signature_is_seen_in_the_header_or_the_query(text: str, signed: bool) -> None:
    head = request(text)
    assert has_signature(head, parse_query(head.raw_query)) is signed


@given(st.binary(max_size=80))
def test_only_gateway_errors_escape(raw: bytes) -> None:
    with suppress(GatewayError):
        single(parse_query(raw))


@pytest.mark.parametrize(
    "raw",
    [b"response-content-type=a", b"a=b&RESPONSE-expires", b"response%2Dx=1", b"%72esponse-x=1"],
)
def test_case_29_overrides_of_unsigned_reads_are_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest, match="signature"):
        refuse_overrides(raw)


@pytest.mark.parametrize("raw", [b"", b"a=response-content-type", b"xresponse-a=1", b"a%20=b"])
def test_other_parameters_are_no_overrides(raw: bytes) -> None:
    refuse_overrides(raw)
