"""Serial writers: what was acknowledged is kept, and nothing else counts."""

import asyncio
from dataclasses import replace
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from gateway.errors import (
    ClientGone,
    DigestMismatch,
    InconsistentLength,
    OffsetMismatch,
    Overloaded,
    StorageError,
    StorageUnavailable,
    TooLarge,
    UploadCompleted,
    UploadGone,
)
from gateway.model import ByteRange, Digest
from gateway.protocol.upload_commands import PutChunk
from gateway.units import KiB, MiB
from tests.transfer.lab import KEY, Bytes
from tests.transfer.resumable.lab import ALICE, PART, CountingStore, Fleet, Gateway, content, fleet

DATA = content(5 * PART + 777)


# --- bytes ---


@pytest.mark.parametrize("step", [1000, PART - 1, PART, PART + 1, 3 * PART, len(DATA)])
async def test_an_upload_in_steps_of_any_size_becomes_its_object(one: Gateway, step: int) -> None:
    made = await one.create(len(DATA))
    done = await one.send(made.id, DATA, step)

    assert done.state == "done"
    assert one.fleet.store.data() == DATA
    assert one.fleet.store.keys == {KEY.name}
    assert one.fleet.store.unfinished == 0
    assert await one.fleet.sessions.intents() == []


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART])
async def test_a_small_upload_is_one_put_and_no_multipart(one: Gateway, size: int) -> None:
    made = await one.create(size)
    done = await one.append(made.id, 0, DATA[:size])

    assert done.result is not None
    assert (done.result.size, done.result.created) == (size, True)
    assert one.fleet.store.calls == ["put"]
    assert one.fleet.store.data() == DATA[:size]


async def test_a_length_that_is_told_late_ends_the_upload(one: Gateway) -> None:
    made = await one.create(None)
    await one.append(made.id, 0, DATA[: 3 * PART])
    assert (await one.engine.find(made.id)).state == "open"
    await one.append(made.id, 3 * PART, DATA[3 * PART :])
    done = await one.append(made.id, len(DATA), b"", length=len(DATA))

    assert done.state == "done"
    assert one.fleet.store.data() == DATA


async def test_a_body_that_says_it_is_the_last_ends_the_upload(one: Gateway) -> None:
    made = await one.create(None)
    await one.append(made.id, 0, DATA[:PART], complete=False)
    done = await one.append(made.id, PART, DATA[PART:], complete=True)
    assert done.state == "done"
    assert one.fleet.store.data() == DATA


async def test_all_bytes_without_the_word_are_not_the_end(one: Gateway) -> None:
    made = await one.create(len(DATA))
    session = await one.append(made.id, 0, DATA, complete=False)
    assert (session.state, session.offset) == ("open", len(DATA))
    done = await one.append(made.id, len(DATA), b"", complete=True)
    assert done.state == "done"
    assert one.fleet.store.data() == DATA


async def test_all_bytes_of_one_slice_without_the_word_are_kept_as_well(one: Gateway) -> None:
    made = await one.create(PART)
    session = await one.append(made.id, 0, DATA[:PART], complete=False)
    assert (session.state, session.offset) == ("open", PART)
    done = await one.append(made.id, PART, b"", complete=True)
    assert done.state == "done"
    assert one.fleet.store.data() == DATA[:PART]


async def test_any_gateway_goes_on_where_another_stopped(many: Fleet) -> None:
    many.local = False
    gateways = [await many.gateway() for _ in range(3)]
    made = await gateways[0].create(len(DATA))
    for index, at in enumerate(range(0, len(DATA), 10_000)):
        gateway = gateways[index % 3]
        assert await gateway.offset(made.id) == at
        await gateway.append(made.id, at, DATA[at : at + 10_000])
    assert many.store.data() == DATA
    assert many.store.keys == {KEY.name}


# --- what is refused, and leaves the offset ---


@pytest.mark.parametrize(
    ("offset", "body", "more", "error"),
    [
        (99, b"x", {}, OffsetMismatch),
        (101, b"x", {}, OffsetMismatch),
        (100, b"x" * 51, {}, TooLarge),
        (100, b"x", {"length": 151}, InconsistentLength),
        (100, b"x", {"complete": True}, InconsistentLength),
        (100, b"x" * 51, {"body": None}, TooLarge),
    ],
)
async def test_what_does_not_fit_is_refused_and_changes_nothing(
    one: Gateway, offset: int, body: bytes, more: dict[str, Any], error: type[Exception]
) -> None:
    made = await one.create(150)
    await one.append(made.id, 0, DATA[:100])
    with pytest.raises(error):
        await one.append(made.id, offset, body, **more)
    assert await one.offset(made.id) == 100
    await one.append(made.id, 100, DATA[100:150])
    assert one.fleet.store.data() == DATA[:150]


