"""Digests that go on from request to request."""

from hashlib import sha256
from zlib import crc32

from gateway.transfer.resumable.whole_digests import MOST, Running, WholeDigests


def seen(digests: WholeDigests, upload: str, data: bytes) -> Running:
    running = digests.resume(upload, 0, ["sha-256", "crc32"])
    assert running is not None
    for digest in running.values():
        digest.update(memoryview(data))
    return running


def test_a_digest_goes_on_where_it_stopped_and_nowhere_else() -> None:
    digests = WholeDigests()
    digests.keep("u", 6, seen(digests, "u", b"hello "))
    again = digests.resume("u", 6, ["sha-256"])
    assert again is not None
    for digest in again.values():
        digest.update(memoryview(b"world"))
    assert again["sha-256"].digest().value == sha256(b"hello world").digest()
    assert again["crc32"].digest().value == crc32(b"hello world").to_bytes(4, "big")
    assert digests.resume("u", 5, ["sha-256"]) is None
    assert digests.resume("u", 6, ["sha-256"]) is None


def test_a_request_that_keeps_nothing_changes_nothing() -> None:
    digests = WholeDigests()
    digests.keep("u", 6, seen(digests, "u", b"hello "))
    dropped = digests.resume("u", 6, ["sha-256"])
    assert dropped is not None
    dropped["sha-256"].update(memoryview(b"there"))
    dropped["crc32"].update(memoryview(b"there"))
    again = digests.resume("u", 6, ["sha-256"])
    assert again is not None
    assert again["sha-256"].digest().value == sha256(b"hello ").digest()
    assert again["crc32"].digest().value == crc32(b"hello ").to_bytes(4, "big")


def test_those_that_have_seen_other_bytes_than_are_kept_are_of_no_use() -> None:
    digests = WholeDigests()
    digests.keep("u", 5, seen(digests, "u", b"hello "))
    assert digests.resume("u", 5, ["sha-256"]) is None


def test_beginning_anew_and_forgetting_forget_what_was() -> None:
    digests = WholeDigests()
    digests.keep("u", 1, seen(digests, "u", b"x"))
    digests.resume("u", 0, ["crc32"])
    assert digests.resume("u", 1, ["crc32"]) is None
    digests.keep("u", 1, seen(digests, "u", b"x"))
    digests.forget("u")
    assert digests.resume("u", 1, ["crc32"]) is None


def test_only_so_many_are_kept() -> None:
    digests = WholeDigests()
    for index in range(MOST + 1):
        digests.keep(str(index), 1, seen(digests, str(index), b"x"))
    assert digests.resume("0", 1, ["crc32"]) is None
    assert digests.resume("1", 1, ["crc32"]) is not None
    digests.keep("none", 1, None)
    assert digests.resume("none", 1, ["crc32"]) is None
