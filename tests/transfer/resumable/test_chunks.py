"""Chunks: any order, in parallel, repeated, overlapping; one object, once."""

import asyncio
import random
from collections.abc import Awaitable, Callable
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
    Overtaken,
    StorageCorrupt,
    StorageError,
    StorageUnavailable,
    TooLarge,
    UploadGone,
)
from gateway.model import ByteRange, Digest, ObjectKey
from gateway.sessions.extents import Extent
from gateway.sessions.uploads import Change, Result, UploadSession
from gateway.storage.checksums import compute
from gateway.units import KiB
from tests.transfer.lab import KEY, Bytes
from tests.transfer.resumable.chunk_lab import DATA, pieces, put
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


class Meanwhile(Bytes):
    """A body at whose end something else has happened."""

    def __init__(self, data: bytes, happens: Callable[[], Awaitable[object]]) -> None:
        super().__init__(data)
        self._happens: Callable[[], Awaitable[object]] | None = happens

    async def read_into(self, view: memoryview, /) -> int:
        count = await super().read_into(view)
        if not self.length and self._happens is not None:
            happens, self._happens = self._happens, None
            await happens()
        return count


@pytest.mark.parametrize("digest", [False, True])
@pytest.mark.parametrize(
    ("size", "start", "stop"),
    [
        (200, 100, 200),  # a PutObject
        (2 * PART, PART, 2 * PART),  # a whole slice
        (2 * PART, PART + 5, 2 * PART),  # a segment of one
        (4 * PART, 5, 4 * PART),  # several
    ],
)
async def test_a_chunk_whose_upload_is_finished_meanwhile_is_a_repeat(
    many: Fleet, size: int, start: int, stop: int, *, digest: bool
) -> None:
    one, other = await many.gateway(), await many.gateway()
    data = DATA[:size]
    made = await one.create(size, chunk_size=PART)
    await put(other, made, 0, data[:5])

    async def finish() -> None:
        assert (await put(other, made, 5, data[5:])).state == "done"

    def body() -> Bytes:
        return Meanwhile(data[start:stop], finish)

    digests = {"body_digest": Digest("sha-256", sha256(data[start:stop]).digest())}
    late = await put(one, made, start, body(), **digests if digest else {})
    assert late.state == "done"
    assert late.result is not None
    assert many.store.data() == data
    assert many.store.keys == {KEY.name}
    assert many.store.unfinished == 0


@pytest.mark.parametrize(
    ("size", "start", "digest"),
    [(200, 100, False), (2 * PART, PART, False), (2 * PART, PART - 9, True)],
)
async def test_other_bytes_for_an_upload_that_is_finished_meanwhile_are_refused(
    many: Fleet, size: int, start: int, *, digest: bool
) -> None:
    one, other = await many.gateway(), await many.gateway()
    made = await one.create(size, chunk_size=PART)
    data, garbage = DATA[:size], bytes(size - start)
    await put(other, made, 0, data[:start])

    async def finish() -> None:
        await put(other, made, start, data[start:])

    digests = {"body_digest": Digest("sha-256", sha256(garbage).digest())}
    with pytest.raises(ChunkDiffers):
        await put(one, made, start, Meanwhile(garbage, finish), **digests if digest else {})
    assert many.store.data() == data
    assert many.store.keys == {KEY.name}


async def test_a_digest_that_is_wrong_is_refused_though_its_upload_is_finished(
    many: Fleet,
) -> None:
    one, other = await many.gateway(), await many.gateway()
    wrong = Digest("sha-256", sha256(b"other").digest())
    for serial in (False, True):
        made = await one.create(200)
        if not serial:
            await put(other, made, 0, DATA[:100])

        async def finish(made: UploadSession = made, *, serial: bool = serial) -> None:
            if serial:
                await other.append(made.id, 0, DATA[:200])
            else:
                await put(other, made, 100, DATA[100:200])

        for body in (Meanwhile(DATA[100:200], finish), Bytes(DATA[100:200])):
            with pytest.raises(DigestMismatch):
                await put(one, await one.engine.find(made.id), 100, body, body_digest=wrong)
        assert (await one.engine.find(made.id)).state == "done"
        assert many.store.data() == DATA[:200]


@pytest.mark.parametrize(("total", "refused"), [(200, False), (300, True)])
async def test_a_length_that_comes_when_the_upload_is_finished_is_held_to_it(
    many: Fleet, monkeypatch: pytest.MonkeyPatch, total: int, *, refused: bool
) -> None:
    one, other = await many.gateway(), await many.gateway()
    made = await one.create(None)
    await put(one, made, 0, DATA[:100])
    sessions = many.sessions
    known = sessions.change_upload

    async def slow(upload_id: str, epoch: int, change: Change) -> UploadSession:
        monkeypatch.undo()
        found = await other.engine.find(upload_id)
        await put(other, found, 100, DATA[100:200], total=200)
        return await known(upload_id, epoch, change)

    monkeypatch.setattr(sessions, "change_upload", slow)
    if refused:
        with pytest.raises(InconsistentLength):
            await put(one, made, 0, DATA[:100], total=total)
    else:
        assert (await put(one, made, 0, DATA[:100], total=total)).state == "done"


