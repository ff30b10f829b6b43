"""Digests of the whole, and parts that did not count, at an upload's end."""

import asyncio
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from gateway.errors import (
    ClientGone,
    DigestMismatch,
    GatewayError,
    OffsetMismatch,
    PreconditionFailed,
    StorageCorrupt,
    UploadGone,
)
from gateway.model import Digest, ObjectKey, Stored
from gateway.storage.checksums import compute
from tests.transfer.lab import Bytes
from tests.transfer.resumable.lab import (
    PART,
    Fleet,
    Hanging,
    StrictStore,
    content,
    fleet,
)

DATA = content(3 * PART + 777)
SMALL = DATA[:5000]


@pytest.mark.parametrize("step", [10_000, len(DATA)])
@pytest.mark.parametrize("algorithm", ["sha-256", "crc32c", "crc64nvme", "md5"])
async def test_a_digest_of_the_whole_is_verified_before_anything_is_published(
    team: Fleet, step: int, algorithm: str
) -> None:
    gateway = await team.gateway()
    right = compute(algorithm, [memoryview(DATA)])
    made = await gateway.create(len(DATA), digests=(right,))
    done = await gateway.send(made.id, DATA, step)
    assert done.result is not None
    assert done.result.digests == (right,)

    wrong = replace(right, value=bytes(len(right.value)))
    made = await gateway.create(len(DATA), key=ObjectKey("photos", "other"), digests=(wrong,))
    with pytest.raises(DigestMismatch) as caught:
        await gateway.send(made.id, DATA, step)
    assert caught.value.final
    assert not team.store.has(ObjectKey("photos", "other"))
    with pytest.raises(UploadGone):
        await gateway.append(made.id, len(DATA), b"")
    await gateway.engine.endings.sweep()
    assert team.store.unfinished == 0


async def test_a_crc_is_composed_of_the_parts_wherever_they_were_received(team: Fleet) -> None:
    one, other = await team.gateway(), await team.gateway()
    right = compute("crc64nvme", [memoryview(DATA)])
    made = await one.create(len(DATA), digests=(right,))
    await one.append(made.id, 0, DATA[:PART])
    done = await other.append(made.id, PART, DATA[PART:])
    assert done.state == "done"


async def test_what_nobody_can_verify_any_more_is_not_published(team: Fleet) -> None:
    one, other = await team.gateway(), await team.gateway()
    right = Digest("sha-256", sha256(DATA).digest())
    made = await one.create(len(DATA), digests=(right,))
    await one.append(made.id, 0, DATA[:PART])
    with pytest.raises(DigestMismatch):
        await other.append(made.id, PART, DATA[PART:])
    assert not team.store.has()


SHA = Digest("sha-256", sha256(DATA).digest())


@pytest.mark.parametrize("size", [1, PART, PART + 1, 2 * PART + 999, len(DATA) - 1])
async def test_a_digest_of_the_whole_goes_on_behind_a_body_that_broke_off(
    team: Fleet, size: int
) -> None:
    gateway = await team.gateway()
    made = await gateway.create(len(DATA), digests=(SHA,))
    with pytest.raises(ClientGone):
        await gateway.append(
            made.id, 0, Bytes(DATA[:size], end=ClientGone("Gone.")), body=len(DATA)
        )
    assert await gateway.offset(made.id) == size
    assert (await gateway.append(made.id, size, DATA[size:])).state == "done"


async def test_a_digest_of_the_whole_goes_on_behind_a_writer_that_was_asked_to_let_go(
    team: Fleet,
) -> None:
    gateway = await team.gateway()
    made = await gateway.create(len(DATA), digests=(SHA,))
    body = Hanging(DATA[: PART + 5], len(DATA))
    first = asyncio.create_task(gateway.append(made.id, 0, body, body=len(DATA)))
    await body.hangs.wait()
    with pytest.raises(OffsetMismatch):  # which asks the first one to let go
        await gateway.append(made.id, 1, DATA[1:])
    with pytest.raises(GatewayError):
        await first
    assert await gateway.offset(made.id) == PART + 5
    assert (await gateway.append(made.id, PART + 5, DATA[PART + 5 :])).state == "done"


