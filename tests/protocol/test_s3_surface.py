"""S3's headers and parameters: honoured, ignored, or refused, never dropped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest, GatewayError, InvalidArgument, NotImplementedHere
from gateway.protocol.s3_surface import (
    MAX_OVERRIDE,
    amz_headers,
    check_headers,
    check_query,
    checksums,
    metadata_headers,
    named_algorithm,
    read_overrides,
)
from tests.protocol.heads import request


def test_parameters_of_a_presigned_url_stand_in_for_headers() -> None:
    head = request("PUT /photos/a\nx-amz-date: d\nx-amz-meta-a: 1\nx-amz-acl: private\nother: x")
    query = {"X-Amz-Acl": "private", "x-amz-checksum-crc32": "AAAAAA==", "x-amz-meta-b": "2"}
    assert amz_headers(head, query) == {
        "x-amz-date": "d",
        "x-amz-acl": "private",
        "x-amz-checksum-crc32": "AAAAAA==",
    }
    assert metadata_headers(head, query)[-1] == (b"x-amz-meta-b", b"2")
    assert metadata_headers(head, {"X-Amz-Meta-A": "2"}) == head.headers


def test_case_10_a_header_comes_once_and_agrees_with_the_query() -> None:
    with pytest.raises(BadRequest, match="x-amz-date"):
        amz_headers(request("PUT /photos/a\nx-amz-date: 1\nx-amz-date: 1"), {})
    with pytest.raises(BadRequest, match="x-amz-acl differs"):
        amz_headers(request("PUT /photos/a\nx-amz-acl: private"), {"x-amz-acl": "public-read"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-amz-date", "20240101T000000Z"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("x-amz-security-token", "t"),
        ("x-amz-signature", "00"),
        ("x-amz-request-payer", "requester"),
        ("x-amz-user-agent", "aws-sdk-js"),
        ("x-amz-acl", "private"),
        ("x-amz-acl", "bucket-owner-full-control"),
        ("x-amz-storage-class", "STANDARD"),
        ("x-amz-checksum-type", "FULL_OBJECT"),
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA="),
        ("x-amz-sdk-checksum-algorithm", "CRC32"),
        ("x-amz-checksum-mode", "ENABLED"),
    ],
)
def test_what_is_honoured_or_cannot_matter_is_taken(name: str, value: str) -> None:
    check_headers({name: value}, writing=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-amz-acl", "public-read"),
        ("x-amz-grant-read", "id=1"),
        ("x-amz-storage-class", "GLACIER"),
        ("x-amz-server-side-encryption", "AES256"),
        ("x-amz-server-side-encryption-customer-key", "k"),
        ("x-amz-tagging", "a=b"),
        ("x-amz-website-redirect-location", "/"),
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        ("x-amz-copy-source", "/a/b"),
        ("x-amz-write-offset-bytes", "5"),
        ("x-amz-expected-bucket-owner", "123456789012"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
        ("x-amz-decoded-content-length", "5"),
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
        ("x-amz-checksum-type", "COMPOSITE"),
        ("x-amz-checksum-md4", "x"),
        ("x-amz-no-such", "x"),
        ("x-amz-", "x"),
    ],
)
def test_case_93_what_sluice_does_not_do_is_501(name: str, value: str) -> None:
    with pytest.raises(NotImplementedHere):
        check_headers({name: value}, writing=True)


@pytest.mark.parametrize("name", ["x-amz-acl", "x-amz-storage-class", "x-amz-checksum-crc32"])
def test_case_93_headers_of_a_write_mean_nothing_on_a_read(name: str) -> None:
    with pytest.raises(NotImplementedHere):
        check_headers({name: "private"}, writing=False)


def test_case_81_a_copy_source_belongs_on_put() -> None:
    with pytest.raises(BadRequest, match="PUT"):
        check_headers({"x-amz-copy-source": "/a/b"}, writing=False)


def test_checksums_and_their_algorithm_are_told_apart() -> None:
    amz = {
        "x-amz-checksum-crc32": "AAAAAA==",
        "x-amz-checksum-type": "FULL_OBJECT",
        "x-amz-sdk-checksum-algorithm": "CRC32",
    }
    assert checksums(amz) == [("crc32", "AAAAAA==")]
    assert named_algorithm(amz) == "crc32"
    assert named_algorithm({}) is None
    assert named_algorithm({"x-amz-checksum-algorithm": "SHA256"}) == "sha-256"


@pytest.mark.parametrize(
    "amz",
    [
        {"x-amz-checksum-algorithm": "MD5"},
        {"x-amz-checksum-algorithm": "CRC32", "x-amz-sdk-checksum-algorithm": "CRC32C"},
    ],
)
def test_one_known_algorithm_is_named(amz: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument, match="crc64nvme"):
        named_algorithm(amz)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"x-id": "GetObject"},
        {"X-Amz-Signature": "0"},
        {"versionId": "null"},
        {"response-content-type": "a/b"},
    ],
)
def test_parameters_that_an_object_has_are_taken(query: dict[str, str]) -> None:
    check_query(query, reading=True, ranged=False)


SUBRESOURCES = (
    *("acl", "tagging", "uploads", "uploadId", "partNumber", "legal-hold", "retention", "torrent"),
    *("attributes", "select", "restore", "versions", "location", "policy", "cors", "lifecycle"),
    *("list-type", "delete", "versionId", "append", "Acl", "no-such"),
)


@pytest.mark.parametrize("name", SUBRESOURCES)
@pytest.mark.parametrize("reading", [True, False])
def test_case_93_every_subresource_is_501(name: str, reading: bool) -> None:
    with pytest.raises(NotImplementedHere, match=name):
        check_query({name: "1"}, reading=reading, ranged=False)


@pytest.mark.parametrize("name", ["uploads", "uploadId", "partNumber"])
def test_who_begins_a_multipart_is_told_the_way_round(name: str) -> None:
    with pytest.raises(NotImplementedHere, match="multipart_threshold="):
        check_query({name: "1"}, reading=False, ranged=False)


def test_who_reads_a_part_is_not_told_of_uploads() -> None:
    with pytest.raises(NotImplementedHere) as caught:
        check_query({"partNumber": "1"}, reading=True, ranged=False)
    assert "Multipart" not in caught.value.detail


def test_case_93_response_headers_cannot_be_set_on_a_write() -> None:
    with pytest.raises(NotImplementedHere):
        check_query({"response-content-type": "a/b"}, reading=False, ranged=False)


@pytest.mark.parametrize("number", ["0", "10001", "-1", "x", "", "1.0", "٣", "9" * 5000])
def test_case_70_a_part_number_is_1_to_10000(number: str) -> None:
    with pytest.raises(InvalidArgument, match="partNumber"):
        check_query({"partNumber": number}, reading=True, ranged=False)


def test_case_70_range_and_part_number_exclude_each_other() -> None:
    with pytest.raises(BadRequest, match="Range"):
        check_query({"partNumber": "1"}, reading=True, ranged=True)
    with pytest.raises(NotImplementedHere):
        check_query({"partNumber": "10000"}, reading=False, ranged=True)


def test_case_29_the_six_overrides_are_read() -> None:
    names = ("cache-control", "content-disposition", "content-encoding", "content-language")
    query = {f"response-{name}": "ü" for name in (*names, "content-type", "expires")}
    assert read_overrides(query | {"response-etag": "x"}, signed=True) == tuple(
        (name.encode(), b"\xfc") for name in (*names, "content-type", "expires")
    )
    assert read_overrides({}, signed=False) == ()


def test_case_29_overrides_need_a_signature() -> None:
    with pytest.raises(BadRequest, match="signature"):
        read_overrides({"response-content-type": "text/html"}, signed=False)


@pytest.mark.parametrize("value", ["a\r\nb", "a\x00", "☃", "a" * (MAX_OVERRIDE + 1), "\x7f"])
def test_case_29_an_override_cannot_split_or_flood_the_response(value: str) -> None:
    with pytest.raises(InvalidArgument):
        read_overrides({"response-content-disposition": value}, signed=True)


texts = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["x-amz-acl", "partNumber", "versionId", "x-amz-checksum-crc32", "private"]),
)


@given(st.dictionaries(texts, texts, max_size=4), st.booleans())
def test_only_gateway_errors_escape(pairs: dict[str, str], flag: bool) -> None:
    head = request("PUT /photos/a")
    for check in (
        lambda: check_headers(amz_headers(head, pairs), writing=flag),
        lambda: check_query(pairs, reading=flag, ranged=flag),
        lambda: named_algorithm(pairs),
        lambda: read_overrides(pairs, signed=flag),
        lambda: metadata_headers(head, pairs),
    ):
        try:
            check()
        except GatewayError:
            continue
