"""Names, as details and logs may repeat them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.names import listed, shown


@pytest.mark.parametrize(
    "name",
    [
        "v",
        "v2",
        "acl",
        "x-id",
        "partNumber",
        "uploadId",
        "versionId",
        "AWSAccessKeyId",
        "X-Amz-Content-Sha256",
        "X-Amz-SignedHeaders",
        "x-amz-checksum-crc64nvme",
        "x-amz-server-side-encryption-customer-algorithm",
        "x-amz-meta-my_file.name",
        "response-content-disposition",
        "intelligent-tiering",
    ],
)
def test_words_are_shown(name: str) -> None:
    assert shown(name) == name


@pytest.mark.parametrize(
    "name", ["", "a b", "a\n", "x" * 49, "%41", "ü", "x-amz-17f8c0ffee0123456789abcdef0123456789"]
)
def test_what_is_no_name_is_not(name: str) -> None:
    assert shown(name) == "?"


@given(st.binary(min_size=16, max_size=32))
def test_case_91_a_mac_in_hex_is_never_shown(mac: bytes) -> None:
    # Sixteen bytes of which all are letters in hex: one in ten billion macs.
    if any(digit.isdigit() for digit in mac.hex()[4:-7]):
        assert shown(mac.hex()) == "?"
        assert shown("x-amz-" + mac.hex()) == "?"


@pytest.mark.parametrize("names", [[], ["acl"], ["acl"] * 5])
def test_few_names_are_listed_whole(names: list[str]) -> None:
    assert listed(names) == ", ".join(names)


def test_case_96_many_names_are_listed_in_part() -> None:
    assert listed(["acl", "17f8c0ffee0123456789"] + ["tagging"] * 100) == (
        "acl, ?, tagging, tagging, tagging, ..."
    )
