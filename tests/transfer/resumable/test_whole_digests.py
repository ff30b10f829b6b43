"""Digests that go on from request to request."""

from hashlib import sha256

from gateway.transfer.resumable.whole_digests import MOST, WholeDigests


def test_a_digest_goes_on_where_it_stopped_and_nowhere_else() -> None:
    digests = WholeDigests()
    running = digests.resume("u", 0, ["sha-256"])
    assert running is not None
    running["sha-256"].update(memoryview(b"hello "))
    digests.keep("u", 6, running)
    again = digests.resume("u", 6, ["sha-256"])
    assert again is running
    again["sha-256"].update(memoryview(b"world"))
    assert again["sha-256"].digest().value == sha256(b"hello world").digest()
    assert digests.resume("u", 6, ["sha-256"]) is None


def test_one_at_another_offset_is_of_no_use() -> None:
    digests = WholeDigests()
    digests.keep("u", 6, digests.resume("u", 0, ["sha-256"]))
    assert digests.resume("u", 5, ["sha-256"]) is None


def test_beginning_anew_forgets_what_was() -> None:
    digests = WholeDigests()
    first = digests.resume("u", 0, ["sha-256"])
    digests.keep("u", 6, first)
    assert digests.resume("u", 0, ["sha-256"]) is not first


def test_only_so_many_are_kept() -> None:
    digests = WholeDigests()
    for index in range(MOST + 1):
        digests.keep(str(index), 1, digests.resume(str(index), 0, ["crc32"]))
    assert digests.resume("0", 1, ["crc32"]) is None
    assert digests.resume("1", 1, ["crc32"]) is not None
    digests.keep("none", 1, None)
    assert digests.resume("none", 1, ["crc32"]) is None
