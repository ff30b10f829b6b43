from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Digest
from gateway.storage.checksums import ALGORITHMS
from gateway.storage.s3.checksums import (
    PREFERENCE,
    chosen,
    named,
    of_listed_part,
    of_part,
    parameters,
    s3_name,
    to_send,
)

DIGESTS = [Digest(name, name.encode()) for name in (*PREFERENCE, "md5", "sha-512")]


def test_every_algorithm_that_s3_has_can_be_computed() -> None:
    assert set(PREFERENCE) <= ALGORITHMS


def test_names_may_be_written_as_s3_or_rfc_9530_write_them() -> None:
    assert named(["SHA256", "sha-256", "CRC32C", "sha-1"]) == {"sha-256", "crc32c", "sha1"}
    assert [s3_name(name) for name in PREFERENCE] == [
        "CRC64NVME", "CRC32C", "CRC32", "SHA256", "SHA1",
    ]  # fmt: skip


@given(st.sets(st.sampled_from(PREFERENCE)))
def test_the_cheapest_that_is_verified_is_chosen(verified: set[str]) -> None:
    name = chosen(verified)
    assert name == min(verified, key=PREFERENCE.index, default=None)


@given(st.lists(st.sampled_from(DIGESTS), unique=True), st.sets(st.sampled_from(PREFERENCE)))
def test_one_checksum_and_an_md5_are_sent_of_those_at_hand(
    at_hand: list[Digest], verified: set[str]
) -> None:
    sent = to_send(at_hand, verified)
    assert set(sent) <= set(at_hand)
    assert len([digest for digest in sent if digest.algorithm in verified]) <= 1
    assert all(digest.algorithm in verified | {"md5"} for digest in sent)
    assert ("md5" in [digest.algorithm for digest in at_hand]) == (
        "md5" in [digest.algorithm for digest in sent]
    )


@pytest.mark.parametrize("name", PREFERENCE)
def test_a_checksum_goes_out_and_comes_back(name: str) -> None:
    digest = Digest(name, b"value")
    sent = parameters([digest])
    assert list(sent.values()) == [b64encode(b"value").decode()]
    assert of_listed_part(sent) == (digest,)


def test_completing_repeats_checksums_but_no_md5() -> None:
    assert of_part([Digest("md5", b"x"), Digest("crc32", b"y")]) == {"ChecksumCRC32": "eQ=="}
    assert parameters([Digest("sha-512", b"x")]) == {}
