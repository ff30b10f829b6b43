import hashlib

import pytest

from gateway.errors import DigestMismatch, InvalidDigest
from gateway.model import Digest
from gateway.storage.checksums import ALGORITHMS, Checksum, compute, verify

NINE = [memoryview(b"1234"), memoryview(b""), memoryview(b"56789")]


@pytest.mark.parametrize(
    ("algorithm", "value"),
    [
        # The check values of the CRC catalogue (reveng), and the digests as openssl prints them.
        ("crc32", "cbf43926"),
        ("crc32c", "e3069283"),
        ("crc64nvme", "ae8b14860a799888"),
        ("md5", "25f9e794323b453885f5181f1b624d0b"),
        ("sha1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
        ("sha-256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        ("sha-512", hashlib.sha512(b"123456789").hexdigest()),
    ],
)
def test_digests_are_those_of_the_views_in_a_row(algorithm: str, value: str) -> None:
    assert compute(algorithm, NINE).value.hex() == value


def test_a_copy_goes_on_from_what_both_have_seen() -> None:
    for algorithm in ALGORITHMS:
        one = Checksum(algorithm)
        one.update(NINE[0])
        other = one.copy()
        one.update(memoryview(b"x"))
        other.update(NINE[2])
        assert other.digest() == compute(algorithm, NINE) != one.digest()


def test_every_algorithm_is_verified() -> None:
    for algorithm in ALGORITHMS:
        right = compute(algorithm, NINE)
        verify(NINE, [right])
        with pytest.raises(DigestMismatch):
            verify(NINE, [right, Digest(algorithm, bytes(len(right.value)))])
        with pytest.raises(DigestMismatch):
            verify(NINE, [Digest(algorithm, right.value[:-1])])


def test_an_unknown_algorithm_is_named() -> None:
    with pytest.raises(InvalidDigest, match="crc16"):
        verify(NINE, [Digest("crc16", b"ab")])
