"""Canonical spellings: decoded once, encoded again, nothing normalised."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest, InvalidUri, SignatureMismatch
from gateway.protocol.signatures.canonical import (
    CanonicalQuery,
    canonical_path,
    canonical_request,
    canonical_value,
    decode_once,
    encode,
    select_headers,
)


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        (b"/", b"/"),
        (b"/b/a%20b", b"/b/a%20b"),
        (b"/b/%c3%a9", b"/b/%C3%A9"),
        (b"/b/%41", b"/b/A"),
        (b"/b/a(b)'!*", b"/b/a%28b%29%27%21%2A"),
        (b"/b/a%2Fb", b"/b/a/b"),
        (b"/b//a/./../c", b"/b//a/./../c"),
        (b"/b/%252e", b"/b/%252e"),
        (b"/b/a+b", b"/b/a%2Bb"),
        (b"/b/a;b=c,d:e@f", b"/b/a%3Bb%3Dc%2Cd%3Ae%40f"),
        (b"/b/%ff", b"/b/%FF"),
    ],
)
def test_case_59_paths_are_decoded_and_encoded_once(raw: bytes, canonical: bytes) -> None:
    assert canonical_path(raw) == canonical


@pytest.mark.parametrize("raw", [b"", b"*", b"http://host/b/k", b"/b/%", b"/b/%4", b"/b/%zz"])
def test_a_target_that_is_no_path_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidUri):
        canonical_path(raw)


@given(st.binary())
def test_encoding_and_decoding_are_inverse(value: bytes) -> None:
    assert decode_once(encode(value)) == value


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        (b"", b""),
        (b"uploads", b"uploads="),
        (b"uploads=", b"uploads="),
        (b"uploadId=b&partNumber=1", b"partNumber=1&uploadId=b"),
        (b"a&&b=1&", b"a=&b=1"),
        (b"a-b=1&a=2", b"a=2&a-b=1"),
        (b"prefix=a%2fb%20c", b"prefix=a%2Fb%20c"),
        (b"q=a+b", b"q=a%2Bb"),
        (b"q=a=b", b"q=a%3Db"),
        (b"%61=1", b"a=1"),
    ],
)
def test_queries_have_one_spelling(raw: bytes, canonical: bytes) -> None:
    assert CanonicalQuery(raw).canonical() == canonical


@pytest.mark.parametrize("raw", [b"a=1&a=1", b"a&%61", b"versionId=1&x=2&versionId=3"])
def test_case_11_a_repeated_parameter_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest, match="more than once"):
        CanonicalQuery(raw)


@pytest.mark.parametrize("raw", [b"a=%", b"%zz=1", b"a=%4"])
def test_a_broken_escape_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidUri):
        CanonicalQuery(raw)


def test_parameters_are_read_decoded() -> None:
    query = CanonicalQuery(b"prefix=a%2Fb+c&flag&odd%20name=%C3%A9")
    assert query.get("prefix") == "a/b+c"
    assert query.get("flag") == ""
    assert query.get("odd name") == "é"
    assert query.get("Prefix") is None
    assert "flag" in query
    assert "nothing" not in query
    assert list(query.names()) == [b"prefix", b"flag", b"odd%20name"]
    assert query.starting_with(b"odd") == {b"odd%20name": "é".encode()}


def test_a_parameter_that_is_not_utf8_is_refused_when_it_is_read() -> None:
    query = CanonicalQuery(b"a=%ff")
    assert query.canonical() == b"a=%FF"
    with pytest.raises(InvalidUri):
        query.get("a")


@pytest.mark.parametrize(
    ("values", "canonical"),
    [
        ((b"a",), b"a"),
        ((b"  a   b\t c ",), b"a b c"),
        ((b"",), b""),
        ((b"b", b" a  c "), b"b,a c"),
        ((b"caf\xe9",), b"caf\xe9"),
    ],
)
def test_case_10_header_values_are_trimmed_and_joined_in_order(
    values: tuple[bytes, ...], canonical: bytes
) -> None:
    assert canonical_value(values) == canonical


def test_a_signed_header_comes_from_the_head_before_any_stand_in() -> None:
    stand_ins = {b"x-amz-acl": b"public-read", b"x-amz-meta-a": b" q  r "}
    selected = select_headers(
        {b"x-amz-acl": [b"private"]}, [b"x-amz-acl", b"x-amz-meta-a"], stand_ins
    )
    assert selected == [(b"x-amz-acl", b"private"), (b"x-amz-meta-a", b"q r")]


@pytest.mark.parametrize("raw", [b"a=1&=x", b"=x&a=1", b"a=1&%3D=x"])
def test_case_24_a_parameter_without_a_name_is_signed_like_the_others(raw: bytes) -> None:
    query = CanonicalQuery(raw)
    assert query.canonical() != b"a=1"
    assert query.canonical(without=b"a") in (b"=x", b"%3D=x")


def test_case_96_parameters_beyond_all_use_are_refused_before_they_are_read() -> None:
    CanonicalQuery(b"&".join(b"a%%62%d=" % at for at in range(256)))
    with pytest.raises(InvalidUri, match="256"):
        CanonicalQuery(b"&".join(b"a%%62%d=" % at for at in range(257)))


def test_case_91_a_token_in_place_of_a_name_is_not_told() -> None:
    with pytest.raises(BadRequest) as refused:
        CanonicalQuery(b"17f8c0ffee0123456789&17f8c0ffee0123456789")
    assert "17f8" not in refused.value.detail
    with pytest.raises(SignatureMismatch) as missing:
        select_headers({}, [b"x-17f8c0ffee0123456789"], {})
    assert "17f8" not in missing.value.detail


def test_case_09_a_signed_header_that_was_not_sent_is_never_empty() -> None:
    with pytest.raises(SignatureMismatch, match="content-type"):
        select_headers({b"host": [b"h"]}, [b"content-type", b"host"], {})


def test_the_canonical_request_has_the_documented_lines() -> None:
    headers = [(b"host", b"h"), (b"range", b"bytes=0-9")]
    assert canonical_request("GET", b"/k", b"a=1", headers, b"UNSIGNED-PAYLOAD") == (
        b"GET\n/k\na=1\nhost:h\nrange:bytes=0-9\n\nhost;range\nUNSIGNED-PAYLOAD"
    )


_PIECE = st.text(alphabet="aZ09-._~ =+/%ABCDEF2f(", max_size=12).map(
    lambda text: text.replace("%", "%2").encode()
)


@given(st.lists(st.tuples(_PIECE, _PIECE), max_size=4, unique_by=lambda pair: pair[0]))
def test_what_is_spelled_canonically_already_is_read_as_what_is_not(
    pairs: list[tuple[bytes, bytes]],
) -> None:
    raw = b"&".join(name.replace(b"=", b"") + b"=" + value for name, value in pairs if name)
    try:
        canonical = CanonicalQuery(raw).canonical()
    except (BadRequest, InvalidUri):
        return
    assert CanonicalQuery(canonical).canonical() == canonical
    for piece in canonical.split(b"&"):
        name, _, value = piece.partition(b"=")
        assert (encode(decode_once(name)), encode(decode_once(value))) == (name, value)
