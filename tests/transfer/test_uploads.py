"""Uploads: whole and verified, or nothing."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import md5, sha256
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import (
    ClientGone,
    DigestMismatch,
    IncompleteBody,
    ObjectExists,
    Overloaded,
    PayloadHashMismatch,
    PreconditionFailed,
    StorageError,
    TooLarge,
)
from gateway.model import Attributes, Digest, ObjectKey
from gateway.protocol.commands import ObjectStored, Preconditions
from gateway.sessions.base import Intent
from gateway.settings import LocalStorage
from gateway.settings.sections import TransferSection
from gateway.storage.base import ConditionalPut
from gateway.storage.local import LocalStore
from gateway.transfer.sweep_report import SweepReport, SweepTarget
from gateway.transfer.sweeper import Sweeper
from gateway.transfer.uploads import UploadRules
from gateway.units import KiB, MiB
from tests.transfer.lab import ALICE, KEY, NEW, Bench, Bytes, Store, bench

CREATE = Preconditions(if_none_match=("*",))
KINDS: list[ConditionalPut] = ["none", "put", "complete"]
SMALL = TransferSection(part_size=64 * KiB)


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(tmp_path, settings=SMALL) as made:
        yield made


def store_of(lab: Bench) -> Store:
    assert isinstance(lab.store, Store)
    return lab.store


# --- the truth about 201 and 204 ---


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [0, 10, 300 * KiB])
async def test_created_and_replaced_are_told_apart(
    tmp_path: Path, kind: ConditionalPut, size: int
) -> None:
    async with bench(tmp_path, Store(kind), settings=SMALL) as lab:
        first = await lab.put(bytes(size), tell_created=True)
        second = await lab.put(b"other", tell_created=True)

        assert (first.created, first.size, second.created) == (True, size, False)
        assert lab.facts.uploads == [("stored", size), ("stored", 5)]
        await lab.assert_clean()


async def test_nobody_looks_at_the_object_when_nobody_needs_to_know(tmp_path: Path) -> None:
    async with bench(tmp_path, Store("none")) as lab:
        await lab.put(b"x")

        assert store_of(lab).calls == ["put"]


async def test_wanted_digests_are_told(lab: Bench) -> None:
    stored: ObjectStored = await lab.put(b"hello", want_digests=("sha-256",))

    assert stored.digests == (Digest("sha-256", sha256(b"hello").digest()),)


# --- overwriting ---


@pytest.mark.parametrize("kind", KINDS)
async def test_case_73_pitfall_8_of_two_creators_exactly_one_wins(
    tmp_path: Path, kind: ConditionalPut
) -> None:
    for size in (10, 200 * KiB):
        async with bench(tmp_path, Store(kind), settings=SMALL) as lab:
            bodies = [bytes([number]) * size for number in range(4)]
            answers = await asyncio.gather(
                *(lab.put(body, NEW) for body in bodies), return_exceptions=True
            )
            won = [n for n, answer in enumerate(answers) if isinstance(answer, ObjectStored)]

            assert len(won) == 1
            assert store_of(lab).data() == bodies[won[0]]
            assert {type(a) for n, a in enumerate(answers) if n not in won} == {ObjectExists}
            await lab.assert_clean()


@pytest.mark.parametrize("kind", KINDS)
async def test_case_73_of_two_conditional_writers_exactly_one_wins(
    tmp_path: Path, kind: ConditionalPut
) -> None:
    async with bench(tmp_path, Store(kind), settings=SMALL) as lab:
        answers = await asyncio.gather(
            *(lab.put(b"x" * 100 * KiB, conditions=CREATE) for _ in range(4)),
            return_exceptions=True,
        )

        assert sorted(type(answer).__name__ for answer in answers) == [
            "ObjectStored",
            *["PreconditionFailed"] * 3,
        ]
        await lab.assert_clean()


async def test_pitfall_8_the_embedded_store_has_one_winner_too(tmp_path: Path) -> None:
    store = LocalStore(
        "main", LocalStorage(kind="local", path=tmp_path / "objects", durability="process")
    )
    await store.start()
    try:
        async with bench(tmp_path, store, settings=SMALL) as lab:
            answers = await asyncio.gather(
                *(lab.put(bytes(size), NEW) for size in (1, 2, 200 * KiB, 300 * KiB)),
                return_exceptions=True,
            )
            created = [answer for answer in answers if isinstance(answer, ObjectStored)]

            assert [answer.created for answer in created] == [True]
            assert (await store.head(KEY)).size == created[0].size
            await lab.assert_clean()
    finally:
        await store.aclose()


@pytest.mark.parametrize(
    ("rules", "conditions", "error"),
    [
        (NEW, Preconditions(), ObjectExists),
        (NEW, CREATE, ObjectExists),
        (ALICE, CREATE, PreconditionFailed),
        (ALICE, Preconditions(if_match=('"other"',)), PreconditionFailed),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
async def test_what_may_not_be_replaced_costs_no_byte_of_the_body(
    tmp_path: Path,
    kind: ConditionalPut,
    rules: UploadRules,
    conditions: Preconditions,
    error: type[Exception],
) -> None:
    async with bench(tmp_path, Store(kind)) as lab:
        await lab.put(b"first")
        body = Bytes(b"second")
        with pytest.raises(error):
            await lab.put(body, rules, conditions)

        assert body.read == 0
        assert store_of(lab).data() == b"first"
        await lab.assert_clean()


@pytest.mark.parametrize("kind", KINDS)
async def test_an_update_of_the_known_version_succeeds_once(
    tmp_path: Path, kind: ConditionalPut
) -> None:
    async with bench(tmp_path, Store(kind)) as lab:
        first = await lab.put(b"1")
        known = Preconditions(if_match=(f'"{first.info_etag}"',))
        await lab.put(b"2", conditions=known)
        with pytest.raises(PreconditionFailed):
            await lab.put(b"3", conditions=known)

        assert store_of(lab).data() == b"2"


@pytest.mark.parametrize("size", [10, 300 * KiB])
@pytest.mark.parametrize("rules", [ALICE, NEW])
@pytest.mark.parametrize("tag", ["*", '"other"'])
@pytest.mark.parametrize("kind", KINDS)
async def test_an_update_of_what_is_not_there_is_refused_also_to_who_may_only_create(
    tmp_path: Path, kind: ConditionalPut, tag: str, rules: UploadRules, size: int
) -> None:
    async with bench(tmp_path, Store(kind), settings=SMALL) as lab:
        body = Bytes(bytes(size))
        with pytest.raises(PreconditionFailed):
            await lab.put(body, rules, Preconditions(if_match=(tag,)))

        assert body.read == 0
        await lab.assert_clean()


# --- bodies that are not what was announced ---


@pytest.mark.parametrize("size", [10, 200 * KiB])
@pytest.mark.parametrize(
    ("command", "rules", "error"),
    [
        ({"digests": (Digest("sha-256", bytes(32)),)}, ALICE, DigestMismatch),
        (
            {},
            UploadRules(principal="a", digests=(Digest("sha-256", bytes(32)),)),
            PayloadHashMismatch,
        ),
        ({"length": 300 * KiB}, ALICE, IncompleteBody),
        ({"length": None}, UploadRules(principal="a", max_size=9), TooLarge),
    ],
    ids=["digest", "signed digest", "short", "too large"],
)
async def test_what_fails_to_verify_leaves_nothing(
    lab: Bench, size: int, command: Any, rules: UploadRules, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await lab.put(bytes(size), rules, **command)

    assert not store_of(lab).has()
    assert "put" not in store_of(lab).calls
    assert len(lab.facts.uploads) == 1
    await lab.assert_clean()


@pytest.mark.parametrize("size", [10, 200 * KiB])
async def test_case_49_a_client_that_leaves_leaves_nothing(lab: Bench, size: int) -> None:
    with pytest.raises(ClientGone):
        await lab.put(Bytes(bytes(size), end=ClientGone("gone")), length=size + 1)

    assert not store_of(lab).has()
    ((outcome, counted),) = lab.facts.uploads
    assert outcome == "client-gone"
    assert size - 64 * KiB < counted <= size  # what a slab not yet full holds was not counted
    await lab.assert_clean()


async def test_an_upload_that_is_cut_off_leaves_nothing(lab: Bench) -> None:
    reached, never = asyncio.Event(), asyncio.Event()

    async def stall(name: str) -> None:
        if name == "put":
            reached.set()
            await never.wait()

    store_of(lab).before = stall
    task = asyncio.create_task(lab.put(b"x"))
    await reached.wait()
    task.cancel()
    never.set()  # what has begun to be published runs to its end
    with pytest.raises(asyncio.CancelledError):
        await task

    assert lab.facts.uploads == [("cut-off", 1)]
    await lab.assert_clean()


async def test_pitfall_17_readers_see_the_old_object_until_the_new_one_is_whole(
    lab: Bench,
) -> None:
    store = store_of(lab)
    seen: list[bytes | None] = []

    async def look(name: str) -> None:
        if name in ("complete", "put"):
            seen.append(store.data() if store.has() else None)

    store.before = look
    await lab.put(b"1" * 200 * KiB)
    await lab.put(b"2" * 200 * KiB)

    assert seen == [None, b"1" * 200 * KiB]
    assert store.data() == b"2" * 200 * KiB


# --- limits ---


async def test_a_body_over_the_configured_limit_is_refused_before_it_is_read(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path, settings=TransferSection(max_object=100)) as lab:
        body = Bytes(bytes(101))
        with pytest.raises(TooLarge) as caught:
            await lab.put(body)
        with pytest.raises(TooLarge):
            await lab.put(bytes(101), length=None)
        await lab.put(bytes(100))

        assert (caught.value.members["max_length"], body.read) == (100, 0)
        await lab.assert_clean()


async def test_case_56_an_upload_without_memory_is_refused_before_it_is_read(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path, max_wait=0.05) as lab:
        with lab.pool.account("hog") as hog, lab.pool.account("elder") as elder:
            await hog.take_room(lab.pool.budget.general)
            elder.start_part()
            await elder.take_room(lab.pool.budget.reserve)
            body = Bytes(b"x" * 100)
            with pytest.raises(Overloaded) as caught:
                await lab.put(body)
            hog.leave_room(lab.pool.budget.general)
            elder.leave_room(lab.pool.budget.reserve)

        assert (body.read, caught.value.retry_after) == (0, 5)
        await lab.put(b"x" * 100)
        await lab.assert_clean()


async def test_case_56_one_body_too_many_is_refused_before_it_is_read(lab: Bench) -> None:
    accounts = [lab.pool.account("many") for _ in range(lab.pool.budget.general // (32 * KiB))]
    for account in accounts:
        account.open()
    body = Bytes(b"x")
    with pytest.raises(Overloaded):
        await lab.put(body)
    for account in accounts:
        account.close()

    assert body.read == 0
    await lab.assert_clean()


async def test_a_store_that_fails_for_good_is_the_uploads_error(lab: Bench) -> None:
    async def broken(name: str) -> None:
        if name in ("put", "complete"):
            raise StorageError("broken")

    store_of(lab).before = broken
    for size in (1, 200 * KiB):
        with pytest.raises(StorageError):
            await lab.put(bytes(size))

    assert [outcome for outcome, _ in lab.facts.uploads] == ["storage-error"] * 2
    await lab.assert_clean()


async def test_pitfall_29_bodies_at_the_same_time_do_not_mix(lab: Bench) -> None:
    keys = [ObjectKey("photos", f"k{number}") for number in range(8)]
    bodies = [bytes([number]) * (number * 40 * KiB) for number in range(8)]
    answers = await asyncio.gather(
        *(
            lab.put(body, UploadRules(principal=key.name), key=key, want_digests=("sha-256", "md5"))
            for key, body in zip(keys, bodies, strict=True)
        )
    )

    assert [store_of(lab).data(key) for key in keys] == bodies
    for body, answer in zip(bodies, answers, strict=True):
        assert answer.digests == (
            Digest("sha-256", sha256(body).digest()),
            Digest("md5", md5(body).digest()),
        )
    assert lab.pool.statistics().peak <= 32 * MiB


async def test_a_probe_that_ends_meanwhile_changes_no_upload_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begun for a store that judges nothing, so without a condition for it: then the lease must be taken."""
    store = Store("none")
    async with bench(tmp_path, store) as lab:
        leases: list[str] = []
        acquire = lab.sessions.acquire

        async def noted(name: str, *rest: Any) -> Any:
            leases.append(name)
            return await acquire(name, *rest)

        class Probed(Bytes):
            async def read_into(self, view: memoryview, /) -> int:
                store.capabilities = replace(store.capabilities, conditional_put="complete")
                return await super().read_into(view)

        monkeypatch.setattr(lab.sessions, "acquire", noted)
        await lab.put(Probed(b"x"), NEW)

        assert leases == [f"write/main/{KEY}"]