async def test_a_chunk_behind_the_end_of_what_is_finished_meanwhile_is_refused(many: Fleet) -> None:
    one, other = await many.gateway(), await many.gateway()
    made = await one.create(None)
    await put(one, made, 0, DATA[:100])

    async def finish() -> None:
        assert (await put(other, made, 100, DATA[100:150], total=150)).state == "done"

    with pytest.raises(InconsistentLength, match="150 bytes"):
        await put(one, made, 100, Meanwhile(DATA[100:200], finish))
    assert many.store.data() == DATA[:150]
    assert many.store.keys == {KEY.name}


async def test_a_chunk_is_sent_again_where_who_was_to_finish_meanwhile_has_died(
    many: Fleet,
) -> None:
    one = await many.gateway()
    made = await one.create(200)
    crc = compute("crc64nvme", [memoryview(DATA[:200])])

    async def die() -> None:
        noted = Result(etag="", size=200, created=True, digests=(crc,))
        epoch = (await one.engine.find(made.id)).epoch
        await many.sessions.change_upload(made.id, epoch, Change(state="completing", result=noted))

    with pytest.raises(Overtaken, match="send the chunk again"):
        await put(one, made, 0, Meanwhile(DATA[:100], die))
    await put(one, made, 0, DATA[:100])
    done = await put(one, made, 100, DATA[100:200])
    assert done.state == "done"
    assert many.store.data() == DATA[:200]
    assert many.store.keys == {KEY.name}


async def test_a_slice_that_somebody_else_merges_meanwhile_needs_nothing_more(
    many: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = await many.gateway(), await many.gateway()
    data = DATA[: 2 * PART]
    made = await one.create(len(data), chunk_size=PART)
    await put(other, made, 0, data[: PART + 100])
    read = one.works.tails.read

    async def late(session: UploadSession, name: str, span: ByteRange, view: memoryview) -> None:
        done = await other.engine.inspect(await other.engine.find(made.id), "stale")
        assert done.state == "done"
        await read(session, name, span, view)

    monkeypatch.setattr(one.works.tails, "read", late)
    assert (await put(one, made, PART + 100, data[PART + 100 :])).state == "done"
    assert many.store.data() == data
    assert many.store.keys == {KEY.name}


async def test_two_last_chunks_of_a_slice_at_once_send_its_part_once(
    many: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who finishes the upload, under an epoch of its own, and who merges the slice would both send the same part."""
    one, other = await many.gateway(), await many.gateway()
    half = PART + PART // 2
    look = many.sessions.upload

    async def slowly(upload_id: str) -> UploadSession | None:
        await asyncio.sleep(random.random() / 200)
        return await look(upload_id)

    monkeypatch.setattr(many.sessions, "upload", slowly)
    for second in (one, other) * 8:
        made = await one.create(2 * PART, chunk_size=PART)
        await put(one, made, 0, DATA[:PART])
        many.store.calls.clear()
        await asyncio.gather(
            put(one, made, PART, DATA[PART:half]), put(second, made, half, DATA[half : 2 * PART])
        )
        assert many.store.calls.count("part") == 1
        assert (await one.engine.find(made.id)).state == "done"
        assert many.store.data() == DATA[: 2 * PART]


async def test_a_slice_whose_segments_are_others_meanwhile_is_merged_from_those(
    many: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = await many.gateway(), await many.gateway()
    tails = one.works.tails
    made = await one.create(2 * PART, chunk_size=PART)
    await put(other, made, 0, DATA[:100])
    read = tails.read
    moved = False

    async def late(session: UploadSession, name: str, span: ByteRange, view: memoryview) -> None:
        nonlocal moved
        old = next(extent for extent in session.extents if extent.offset == 0)
        if not moved:
            moved = True
            name_now = await tails.put(session, [memoryview(DATA[:100])])
            change = Change(add=[replace(old, name=name_now)], drop=[old])
            await many.sessions.change_upload(session.id, session.epoch, change)
            await tails.drop(session, [old.name])
        await read(session, name, span, view)

    monkeypatch.setattr(tails, "read", late)
    await put(one, made, 100, DATA[100:PART])
    await put(one, made, PART, DATA[PART : 2 * PART])
    assert moved
    assert many.store.data() == DATA[: 2 * PART]
    assert many.store.keys == {KEY.name}


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


async def test_a_repeat_for_an_upload_that_is_cancelled_meanwhile_is_told_so(many: Fleet) -> None:
    one, other = await many.gateway(), await many.gateway()
    made = await one.create(len(DATA), chunk_size=PART)
    session = await put(one, made, 0, DATA[: PART + 3])

    async def cancel() -> None:
        await other.engine.cancel(await other.engine.find(made.id))

    with pytest.raises(UploadGone):
        await put(one, session, 0, Meanwhile(DATA[:PART], cancel))
    assert many.store.keys == set()


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
