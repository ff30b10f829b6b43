"""Chunks: any order, in parallel, repeated, overlapping; one object, once."""

import asyncio
import random
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import (
    ChunkDiffers,
    ClientGone,
    Conflict,
    DigestMismatch,
    GatewayError,
    InconsistentLength,
    InvalidDigest,
    StorageCorrupt,
    StorageError,
    StorageUnavailable,
    TooLarge,
    UploadGone,
)
from gateway.model import ByteRange, Digest, ObjectKey
from gateway.sessions.extents import Extent
from gateway.sessions.uploads import Change
from gateway.storage.checksums import compute
from gateway.units import KiB
from tests.transfer.lab import KEY, Bytes
from tests.transfer.resumable.chunk_lab import DATA, Meanwhile, pieces, put
from tests.transfer.resumable.lab import PART, Fleet, Gateway, content, fleet


@pytest.mark.parametrize("size", [10_000, PART - 1, PART, PART + 1, 3 * PART, len(DATA)])
async def test_chunks_of_any_size_in_any_order_become_the_object(one: Gateway, size: int) -> None:
    made = await one.create(len(DATA), chunk_size=size)
    session = made
    for start, data in pieces(size):
        assert session.state == "open"
        session = await put(one, made, start, data)
    assert session.state == "done"
    assert one.fleet.store.data() == DATA
    assert one.fleet.store.keys == {KEY.name}
    assert one.fleet.store.unfinished == 0
    assert await one.fleet.sessions.intents() == []


async def test_chunks_of_the_size_of_slices_go_straight_to_their_parts(one: Gateway) -> None:
    made = await one.create(len(DATA), chunk_size=PART)
    for start, data in pieces(PART):
        await put(one, made, start, data)
    assert sorted(one.fleet.store.calls) == ["complete", "create", "head", *["part"] * 7]


@pytest.mark.parametrize("gateways", [1, 2])
async def test_parallel_repeated_chunks_are_stored_once(many: Fleet, gateways: int) -> None:
    team = [await many.gateway() for _ in range(gateways if not many.local else 1)]
    made = await team[0].create(len(DATA), chunk_size=30_000)
    todo = pieces(30_000) * 2
    results = await asyncio.gather(
        *(
            put(team[index % len(team)], made, start, data)
            for index, (start, data) in enumerate(todo)
        )
    )
    assert any(session.state == "done" for session in results)
    assert many.store.data() == DATA
    assert many.store.calls.count("complete") == 1
    assert many.store.calls.count("create") == 1
    assert many.store.keys == {KEY.name}


@pytest.mark.ci
async def test_five_hundred_chunks_over_fifty_uploads_stay_inside_the_budget(
    tmp_path: Path,
) -> None:
    """All of them together are more than it."""
    size, whole = 96 * KiB, 10 * 96 * KiB
    async with fleet(tmp_path, local=True) as made:
        gateway = await made.gateway()
        uploads = [
            await gateway.create(whole, key=ObjectKey("photos", str(index)), chunk_size=size)
            for index in range(50)
        ]
        data = [content(whole, seed) for seed in range(50)]
        chunks = [
            (upload, at, data[seed][at : at + size])
            for seed, upload in enumerate(uploads)
            for at in range(0, whole, size)
        ]
        chunks += random.Random(3).sample(chunks, 100)
        random.Random(4).shuffle(chunks)
        await asyncio.gather(*(put(gateway, upload, at, data) for upload, at, data in chunks))
        for seed, upload in enumerate(uploads):
            stored = made.store.data(upload.key)
            assert sha256(stored).digest() == sha256(data[seed]).digest()
        pool = gateway.bench.pool
        assert len(chunks) * size > 1.5 * pool.budget.total
        assert pool.budget.total / 2 < pool.statistics().peak <= pool.budget.total


async def test_overlapping_chunks_fill_only_what_is_missing(one: Gateway) -> None:
    made = await one.create(len(DATA))
    for start, stop in ((100, 70_000), (50_000, 200_000), (0, 150_000), (120_000, len(DATA))):
        await put(one, made, start, DATA[start:stop])
    assert one.fleet.store.data() == DATA


async def test_other_bytes_for_the_same_chunk_are_refused_and_change_nothing(one: Gateway) -> None:
    made = await one.create(len(DATA), chunk_size=PART)
    await put(one, made, 0, DATA[:PART])
    await put(one, made, PART, DATA[PART : PART + 100])
    for start, size in ((0, PART), (PART, 100), (PART, PART)):
        with pytest.raises(ChunkDiffers):
            await put(one, made, start, bytes(size))
    await put(one, made, 0, DATA[:PART])
    await put(one, made, PART, DATA[PART:])
    assert one.fleet.store.data() == DATA