@pytest.mark.parametrize("told", [True, False])
async def test_bytes_behind_the_length_end_an_upload_of_the_ietf_protocol(
    one: Gateway, told: bool
) -> None:
    """Wherever it shows: before a byte is read, or when they come."""
    made = await one.create(150, dialect="rufh")
    await one.append(made.id, 0, DATA[:100], complete=False)
    with pytest.raises(TooLarge):
        await one.append(made.id, 100, bytes(51), body=51 if told else None, complete=False)
    assert (await one.engine.find(made.id)).state == "failed"
    with pytest.raises(UploadGone):
        await one.append(made.id, 100, DATA[100:150], complete=True)


async def test_a_body_over_a_limit_that_is_no_length_ends_nothing(one: Gateway) -> None:
    made = await one.create(None, dialect="rufh", allowed=replace(ALICE, max_size=120))
    await one.append(made.id, 0, DATA[:100], complete=False)
    with pytest.raises(TooLarge):
        await one.append(made.id, 100, bytes(51), complete=False)
    await one.append(made.id, 100, DATA[100:120], complete=True)
    assert one.fleet.store.data() == DATA[:120]


async def test_a_late_length_below_the_offset_or_over_the_limit_is_refused(one: Gateway) -> None:
    made = await one.create(None)
    await one.append(made.id, 0, DATA[:100])
    with pytest.raises(InconsistentLength):
        await one.append(made.id, 100, b"", length=99)
    most = one.engine.status(made).limits.max_size
    assert most is not None
    with pytest.raises(TooLarge) as caught:
        await one.append(made.id, 100, b"", length=most + 1)
    assert caught.value.members == {"max_size": most}
    assert (await one.engine.find(made.id)).length is None


async def test_a_repeated_last_request_is_answered_again(one: Gateway) -> None:
    made = await one.create(10)
    first = await one.append(made.id, 0, DATA[:10])
    again = await one.append(made.id, 10, b"")
    assert again.result == first.result
    with pytest.raises(OffsetMismatch):
        await one.append(made.id, 0, DATA[:10])
    with pytest.raises(UploadCompleted):
        await one.append(made.id, 10, b"x")


async def test_a_repeated_last_request_with_another_digest_is_refused(one: Gateway) -> None:
    made = await one.create(10)
    done = await one.append(made.id, 0, DATA[:10])
    wrong = Digest("sha1", sha1(b"other").digest())
    with pytest.raises(DigestMismatch):
        await one.append(made.id, 10, b"", body_digest=wrong)
    right = Digest("sha1", sha1(b"").digest())
    assert (await one.append(made.id, 10, b"", body_digest=right)).result == done.result


# --- bodies with a digest of their own ---


async def test_a_body_whose_digest_is_right_counts(one: Gateway) -> None:
    made = await one.create(len(DATA))
    digest = Digest("sha1", sha1(DATA).digest())
    done = await one.append(made.id, 0, DATA, body_digest=digest)
    assert done.state == "done"
    assert one.fleet.store.data() == DATA


@pytest.mark.parametrize("size", [100, 3 * PART + 5])
async def test_a_body_whose_digest_is_wrong_leaves_the_offset(one: Gateway, size: int) -> None:
    made = await one.create(len(DATA))
    await one.append(made.id, 0, DATA[:70])
    wrong = Digest("sha1", sha1(b"other").digest())
    with pytest.raises(DigestMismatch):
        await one.append(made.id, 70, DATA[70 : 70 + size], body_digest=wrong)
    assert await one.offset(made.id) == 70
    await one.append(made.id, 70, DATA[70:])
    assert one.fleet.store.data() == DATA


async def test_a_body_with_a_digest_that_breaks_off_is_not_kept(one: Gateway) -> None:
    made = await one.create(len(DATA))
    body = Bytes(DATA[: 2 * PART + 9], end=ClientGone("Gone."))
    digest = Digest("sha1", sha1(DATA).digest())
    with pytest.raises(ClientGone):
        await one.append(made.id, 0, body, body=len(DATA), body_digest=digest)
    assert await one.offset(made.id) == 0


@pytest.mark.parametrize("right", [True, False])
async def test_a_digest_may_come_behind_the_body(one: Gateway, right: bool) -> None:
    made = await one.create(len(DATA))
    value = crc32(DATA if right else b"").to_bytes(4, "big")
    sending = one.append(made.id, 0, DATA, lambda: Digest("crc32", value), trailing=True)
    if right:
        assert (await sending).state == "done"
    else:
        with pytest.raises(DigestMismatch):
            await sending
        assert await one.offset(made.id) == 0


# --- interruptions ---


