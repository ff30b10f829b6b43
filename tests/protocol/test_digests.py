"""Digests: RFC 9530 fields, Content-MD5, and S3's checksums."""

import hashlib
from base64 import b64encode
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest, InvalidArgument, InvalidDigest
from gateway.model import Digest
from gateway.protocol.digests import (
    CHECKSUM_NAMES,
    SIZES,
    agreed,
    checksum_headers,
    format_digest_field,
    one_checksum,
    parse_checksum,
    parse_digest_field,
    parse_upload_checksum,
    read_body_digest,
    read_digests,
    read_repr_digests,
    read_wanted,
)
from tests.protocol.heads import request

# RFC 9530, appendix B.1: the representation {"hello": "world"} and a line feed.
RFC_BODY = b'{"hello": "world"}\n'
RFC_FIELD = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"


def put(*lines: str) -> tuple[Digest, ...]:
    return read_digests(request("PUT /photos/a\n" + "\n".join(lines)))


def test_the_example_of_the_rfc_is_read_and_written() -> None:
    digest = Digest("sha-256", hashlib.sha256(RFC_BODY).digest())
    assert parse_digest_field(RFC_FIELD) == (digest,)
    assert format_digest_field([digest]) == RFC_FIELD


def test_unknown_algorithms_are_ignored_and_known_ones_kept_in_order() -> None:
    field = f"id-sha-256=:AAAA:, md5=:{b64encode(bytes(16)).decode()}:, {RFC_FIELD};x=1, foo=1, bar"
    assert [digest.algorithm for digest in parse_digest_field(field)] == ["md5", "sha-256"]
    assert parse_digest_field("") == ()


@pytest.mark.parametrize(
    "field",
    [
        "sha-256=:AAAA:",
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg:x",
        "sha-256=RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=",
        "sha-256=?1",
        "sha-256",
        'sha-256="abc"',
        "sha-256=(:AAAA: :AAAA:)",
        "sha-256=:!!!!:",
        "SHA-256=:AAAA:",
        "sha-256=:AAAA:,,",
        "\xff",
    ],
)
def test_case_47_a_malformed_digest_is_refused(field: str) -> None:
    with pytest.raises(InvalidDigest):
        parse_digest_field(field)
    with pytest.raises(InvalidDigest, match="Content-Digest"):
        put(f"Content-Digest: {field}")


def test_all_digest_headers_are_read_each_algorithm_once() -> None:
    md5 = b64encode(bytes(16)).decode()
    assert put(
        f"Content-Digest: {RFC_FIELD}", f"Repr-Digest: {RFC_FIELD}", f"Content-MD5: {md5}"
    ) == (
        Digest("sha-256", hashlib.sha256(RFC_BODY).digest()),
        Digest("md5", bytes(16)),
    )
    assert put() == ()


def test_two_digests_that_contradict_each_other_are_refused() -> None:
    other = b64encode(bytes(32)).decode()
    with pytest.raises(InvalidDigest, match="different sha-256"):
        put(f"Content-Digest: {RFC_FIELD}", f"Repr-Digest: sha-256=:{other}:")


@pytest.mark.parametrize(
    "value", ["", "AAAA", "not base64", "d41d8cd98f00b204e9800998ecf8427e", "ä"]
)
def test_case_47_content_md5_is_base64_of_16_bytes(value: str) -> None:
    with pytest.raises(InvalidDigest, match="Content-MD5"):
        put(f"Content-MD5: {value}")


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ([], ()),
        (["Want-Repr-Digest: sha-256=1, sha-512=10"], ("sha-512", "sha-256")),
        (["Want-Repr-Digest: sha-256=5, sha-512=0"], ("sha-256",)),
        (["Want-Content-Digest: sha-512=3"], ("sha-512",)),
        (["Want-Repr-Digest: md5=10, sha-256=1"], ("sha-256",)),
        (["Want-Repr-Digest: sha-256=?1, sha-512=11"], ()),
        (["Want-Repr-Digest: sha-256=(1)"], ()),
        (["Want-Repr-Digest: ,,", "Want-Content-Digest: sha-256=2"], ("sha-256",)),
        (["Want-Repr-Digest: sha-256=2", "Want-Content-Digest: sha-256=9, sha-512=5"], ("sha-256", "sha-512")),
    ],
)  # fmt: skip
def test_wishes_are_ordered_by_weight(lines: list[str], wanted: tuple[str, ...]) -> None:
    assert read_wanted(request("PUT /photos/a\n" + "\n".join(lines))) == wanted


