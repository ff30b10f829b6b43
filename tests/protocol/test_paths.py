"""Raw paths to buckets and keys: decoded once, literal, refused where they must be."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import GatewayError, InvalidBucketName, InvalidUri, KeyTooLong
from gateway.model import ObjectKey
from gateway.protocol.paths import (
    bucket_of_host,
    check_bucket,
    check_key,
    decode_path,
    split_path,
    strip_base,
)


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        (b"/", None),
        (b"/photos", ObjectKey("photos", "")),
        (b"/photos/", ObjectKey("photos", "")),
        (b"/photos/a", ObjectKey("photos", "a")),
        (b"/photos//a", ObjectKey("photos", "/a")),
        (b"/photos/a//b/", ObjectKey("photos", "a//b/")),
        (b"/photos/a%20b", ObjectKey("photos", "a b")),
        (b"/ph%6Ftos/a%2fb", ObjectKey("photos", "a/b")),
        (b"/photos/\xc3\xbc", ObjectKey("photos", "ü")),
        (b"/photos/...", ObjectKey("photos", "...")),
        (b"/photos/C:%5Cx", ObjectKey("photos", "C:\\x")),
    ],
)
def test_a_path_names_a_bucket_and_a_key(raw: bytes, key: ObjectKey | None) -> None:
    assert split_path(raw, strict=True) == key


@pytest.mark.parametrize("path", ["..", ".", "a/..", "a/./b", "..%2fx", "%2e%2e/x", "a/%2e"])
def test_case_58_dot_segments_are_literal_for_s3_and_refused_where_strict(path: str) -> None:
    raw = b"/photos/" + path.encode()
    found = split_path(raw, strict=False)
    assert found is not None
    assert found.name == path.replace("%2f", "/").replace("%2e", ".")
    with pytest.raises(InvalidUri, match="segment"):
        split_path(raw, strict=True)


def test_case_58_an_escaped_slash_never_separates_bucket_from_key() -> None:
    with pytest.raises(InvalidBucketName):
        split_path(b"/photos%2Fa", strict=False)


def test_case_59_escapes_are_decoded_exactly_once() -> None:
    assert decode_path(b"%252e%252E%2525") == "%2e%2E%25"


def test_case_60_plus_in_a_path_is_plus() -> None:
    assert decode_path(b"a+b%2Bc%20d") == "a+b+c d"


@pytest.mark.parametrize("raw", [b"%00", b"a%0ab", b"%7f", b"a%1F", b"%EF%BF%BF", b"%09"])
@pytest.mark.parametrize("strict", [True, False])
def test_case_61_what_xml_cannot_carry_is_refused(raw: bytes, strict: bool) -> None:
    with pytest.raises(InvalidUri, match="control"):
        split_path(b"/photos/" + raw, strict=strict)


@pytest.mark.parametrize("raw", [b"%ff", b"%c3", b"\xff", b"%ed%a0%80", b"%c0%80"])
def test_case_62_bytes_that_are_not_utf8_are_refused(raw: bytes) -> None:
    with pytest.raises(InvalidUri, match="UTF-8"):
        decode_path(raw)


@pytest.mark.parametrize("raw", [b"%", b"%4", b"%zz", b"a%2", b"%%20", b"%u0041"])
def test_bad_escapes_are_refused(raw: bytes) -> None:
    with pytest.raises(InvalidUri, match="percent"):
        decode_path(raw)


@pytest.mark.parametrize("raw", [b"a b", b"a\x00", b"a#b", b"a\x7f", b"\ta"])
def test_bytes_that_must_be_escaped_are_refused_raw(raw: bytes) -> None:
    with pytest.raises(InvalidUri, match="percent-encoded"):
        decode_path(raw)


def test_case_63_unicode_forms_are_different_keys() -> None:
    composed, decomposed = decode_path(b"%C3%BC"), decode_path(b"u%CC%88")
    assert (composed, decomposed) == ("\u00fc", "u\u0308")


def test_case_64_keys_end_at_1024_bytes_of_utf8() -> None:
    assert check_key("ü" * 512, strict=True) == "ü" * 512
    for name in ("ü" * 512 + "a", "a" * 1025):
        with pytest.raises(KeyTooLong):
            check_key(name, strict=True)


@pytest.mark.parametrize("raw", [b"//a", b"//", b"//a/b"])
def test_case_64_an_empty_bucket_is_no_bucket(raw: bytes) -> None:
    with pytest.raises(InvalidBucketName):
        split_path(raw, strict=False)


@pytest.mark.parametrize("name", ["abc", "a.b-c", "1a2", "a" * 63, "a--b", "1.2.3.x"])
def test_bucket_names_follow_amazons_rules(name: str) -> None:
    assert check_bucket(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "ab",
            "a" * 64,
            "Photos",
            "a..b",
            "-ab",
            "ab-",
            ".ab",
            "ab.",
            "192.168.0.1",
            "a_b",
            "a b",
        ),
        *("xn--abc", "sthree-abc", "abc-s3alias", "abc--ol-s3", "bücher", "a/b", "abc\n"),
    ],
)
def test_case_65_other_bucket_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidBucketName):
        check_bucket(name)


def test_pitfall_05_the_base_path_is_stripped_on_a_segment_boundary_only() -> None:
    assert strip_base(b"/upload/a%2Fb", "/upload/") == b"a%2Fb"
    assert strip_base(b"/upload/", "/upload/") == b""
    assert strip_base(b"/uploads/a", "/upload/") is None
    assert strip_base(b"/upload", "/upload/") is None
    assert strip_base(b"/upload%2Fa", "/upload/") is None
    assert strip_base(b"/x", "/") == b"x"
    assert strip_base(b"/h%C3%BCtte/x", "/hütte/") == b"x"


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("photos.s3.example.org", "photos"),
        ("a.b.s3.example.org", "a.b"),
        ("s3.example.org", None),
        ("example.org", None),
        ("xs3.example.org", None),
        ("photos.eu.s3.example.org", "photos"),
    ],
)
def test_a_bucket_may_stand_before_a_domain(host: str, bucket: str | None) -> None:
    assert bucket_of_host(host, ("S3.example.org", "eu.s3.example.org")) == bucket


def test_a_host_before_the_domain_must_be_a_bucket() -> None:
    with pytest.raises(InvalidBucketName):
        bucket_of_host("a..s3.example.org", ("s3.example.org",))


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_every_encoded_text_decodes_to_itself(text: str) -> None:
    assert decode_path(quote(text, safe="").encode()) == text


@given(st.binary(max_size=60), st.booleans())
def test_only_gateway_errors_escape(raw: bytes, strict: bool) -> None:
    try:
        key = split_path(b"/" + raw, strict=strict)
    except GatewayError:
        return
    assert key is None or len(key.name.encode()) <= 1024