async def test_a_chunk_of_a_finished_upload_is_compared_still(one: Gateway) -> None:
    made = await one.create(len(DATA), chunk_size=PART)
    for start, data in pieces(PART):
        await put(one, made, start, data)
    session = await one.engine.find(made.id)
    again = await put(one, session, PART, DATA[PART : 2 * PART])
    assert again.state == "done"
    with pytest.raises(ChunkDiffers):
        await put(one, session, PART, bytes(PART))


async def test_a_slice_whose_segment_is_lost_is_not_taken_for_merged(many: Fleet) -> None:
    one, other = await many.gateway(), await many.gateway()
    made = await one.create(2 * PART, chunk_size=PART)
    session = await put(other, made, 0, DATA[:100])
    await one.works.tails.drop(session, [session.extents[0].name])
    with pytest.raises(StorageError):
        await put(one, made, 100, DATA[100:PART])


async def test_the_status_names_what_is_missing(one: Gateway) -> None:
    made = await one.create(len(DATA), chunk_size=PART)
    await put(one, made, PART, DATA[PART : 2 * PART])
    session = await put(one, made, 3 * PART + 5, DATA[3 * PART + 5 : 4 * PART])
    status = one.engine.status(session, PART)
    assert status.offset == 0
    assert status.received == 2 * PART - 5
    assert status.missing == (
        ByteRange(0, PART),
        ByteRange(2 * PART, 3 * PART + 5),
        ByteRange(4 * PART, len(DATA)),
    )
    assert status.chunks == 7


@pytest.mark.parametrize(
    ("start", "data", "more", "error"),
    [
        (len(DATA) - 1, b"xx", {}, TooLarge),
        (0, b"xx", {"total": 5}, InconsistentLength),
        (0, b"xx", {"range": ByteRange(0, 3)}, GatewayError),
        (0, b"xx", {"body_digest": Digest("sha-256", bytes(32))}, DigestMismatch),
        (0, DATA[: PART + 5], {"body_digest": Digest("sha-256", bytes(32))}, DigestMismatch),
        (0, Bytes(DATA[: PART + 5], end=ClientGone("x")), {}, ClientGone),
    ],
)
async def test_what_does_not_fit_is_refused(
    one: Gateway, start: int, data: bytes, more: dict[str, Any], error: type[Exception]
) -> None:
    made = await one.create(len(DATA))
    if isinstance(data, Bytes):
        data.read = 0
        more = {"range": ByteRange(0, PART + 9)}
    with pytest.raises(error):
        await put(one, made, start, data, **more)
    assert await one.offset(made.id) in (0, PART)
    await put(one, made, 0, DATA)
    assert one.fleet.store.data() == DATA
    assert one.fleet.store.keys == {KEY.name}


async def test_a_chunk_whose_store_fails_is_sent_again(one: Gateway) -> None:
    made = await one.create(len(DATA), chunk_size=PART)
    store, failing = one.fleet.store, True

    async def before(name: str) -> None:
        if failing and name == "part":
            raise StorageUnavailable("Down.")

    store.before = before
    with pytest.raises(StorageUnavailable):
        await put(one, made, 0, DATA[:PART])
    failing = False
    for start, data in pieces(PART):
        await put(one, made, start, data)
    assert store.data() == DATA


async def test_a_cancelled_upload_takes_no_chunks(one: Gateway) -> None:
    made = await one.create(len(DATA), chunk_size=PART)
    await put(one, made, 0, DATA[: PART + 3])
    await one.engine.cancel(await one.engine.find(made.id))
    with pytest.raises(UploadGone):
        await put(one, await one.engine.find(made.id), PART, DATA[PART:])
    assert one.fleet.store.unfinished == 0
    assert one.fleet.store.keys == set()


async def test_a_repeat_of_what_was_finished_is_one_though_the_upload_begins_anew(
    many: Fleet,
) -> None:
    one, other = await many.gateway(), await many.gateway()
    made = await one.create(200)
    done = await put(one, made, 0, DATA[:200])

    async def begin_anew() -> None:
        await other.engine.endings.end(done)

    late = await put(one, done, 100, Meanwhile(DATA[100:200], begin_anew))
    assert (late.state, late.offset) == ("done", 200)


async def test_uploads_in_chunks_are_found_by_name_by_id_or_by_their_total(one: Gateway) -> None:
    engine = one.engine
    named = await one.create(100, name="mine")
    assert await engine.chunked("alice", KEY, "mine", None) == named
    assert await engine.chunked("alice", KEY, named.id, None) == named
    assert await engine.chunked("bob", KEY, "mine", None) is None
    assert await engine.chunked("bob", KEY, named.id, None) is None
    assert await engine.chunked("alice", KEY, None, 100) is None
    with pytest.raises(Conflict):
        await engine.chunked("alice", replace(KEY, name="other"), "mine", None)