@pytest.mark.parametrize(("name", "algorithm"), CHECKSUM_NAMES.items())
def test_s3_checksums_are_read_and_written(name: str, algorithm: str) -> None:
    value = bytes(range(SIZES[algorithm]))
    digest = parse_checksum(name, b64encode(value).decode())
    assert digest == Digest(algorithm, value)
    assert checksum_headers([digest]) == (
        (f"x-amz-checksum-{name}".encode(), b64encode(value)),
        (b"x-amz-checksum-type", b"FULL_OBJECT"),
    )


def test_digests_without_a_name_on_the_wire_are_left_out() -> None:
    assert checksum_headers([Digest("md5", bytes(16))]) == ()
    assert format_digest_field([Digest("crc32", bytes(4))]) == ""


def test_case_46_two_checksums_are_refused() -> None:
    assert one_checksum([]) is None
    assert one_checksum([("crc32", "AAAAAA==")]) == Digest("crc32", bytes(4))
    with pytest.raises(BadRequest, match="at most one"):
        one_checksum([("crc32", "AAAAAA=="), ("crc32c", "AAAAAA==")])


@pytest.mark.parametrize(
    ("name", "value"), [("crc32", "AAAA"), ("sha256", "AAAAAA=="), ("crc32", "x")]
)
def test_a_checksum_of_a_wrong_length_is_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidDigest, match=f"x-amz-checksum-{name}"):
        parse_checksum(name, value)


def test_an_unknown_checksum_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="md4"):
        parse_checksum("md4", "AAAA")


digests = st.sampled_from(["sha-256", "sha-512", "md5", "sha1", "crc32c"]).flatmap(
    lambda name: st.binary(min_size=SIZES[name], max_size=SIZES[name]).map(
        lambda value: Digest(name, value)
    )
)


@given(st.lists(digests, unique_by=lambda digest: digest.algorithm))
def test_what_is_written_is_read_back(found: list[Digest]) -> None:
    assert parse_digest_field(format_digest_field(found)) == tuple(found)
    assert agreed([*found, *found]) == tuple(found)


@given(st.text(st.characters(max_codepoint=255), max_size=40))
def test_only_invalid_digest_escapes(text: str) -> None:
    for field in (text, f"sha-256={text}"):
        with suppress(InvalidDigest):
            assert all(
                len(found.value) == SIZES[found.algorithm] for found in parse_digest_field(field)
            )


@pytest.mark.parametrize(
    ("name", "algorithm", "size"),
    [("sha1", "sha1", 20), ("SHA256", "sha-256", 32), ("crc32", "crc32", 4)],
)
def test_T75_an_upload_checksum_has_a_name_and_base64(name: str, algorithm: str, size: int) -> None:
    text = f" {name} {b64encode(bytes(size)).decode()} "
    assert parse_upload_checksum(text) == Digest(algorithm, bytes(size))


@pytest.mark.parametrize("text", ["", "sha1", "md5 AAAA", "sha1 ?", "crc32 AAAAAAA="])
def test_T75_another_upload_checksum_is_refused(text: str) -> None:
    with pytest.raises(InvalidDigest, match="Upload-Checksum"):
        parse_upload_checksum(text)


def test_of_a_bodys_digests_the_strongest_is_checked() -> None:
    sha256, sha512 = (b64encode(bytes(n)).decode() for n in (32, 64))
    md5 = f"Content-MD5: {b64encode(bytes(16)).decode()}"
    text = f"PATCH /\n{md5}\nContent-Digest: sha-256=:{sha256}:, sha-512=:{sha512}:"
    assert read_body_digest(request(text)) == Digest("sha-512", bytes(64))
    assert read_body_digest(request(f"PATCH /\n{md5}")) == Digest("md5", bytes(16))
    assert read_body_digest(request(f"PATCH /\nRepr-Digest: sha-256=:{sha256}:")) is None
    with pytest.raises(InvalidDigest, match="Content-Digest"):
        read_body_digest(request("PATCH /\nContent-Digest: sha-256=:AA==:"))


def test_digests_of_the_whole_stand_in_repr_digest_alone() -> None:
    value = f"sha-256=:{b64encode(bytes(32)).decode()}:"
    text = f"PATCH /\nContent-Digest: {value}\nRepr-Digest: {value}"
    assert read_repr_digests(request(text)) == (Digest("sha-256", bytes(32)),)
    assert read_repr_digests(request(f"PATCH /\nContent-Digest: {value}")) == ()


def test_the_checksum_that_parts_can_prove_is_claimed_by_its_name() -> None:
    digest = Digest("crc64nvme", bytes(range(8)))
    text = f"crc64nvme=:{b64encode(digest.value).decode()}:"
    assert parse_digest_field(text, "Repr-Digest") == (digest,)
    assert format_digest_field([digest]) == text