async def test_a_digest_of_the_whole_outlives_a_body_that_was_dropped(team: Fleet) -> None:
    gateway = await team.gateway()
    made = await gateway.create(len(DATA), digests=(SHA,))
    await gateway.append(made.id, 0, DATA[: PART + 5])
    rest = DATA[PART + 5 :]
    with pytest.raises(DigestMismatch):
        await gateway.append(made.id, PART + 5, rest, body_digest=Digest("crc32", bytes(4)))
    assert (await gateway.append(made.id, PART + 5, rest)).state == "done"


async def test_a_digest_of_the_whole_outlives_an_end_that_was_refused(team: Fleet) -> None:
    gateway = await team.gateway()
    made = await gateway.create(len(DATA), digests=(SHA,))
    await gateway.append(made.id, 0, DATA[: 2 * PART])
    complete = team.store.complete_multipart

    async def refused(*args: Any, **more: Any) -> Stored:
        raise PreconditionFailed("Somebody was faster.")

    team.store.complete_multipart = refused  # type: ignore[method-assign]
    with pytest.raises(PreconditionFailed):
        await gateway.append(made.id, 2 * PART, DATA[2 * PART :])
    team.store.complete_multipart = complete  # type: ignore[method-assign]
    session = await gateway.engine.find(made.id)
    assert (session.state, session.offset) == ("open", len(DATA))
    assert (await gateway.append(made.id, len(DATA), b"")).state == "done"


async def test_a_small_upload_is_verified_whoever_received_it(team: Fleet) -> None:
    one, other = await team.gateway(), await team.gateway()
    right = Digest("crc32", crc32(SMALL).to_bytes(4, "big"))
    made = await one.create(len(SMALL), digests=(right, Digest("sha-256", sha256(SMALL).digest())))
    await one.append(made.id, 0, SMALL[:1000])
    assert (await other.append(made.id, 1000, SMALL[1000:])).state == "done"


@pytest.mark.parametrize("data", [SMALL, DATA], ids=["small", "parts"])
async def test_digests_that_are_wanted_are_told(team: Fleet, data: bytes) -> None:
    gateway = await team.gateway()
    made = await gateway.create(len(data))
    wanted = ("sha-256", "unheard-of")
    await gateway.append(made.id, 0, data[:1000], want_digests=wanted)
    done = await gateway.append(made.id, 1000, data[1000:], want_digests=wanted)
    assert done.result is not None
    assert done.result.digests == (Digest("sha-256", sha256(data).digest()),)


WRONG = Digest("sha1", bytes(20))


async def test_a_store_that_wants_all_its_parts_gets_others_for_those_that_did_not_count(
    tmp_path: Path,
) -> None:
    async with fleet(tmp_path, local=False, store=StrictStore()) as strict:
        gateway = await strict.gateway()
        made = await gateway.create(len(DATA))
        with pytest.raises(DigestMismatch):
            await gateway.append(made.id, 0, content(3 * PART, seed=1), body_digest=WRONG)
        assert (await gateway.send(made.id, DATA, 2 * PART + 99)).state == "done"
        assert strict.store.data() == DATA


async def test_an_upload_that_ends_before_parts_that_did_not_count_is_refused_and_told_why(
    tmp_path: Path,
) -> None:
    async with fleet(tmp_path, local=False, store=StrictStore()) as strict:
        gateway = await strict.gateway()
        made = await gateway.create()
        with pytest.raises(DigestMismatch):
            await gateway.append(made.id, 0, DATA, body_digest=WRONG)
        with pytest.raises(StorageCorrupt, match="takes all parts or none"):
            await gateway.append(made.id, 0, DATA[: PART + 1], complete=True)
        assert strict.store.keys == set()