@pytest.mark.parametrize("size", [1, 7, PART, PART + 7, 4 * PART + 1])
async def test_what_came_before_the_connection_broke_is_kept(one: Gateway, size: int) -> None:
    made = await one.create(len(DATA))
    with pytest.raises(ClientGone):
        await one.append(made.id, 0, Bytes(DATA[:size], end=ClientGone("Gone.")), body=len(DATA))
    assert await one.offset(made.id) == size
    await one.append(made.id, size, DATA[size:])
    assert one.fleet.store.data() == DATA


async def test_a_store_that_fails_in_the_middle_leaves_an_unbroken_run(one: Gateway) -> None:
    made = await one.create(len(DATA))
    store, failing = one.fleet.store, 3

    async def before(name: str) -> None:
        if name == "part" and store.calls.count("part") >= failing:
            raise StorageUnavailable("Down.")

    store.before = before
    with pytest.raises(StorageError):
        await one.append(made.id, 0, DATA)
    offset = await one.offset(made.id)
    assert offset % PART == 0
    assert offset <= 2 * PART
    failing = 1000
    await one.append(made.id, offset, DATA[offset:])
    assert store.data() == DATA


# --- cost ---


async def test_twelve_patches_of_1_mib_cost_8_calls_with_local_tails(tmp_path: Path) -> None:
    data = content(12 * MiB)
    async with fleet(tmp_path, local=True) as made:
        made.settings = made.settings.model_copy(update={"part_size": 8 * MiB})
        gateway = await made.gateway()
        upload = await gateway.create(len(data))
        await gateway.send(upload.id, data, MiB)
        assert made.store.data() == data
        assert len(made.store.calls) <= 8


async def test_twelve_patches_of_1_mib_cost_20_calls_with_tails_in_the_store(
    tmp_path: Path,
) -> None:
    data = content(12 * MiB)
    async with fleet(tmp_path, local=False) as made:
        made.settings = made.settings.model_copy(update={"part_size": 8 * MiB})
        gateway = await made.gateway()
        upload = await gateway.create(len(data))
        await gateway.send(upload.id, data, MiB)
        assert made.store.data() == data
        assert len(made.store.calls) <= 12 + 8


@pytest.mark.parametrize(("gateways", "factor"), [(1, 2.1), (2, 3.1)])
async def test_small_patches_move_each_byte_twice_or_three_times(
    tmp_path: Path, gateways: int, factor: float
) -> None:
    data = content(32 * MiB)
    async with fleet(tmp_path, local=False) as made:
        made.settings = made.settings.model_copy(update={"part_size": 8 * MiB})
        team = [await made.gateway() for _ in range(gateways)]
        upload = await team[0].create(len(data))
        for index, at in enumerate(range(0, len(data), 256 * KiB)):
            gateway = team[index % gateways]
            await gateway.append(upload.id, at, data[at : at + 256 * KiB])
        assert sha256(made.store.data()).digest() == sha256(data).digest()
        assert made.store.moved <= factor * len(data)


async def test_reading_an_offset_costs_the_store_nothing(one: Gateway) -> None:
    made = await one.create(len(DATA))
    await one.append(made.id, 0, DATA[: PART + 5])
    before = list(one.fleet.store.calls)
    for takes_over in ("never", "stale", "always"):
        session = await one.engine.inspect(await one.engine.find(made.id), takes_over)
        assert one.engine.status(session).offset == PART + 5
    assert one.fleet.store.calls == before


async def test_memory_stays_inside_the_budget(tmp_path: Path) -> None:
    data = content(3 * MiB)
    async with fleet(tmp_path) as made:
        gateway = await made.gateway()
        uploads = [await gateway.create(len(data)) for _ in range(1)]
        await asyncio.gather(*(gateway.append(each.id, 0, data) for each in uploads))
        statistics = gateway.bench.pool.statistics()
        assert 0 < statistics.peak <= statistics.budget


def test_the_store_of_these_tests_counts() -> None:
    assert CountingStore().calls == []


@pytest.mark.parametrize("chunked", [False, True])
async def test_who_finds_no_memory_is_refused_before_he_sends(
    tmp_path: Path, chunked: bool
) -> None:
    async with fleet(tmp_path) as made:
        gateway = await made.gateway(max_wait=0.05)
        upload = await gateway.create(len(DATA))
        body = Bytes(DATA)
        pool = gateway.bench.pool
        chunk = PutChunk(key=KEY, range=ByteRange(0, len(DATA)), total=None, body=len(DATA))
        with pool.account("elder") as elder, pool.account("hog") as hog:
            await hog.take_room(pool.budget.general)
            elder.start_part()
            await elder.take_room(pool.budget.reserve)
            sending = (
                gateway.engine.put_chunk(upload, chunk, body)
                if chunked
                else gateway.append(upload.id, 0, body)
            )
            with pytest.raises(Overloaded):
                await sending
            hog.leave_room(pool.budget.general)
            elder.leave_room(pool.budget.reserve)
        assert body.read == 0
