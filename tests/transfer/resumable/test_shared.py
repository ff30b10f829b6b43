"""Chunks beside each other and beside an end: what somebody else does meanwhile is seen."""

import asyncio
import random
from dataclasses import replace
from hashlib import sha256

import pytest

from gateway.errors import (
    ChunkDiffers,
    DigestMismatch,
    InconsistentLength,
    Overtaken,
    UploadGone,
)
from gateway.model import ByteRange, Digest
from gateway.sessions.uploads import Change, Result, UploadSession
from gateway.storage.checksums import compute
from tests.transfer.lab import KEY, Bytes
from tests.transfer.resumable.chunk_lab import DATA, Meanwhile, put
from tests.transfer.resumable.lab import PART, Fleet


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


async def test_a_repeat_for_an_upload_that_is_cancelled_meanwhile_is_told_so(many: Fleet) -> None:
    one, other = await many.gateway(), await many.gateway()
    made = await one.create(len(DATA), chunk_size=PART)
    session = await put(one, made, 0, DATA[: PART + 3])

    async def cancel() -> None:
        await other.engine.cancel(await other.engine.find(made.id))

    with pytest.raises(UploadGone):
        await put(one, session, 0, Meanwhile(DATA[:PART], cancel))
    assert many.store.keys == set()