async def test_pitfall_14_sweeping_one_abandoned_upload_stops_no_other(lab: Bench) -> None:
    """The sweep runs again and again while uploads do; it takes what a dead process left, and nothing else."""
    store = store_of(lab)
    left = await store.create_multipart(ObjectKey("photos", "left"), Attributes())
    await lab.sessions.put_intent(
        Intent(
            id="left", store="main", key=left.key, owner="dead", created=0, upload_id=left.upload_id
        )
    )
    await lab.sessions.beat("me", lab.now + 60)
    sweeper = Sweeper({"main": store}, lab.sessions, now=lambda: lab.now)
    reports: list[SweepReport] = []

    async def sweep() -> None:
        while True:
            reports.append(await sweeper.sweep([SweepTarget("main", "photos")]))
            await asyncio.sleep(0)

    sweeping = asyncio.create_task(sweep())
    keys = [ObjectKey("photos", f"k{number}") for number in range(8)]
    async with asyncio.timeout(20):
        await asyncio.gather(*(lab.put(bytes(300 * KiB), key=key) for key in keys))
    sweeping.cancel()

    assert all(len(store.data(key)) == 300 * KiB for key in keys)
    assert [ref for report in reports for ref in report.aborted] == [left]
    assert any(report.kept for report in reports)
    await lab.assert_clean()


@pytest.mark.parametrize("concurrency", [1, 3, 20])
async def test_any_concurrency_that_may_be_set_works(tmp_path: Path, concurrency: int) -> None:
    section = TransferSection(concurrency=concurrency, part_size=5 * MiB)
    async with bench(tmp_path, settings=section) as lab:
        assert (await lab.put(bytes(11 * MiB))).size == 11 * MiB
        await lab.assert_clean()
