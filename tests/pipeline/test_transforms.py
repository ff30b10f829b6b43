"""Checksums, the length guard, and the chain."""

import asyncio
import hashlib
import os
import threading

import pytest

from gateway.errors import (
    DigestMismatch,
    IncompleteBody,
    PayloadHashMismatch,
    TooLarge,
    TooSmall,
)
from gateway.model import Digest
from gateway.pipeline.transforms import (
    THREADED,
    Chain,
    LengthGuard,
)
from gateway.units import KiB

CHECK = b"123456789"


def test_the_guard_holds_a_body_to_its_length() -> None:
    guard = LengthGuard(length=4, max_size=10)
    guard.update(memoryview(b"abc"))
    with pytest.raises(IncompleteBody, match="ended after 3"):
        guard.verify()
    guard.update(memoryview(b"d"))
    guard.verify()
    with pytest.raises(IncompleteBody, match="runs past"):
        guard.update(memoryview(b"e"))


def test_the_guard_holds_a_body_to_the_limit() -> None:
    guard = LengthGuard(max_size=3)
    guard.update(memoryview(b"abc"))
    guard.verify()
    with pytest.raises(TooLarge, match="3B"):
        guard.update(memoryview(b"d"))


def test_the_guard_holds_a_body_to_its_least_size() -> None:
    guard = LengthGuard(min_size=3)
    guard.update(memoryview(b"ab"))
    with pytest.raises(TooSmall, match="3 bytes"):
        guard.verify()
    guard.update(memoryview(b"c"))
    guard.verify()


async def test_a_chain_holds_a_body_to_its_least_size() -> None:
    chain = Chain(min_size=1)
    with pytest.raises(TooSmall):
        chain.verify()


async def feed(chain: Chain, *pieces: bytes) -> list[bool]:
    """Feed; answers whether each piece was given back at once."""
    at_once = []
    for piece in pieces:
        done: list[bool] = []
        await chain.feed(memoryview(piece), lambda done=done: done.append(True))  # type: ignore[misc]
        at_once.append(bool(done))
    await chain.settle()
    return at_once


@pytest.mark.parametrize(
    ("claims", "signed", "error"),
    [
        ([], [], None),
        ([Digest("md5", hashlib.md5(CHECK).digest())], [], None),
        ([Digest("md5", bytes(16))], [], DigestMismatch),
        ([], [Digest("sha-256", hashlib.sha256(CHECK).digest())], None),
        ([], [Digest("sha-256", bytes(32))], PayloadHashMismatch),
        ([Digest("crc32", bytes(4)), Digest("sha-256", bytes(32))], [], DigestMismatch),
    ],
)
async def test_claims_are_verified_at_the_end(
    claims: list[Digest], signed: list[Digest], error: type[DigestMismatch] | None
) -> None:
    chain = Chain(claims=claims, signed=signed)
    await feed(chain, CHECK[:5], CHECK[5:])
    assert chain.size == len(CHECK)
    if error is None:
        chain.verify()
        return
    with pytest.raises(error) as caught:
        chain.verify()
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("claim", "early"),
    [
        (Digest("crc32", bytes(4)), True),
        (Digest("crc64nvme", bytes(8)), True),
        (Digest("md5", hashlib.md5().digest()), True),
        (Digest("md5", bytes(16)), False),
        (Digest("sha-256", bytes(32)), False),
    ],
)
async def test_a_digest_of_nothing_was_presigned_too_early(claim: Digest, early: bool) -> None:
    chain = Chain(claims=[claim])
    await feed(chain, CHECK)
    with pytest.raises(DigestMismatch) as caught:
        chain.verify()
    assert ("that of an empty body" in caught.value.detail) is early


async def test_wanted_digests_are_computed() -> None:
    chain = Chain(compute=["sha-256", "crc32c"], claims=[Digest("md5", bytes(16))])
    await feed(chain, CHECK)
    assert chain.digest("sha-256").value == hashlib.sha256(CHECK).digest()
    assert [digest.algorithm for digest in chain.digests()] == ["md5", "sha-256", "crc32c"]
    with pytest.raises(KeyError):
        chain.digest("sha1")


async def test_large_slabs_are_hashed_in_a_thread_in_order_and_small_ones_inline() -> None:
    threads: list[threading.Thread] = []

    class Recorder:
        costly = True

        def __init__(self) -> None:
            self.seen = bytearray()

        def update(self, data: memoryview, /) -> None:
            threads.append(threading.current_thread())
            self.seen += data

    recorder = Recorder()
    chain = Chain(taps=[recorder], compute=["sha-256"])
    pieces = [os.urandom(size) for size in (THREADED, 16 * KiB, THREADED, THREADED, 5)]
    assert await feed(chain, *pieces) == [False, True, False, False, True]
    assert bytes(recorder.seen) == b"".join(pieces)
    assert chain.digest("sha-256").value == hashlib.sha256(b"".join(pieces)).digest()
    main = threading.main_thread()
    assert [thread is main for thread in threads] == [False, True, False, False, True]


async def test_cheap_taps_never_leave_the_loop() -> None:
    assert await feed(Chain(compute=["crc64nvme"]), bytes(4 * THREADED)) == [True]


async def test_a_body_that_is_refused_is_given_back() -> None:
    chain, done = Chain(max_size=1), []
    with pytest.raises(TooLarge):
        await chain.feed(memoryview(b"ab"), lambda: done.append(True))
    assert done == [True]


async def test_bytes_in_the_thread_are_waited_for_even_when_cancelled() -> None:
    release, done = threading.Event(), []

    class Slow:
        costly = True

        def update(self, data: memoryview, /) -> None:
            release.wait(5)

    chain = Chain(taps=[Slow()])
    await chain.feed(memoryview(bytes(THREADED)), lambda: done.append(True))
    settling = asyncio.ensure_future(chain.settle())
    await asyncio.sleep(0)
    settling.cancel()
    await asyncio.sleep(0.01)
    assert not settling.done()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await settling
    await asyncio.sleep(0)
    assert done == [True]