async def test_serial_bytes_do_not_fall_into_the_holes_of_chunks(one: Gateway) -> None:
    made = await one.create(len(DATA), chunk_size=PART)
    await put(one, made, PART, DATA[PART : 2 * PART])
    with pytest.raises(Conflict):
        await one.append(made.id, 0, DATA)


async def test_no_hole_is_completed_however_many_bytes_there_are(one: Gateway) -> None:
    made = await one.create(150)
    twice = [Extent(offset=0, size=100, name="a"), Extent(offset=20, size=80, name="b")]
    session = await one.fleet.sessions.change_upload(made.id, 0, Change(add=twice))
    after = await put(one, session, 0, bytes(100))
    assert (after.state, after.offset) == ("open", 100)
    assert not one.fleet.store.has()


async def test_parts_with_a_hole_are_never_published(one: Gateway) -> None:
    made = await one.create(3 * PART)
    parts = [
        Extent(offset=0, size=PART, number=1, etag="a"),
        Extent(offset=2 * PART, size=PART, number=17, etag="b"),
    ]
    change = Change(add=parts, upload_id="x", state="completing")
    await one.fleet.sessions.change_upload(made.id, 0, change)
    with pytest.raises(StorageCorrupt):
        await one.append(made.id, PART, b"")
    assert not one.fleet.store.has()


async def test_a_length_below_what_is_here_is_refused_and_changes_nothing(one: Gateway) -> None:
    made = await one.create(None, chunk_size=PART)
    await put(one, made, 1000, DATA[1000:2000])
    with pytest.raises(InconsistentLength):
        await put(one, made, 0, DATA[:500], total=1500)
    found = await one.engine.find(made.id)
    assert (found.state, found.length) == ("open", None)
    await put(one, made, 2000, DATA[2000:], total=len(DATA))
    await put(one, made, 0, DATA[:1000])
    assert one.fleet.store.data() == DATA


async def test_of_two_lengths_at_the_same_time_one_holds(one: Gateway) -> None:
    made = await one.create(None, chunk_size=PART)
    results = await asyncio.gather(
        put(one, made, 0, DATA[:100], total=len(DATA)),
        put(one, made, 100, DATA[100:200], total=200),
        return_exceptions=True,
    )
    assert [type(result) for result in results].count(InconsistentLength) == 1


async def test_a_chunk_behind_a_length_that_came_meanwhile_leaves_nothing(many: Fleet) -> None:
    one = await many.gateway()
    made = await one.create(None)

    class Last(Bytes):
        async def read_into(self, view: memoryview, /) -> int:
            count = await super().read_into(view)
            if not count:
                await many.sessions.change_upload(made.id, 0, Change(length=150))
            return count

    with pytest.raises(InconsistentLength):
        await put(one, made, 100, Last(DATA[100:200]))
    assert many.store.keys == set()
    assert (await one.engine.find(made.id)).extents == ()


@pytest.mark.parametrize("dialect", ["chunked", "range"])
async def test_a_digest_of_the_whole_that_chunks_could_not_prove_is_refused_at_once(
    one: Gateway, dialect: str
) -> None:
    sha = Digest("sha-256", sha256(DATA).digest())
    for length in (len(DATA), PART + 1, None):
        with pytest.raises(InvalidDigest, match="send its crc64nvme instead"):
            await one.create(length, digests=(sha,), dialect=dialect)
    store = one.fleet.store
    store.capabilities = replace(store.capabilities, checksums=frozenset())
    with pytest.raises(InvalidDigest, match="leave it out"):
        await one.create(len(DATA), digests=(Digest("crc64nvme", bytes(8)),), dialect=dialect)


@pytest.mark.parametrize(
    ("algorithm", "size"), [("crc64nvme", len(DATA)), ("sha-256", PART), ("sha-256", 9)]
)
async def test_a_digest_of_the_whole_that_chunks_can_prove_is_verified(
    one: Gateway, algorithm: str, size: int
) -> None:
    data = DATA[:size]
    right = compute(algorithm, [memoryview(data)])
    for claim in (right, replace(right, value=bytes(len(right.value)))):
        made = await one.create(size, digests=(claim,), dialect="chunked")
        await put(one, made, size // 2, data[size // 2 :])
        if claim == right:
            assert (await put(one, made, 0, data[: size // 2])).state == "done"
        else:
            with pytest.raises(DigestMismatch):
                await put(one, made, 0, data[: size // 2])


async def test_a_chunk_that_is_a_whole_slice_and_the_whole_object_is_verified(one: Gateway) -> None:
    sha = Digest("sha-256", sha256(DATA[:PART]).digest())
    made = await one.create(PART, digests=(sha,), dialect="chunked", chunk_size=PART)
    assert (await put(one, made, 0, DATA[:PART])).state == "done"
