"""The sweep: what is ours and abandoned goes, everything else stays."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.errors import (
    BucketNotFound,
    GatewayError,
    InvalidBucketName,
    MultipartLost,
    SessionsUnavailable,
    StorageRejected,
    StorageUnavailable,
)
from gateway.model import MultipartListing, MultipartRef, ObjectKey, PartReceipt
from gateway.sessions.base import NOBODY, Intent
from gateway.sessions.memory import MemorySessions
from gateway.sessions.owner import this_owner
from gateway.telemetry import Instrument
from gateway.transfer.sweep_report import SweepFailure, SweepTarget
from gateway.transfer.sweeper import Sweeper

NOW = 1_700_000_000.0
KEY = ObjectKey("photos", "a.png")
EVERYTHING = (SweepTarget("main", "photos"),)
OTHER_MACHINE = "other-boot/4026531836/77/123"


class Shelf:
    """A store's multiparts alone, with faults at will and hooks between calls: no real store can be asked for the
    moments that matter here."""

    def __init__(self) -> None:
        self.uploads: dict[MultipartRef, float] = {}
        self.fault: GatewayError | None = None
        self.fault_at_abort: GatewayError | None = None
        self.before_listing: Callable[[], None] = lambda: None
        self.after_listing: Callable[[], None] = lambda: None
        self.stubborn = False
        self.buckets: list[str] | None = None
        self.closed: set[str] = set()
        self.aborts: list[MultipartRef] = []

    def begin(self, upload_id: str, *, at: float = NOW - 600, key: ObjectKey = KEY) -> MultipartRef:
        ref = MultipartRef("main", key, upload_id)
        self.uploads[ref] = at
        return ref

    async def delete(self, key: ObjectKey) -> None:
        raise AssertionError("this sweep removes no objects")

    async def abort_multipart(self, ref: MultipartRef) -> None:
        await asyncio.sleep(0)
        fault = self.fault or self.fault_at_abort
        if fault is not None:
            raise fault
        self.aborts.append(ref)
        if not self.stubborn:
            self.uploads.pop(ref, None)

    async def list_parts(self, ref: MultipartRef) -> list[PartReceipt]:
        await asyncio.sleep(0)
        if ref not in self.uploads:
            raise MultipartLost("No such upload.")
        return []

    async def list_buckets(self) -> list[str] | None:
        if self.fault is not None:
            raise self.fault
        return self.buckets

    async def list_multiparts(self, bucket: str, prefix: str) -> AsyncIterator[MultipartListing]:
        self.before_listing()
        if self.fault is not None:
            raise self.fault
        if bucket in self.closed:
            raise StorageRejected("Not ours.")
        found = [
            MultipartListing(ref, datetime.fromtimestamp(initiated, UTC))
            for ref, initiated in self.uploads.items()
            if ref.key.bucket == bucket and ref.key.name.startswith(prefix)
        ]
        await asyncio.sleep(0)
        self.after_listing()
        for listing in found:
            yield listing


class Recorder(Instrument):
    def __init__(self) -> None:
        self.orphans: list[bool] = []

    def orphan_found(self, store: str, *, ours: bool) -> None:
        self.orphans.append(ours)


@pytest.fixture(scope="module")
def dead() -> str:
    """The name of a process of this machine that has ended."""
    script = "from gateway.sessions.owner import this_owner; print(this_owner())"
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30
    ).stdout.strip()


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def sessions() -> MemorySessions:
    return MemorySessions()


@pytest.fixture
def sweeper(shelf: Shelf, sessions: MemorySessions) -> Sweeper:
    return Sweeper({"main": shelf}, sessions, grace=60.0, now=lambda: NOW)


def _intent(
    owner: str,
    upload_id: str | None = None,
    *,
    id: str = "i1",
    key: ObjectKey = KEY,
    created: float = NOW - 600,
    store: str = "main",
) -> Intent:
    return Intent(id=id, store=store, key=key, owner=owner, created=created, upload_id=upload_id)


async def test_a_dead_process_s_upload_is_aborted_and_forgotten(
    shelf: Shelf, sessions: MemorySessions, dead: str
) -> None:
    ref = shelf.begin("u1")
    await sessions.put_intent(_intent(dead, "u1"))
    recorder = Recorder()
    report = await Sweeper({"main": shelf}, sessions, recorder, now=lambda: NOW).sweep(EVERYTHING)
    assert report.aborted == [ref]
    assert (report.foreign, report.kept, report.failed) == ([], [], [])
    assert shelf.uploads == {}
    assert await sessions.intents() == []
    assert recorder.orphans == [True]


async def test_what_a_living_process_has_given_up_is_swept_at_once(
    shelf: Shelf, sessions: MemorySessions, sweeper: Sweeper
) -> None:
    ref = shelf.begin("u1", at=NOW)
    await sessions.put_intent(_intent(NOBODY, "u1", created=NOW))
    assert (await sweeper.sweep(EVERYTHING)).aborted == [ref]
    assert await sessions.intents() == []


async def test_what_a_killed_probe_left_is_aborted_once_it_cannot_be_running(
    shelf: Shelf, sessions: MemorySessions, sweeper: Sweeper
) -> None:
    key = ObjectKey("photos", ".sluice-probe/.sluice-probe-0123456789abcdef-condition")
    old = shelf.begin("u1", key=key, at=NOW - 61)
    young = shelf.begin("u2", key=key, at=NOW - 59)
    report = await sweeper.sweep(EVERYTHING)
    assert (report.aborted, report.foreign) == ([old], [])
    assert list(shelf.uploads) == [young]


async def test_a_wrong_bucket_is_told_and_ends_no_sweep(
    shelf: Shelf, sessions: MemorySessions, sweeper: Sweeper
) -> None:
    shelf.fault_at_abort = InvalidBucketName("no such name can exist")
    shelf.begin("u1", key=ObjectKey("photos", ".sluice-probe-x-condition"))
    report = await sweeper.sweep(EVERYTHING)
    assert [failure.error.code for failure in report.failed] == ["invalid-bucket-name"]


async def test_a_probe_s_multipart_that_stays_is_told(
    shelf: Shelf, sessions: MemorySessions, sweeper: Sweeper
) -> None:
    shelf.begin("u1", key=ObjectKey("photos", ".sluice-probe-x-condition"))
    shelf.fault_at_abort = StorageUnavailable("down")
    report = await sweeper.sweep(EVERYTHING)
    assert [failure.what for failure in report.failed] == list(EVERYTHING)
    assert (report.aborted, report.foreign) == ([], [])


async def test_a_dead_process_is_swept_at_once_in_spite_of_its_heartbeat(
    shelf: Shelf, sessions: MemorySessions, sweeper: Sweeper, dead: str
) -> None:
    shelf.begin("u1", at=NOW)
    await sessions.put_intent(_intent(dead, "u1", created=NOW))
    await sessions.beat(dead, NOW + 1000)
    assert len((await sweeper.sweep()).aborted) == 1


@pytest.mark.parametrize("upload_id", ["u1", None])
async def test_a_running_process_keeps_its_uploads_however_silent(
    shelf: Shelf, sessions: MemorySessions, sweeper: Sweeper, upload_id: str | None
) -> None:
    shelf.begin("u1")
    await sessions.put_intent(_intent(this_owner(), upload_id))
    report = await sweeper.sweep(EVERYTHING)
    assert (report.aborted, report.foreign) == ([], [])
    assert [intent.id for intent in report.kept] == ["i1"]
    assert len(shelf.uploads) == 1


async def test_another_machine_s_upload_lives_by_its_heartbeat(
    shelf: Shelf, sessions: MemorySessions, sweeper: Sweeper
) -> None:
    shelf.begin("u1")
    await sessions.put_intent(_intent(OTHER_MACHINE, "u1"))
    await sessions.beat(OTHER_MACHINE, NOW + 1)
    assert len((await sweeper.sweep(EVERYTHING)).kept) == 1
    await sessions.beat(OTHER_MACHINE, NOW)
    assert len((await sweeper.sweep(EVERYTHING)).aborted) == 1


async def test_another_machine_s_first_moments_without_a_heartbeat_are_left_alone(
    shelf: Shelf, sessions: MemorySessions, sweeper: Sweeper
) -> None:
    shelf.begin("u1", at=NOW - 59)
    await sessions.put_intent(_intent(OTHER_MACHINE, "u1", created=NOW - 59))
    assert len((await sweeper.sweep()).kept) == 1
    await sessions.put_intent(_intent(OTHER_MACHINE, "u1", created=NOW - 60))
    assert len((await sweeper.sweep()).aborted) == 1


async def test_what_nobody_here_began_is_reported_and_left_alone(
    shelf: Shelf, sessions: MemorySessions, dead: str
) -> None:
    shelf.begin("u1")
    theirs = [
        shelf.begin("foreign"),
        shelf.begin("foreign2", key=ObjectKey("photos", "b.png"), at=NOW),
    ]
    await sessions.put_intent(_intent(dead, "u1"))
    recorder = Recorder()
    sweeper = Sweeper({"main": shelf}, sessions, recorder, now=lambda: NOW)
    report = await sweeper.sweep(EVERYTHING)
    assert [listing.ref for listing in report.foreign] == theirs
    assert list(shelf.uploads) == theirs
    assert recorder.orphans == [True, False, False]


async def test_foreign_uploads_are_looked_for_within_the_targets_only(
    shelf: Shelf, sweeper: Sweeper
) -> None:
    shelf.begin("u1", key=ObjectKey("photos", "in/a"))
    shelf.begin("u2", key=ObjectKey("photos", "out/a"))
    shelf.begin("u3", key=ObjectKey("films", "in/a"))
    report = await sweeper.sweep([SweepTarget("main", "photos", "in/")])
    assert [listing.ref.upload_id for listing in report.foreign] == ["u1"]


# --- intents that never learned their upload's id ---


@pytest.mark.parametrize("late", [-5.0, 0.0, 3600.0])
async def test_an_upload_without_an_id_is_found_by_key_and_time(
    shelf: Shelf, sessions: MemorySessions, sweeper: Sweeper, dead: str, late: float
) -> None:
    ref = shelf.begin("u1", at=NOW - 600 + late)
    await sessions.put_intent(_intent(dead))
    assert (await sweeper.sweep(EVERYTHING)).aborted == [ref]
    assert await sessions.intents() == []


@pytest.mark.parametrize(
    ("key", "late"),
    [
        (KEY, -5.1),
        (KEY, 3600.1),
        (ObjectKey("photos", "a.png2"), 0.0),
        (ObjectKey("photos", "A.png"), 0.0),
    ],
)
async def test_an_upload_of_another_key_or_time_is_foreign(
    shelf: Shelf,
    sessions: MemorySessions,
    sweeper: Sweeper,
    dead: str,
    key: ObjectKey,
    late: float,
) -> None:
    shelf.begin("u1", key=key, at=NOW - 600 + late)
    await sessions.put_intent(_intent(dead))
    report = await sweeper.sweep(EVERYTHING)
    assert report.aborted == []
    assert len(report.foreign) == 1
    assert await sessions.intents() == [], "there was no upload, so there is nothing to remember"


async def test_another_intent_s_upload_is_never_taken(
    shelf: Shelf, sessions: MemorySessions, sweeper: Sweeper, dead: str
) -> None:
    shelf.begin("living")
    await sessions.put_intent(_intent(dead))
    await sessions.put_intent(_intent(this_owner(), "living", id="i2"))
    report = await sweeper.sweep(EVERYTHING)
    assert (report.aborted, report.foreign) == ([], [])
    assert [intent.id for intent in await sessions.intents()] == ["i2"]


async def test_while_a_living_process_begins_the_same_key_nothing_is_taken(
    shelf: Shelf, sessions: MemorySessions, sweeper: Sweeper, dead: str
) -> None:
    shelf.begin("whose")
    await sessions.put_intent(_intent(dead))
    await sessions.put_intent(_intent(this_owner(), id="i2"))
    report = await sweeper.sweep(EVERYTHING)
    assert (report.aborted, report.foreign) == ([], [])
    assert len(report.kept) == 2


async def test_one_that_begins_while_the_store_is_listed_is_seen(
    shelf: Shelf, sessions: MemorySessions, sweeper: Sweeper, dead: str
) -> None:
    await sessions.put_intent(_intent(dead))

    def begin_elsewhere() -> None:
        sessions._intents["i2"] = _intent(this_owner(), id="i2")
        shelf.begin("living")

    shelf.before_listing = begin_elsewhere
    report = await sweeper.sweep(EVERYTHING)
    assert (report.aborted, report.foreign) == ([], [])
    assert list(shelf.uploads) == [MultipartRef("main", KEY, "living")]


async def test_of_several_candidates_each_intent_takes_the_nearest(
    shelf: Shelf, sessions: MemorySessions, sweeper: Sweeper, dead: str
) -> None:
    first, second = shelf.begin("u1", at=NOW - 599), shelf.begin("u2", at=NOW - 299)
    foreign = shelf.begin("later", at=NOW - 100)
    await sessions.put_intent(_intent(dead))
    await sessions.put_intent(_intent(dead, id="i2", created=NOW - 300))
    report = await sweeper.sweep(EVERYTHING)
    assert report.aborted == [first, second]
    assert [listing.ref for listing in report.foreign] == [foreign]


async def test_a_create_under_way_when_its_sender_died_is_waited_for(
    shelf: Shelf, sessions: MemorySessions, sweeper: Sweeper, dead: str
) -> None:
    await sessions.put_intent(_intent(dead, created=NOW - 1))
    assert len((await sweeper.sweep(EVERYTHING)).kept) == 1
    ref = shelf.begin("u1", at=NOW)
    assert (await sweeper.sweep(EVERYTHING)).aborted == [ref]


async def test_an_upload_that_ends_while_the_store_is_listed_is_not_foreign(
    shelf: Shelf, sessions: MemorySessions, sweeper: Sweeper
) -> None:
    shelf.begin("u1")
    await sessions.put_intent(_intent(this_owner(), "u1"))
    shelf.after_listing = sessions._intents.clear
    assert (await sweeper.sweep(EVERYTHING)).foreign == []


# --- faults ---


async def test_what_cannot_be_aborted_is_reported_and_kept_for_the_next_sweep(
    shelf: Shelf, sessions: MemorySessions, sweeper: Sweeper, dead: str
) -> None:
    ref = shelf.begin("u1")
    await sessions.put_intent(_intent(dead, "u1"))
    shelf.fault = StorageUnavailable("Down.")
    report = await sweeper.sweep(EVERYTHING)
    assert report.failed == [
        SweepFailure(_intent(dead, "u1"), shelf.fault),
        SweepFailure(EVERYTHING[0], shelf.fault),
    ]
    assert len(await sessions.intents()) == 1
    shelf.fault = None
    assert (await sweeper.sweep(EVERYTHING)).aborted == [ref]


async def test_pitfall_28_an_abort_is_believed_only_when_the_upload_is_gone(
    shelf: Shelf, sessions: MemorySessions, sweeper: Sweeper, dead: str
) -> None:
    shelf.begin("u1")
    shelf.stubborn = True
    await sessions.put_intent(_intent(dead, "u1"))
    report = await sweeper.sweep(EVERYTHING)
    assert (report.aborted, report.foreign) == ([], [])
    assert "still there" in report.failed[0].error.detail
    assert len(await sessions.intents()) == 1


@pytest.mark.parametrize("upload_id", ["u1", None])
async def test_a_bucket_that_is_gone_holds_no_uploads(
    shelf: Shelf, sessions: MemorySessions, sweeper: Sweeper, dead: str, upload_id: str | None
) -> None:
    await sessions.put_intent(_intent(dead, upload_id))
    shelf.fault = BucketNotFound("No such bucket.")
    report = await sweeper.sweep(EVERYTHING)
    assert (report.failed, report.foreign) == ([], [])
    assert await sessions.intents() == []


async def test_an_intent_of_a_store_that_is_not_configured_is_kept(
    sessions: MemorySessions, sweeper: Sweeper, dead: str
) -> None:
    await sessions.put_intent(_intent(dead, "u1", store="old"))
    assert len((await sweeper.sweep()).kept) == 1
    assert len(await sessions.intents()) == 1


async def test_without_the_journal_nothing_is_done(shelf: Shelf, dead: str) -> None:
    class Unavailable(MemorySessions):
        async def owners(self, now: float) -> frozenset[str]:
            raise SessionsUnavailable("Down.")

    sessions = Unavailable()
    shelf.begin("u1")
    await sessions.put_intent(_intent(dead, "u1"))
    with pytest.raises(SessionsUnavailable):
        await Sweeper({"main": shelf}, sessions, now=lambda: NOW).sweep(EVERYTHING)
    assert len(shelf.uploads) == 1


async def test_a_listing_that_lags_does_not_make_ours_foreign(
    shelf: Shelf, sessions: MemorySessions, sweeper: Sweeper, dead: str
) -> None:
    ref = shelf.begin("u1")
    await sessions.put_intent(_intent(dead, "u1"))
    shelf.before_listing = lambda: shelf.uploads.update({ref: NOW - 600})
    report = await sweeper.sweep(EVERYTHING)
    assert (report.aborted, report.foreign) == ([ref], [])


# --- twice at once ---


async def test_what_is_taken_for_an_intent_is_written_down_before_the_abort(
    shelf: Shelf, sessions: MemorySessions, sweeper: Sweeper, dead: str
) -> None:
    ref = shelf.begin("u1")
    await sessions.put_intent(_intent(dead))
    shelf.fault_at_abort = StorageUnavailable("Down.")
    assert len((await sweeper.sweep()).failed) == 1
    assert [intent.ref() for intent in await sessions.intents()] == [ref]


@pytest.mark.parametrize("upload_id", ["u1", None])
async def test_two_sweeps_at_once_abort_ours_and_nothing_else(
    shelf: Shelf, sessions: MemorySessions, sweeper: Sweeper, dead: str, upload_id: str | None
) -> None:
    shelf.begin("u1")
    foreign = shelf.begin("foreign", at=NOW - 500)
    await sessions.put_intent(_intent(dead, upload_id))
    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(sweeper.sweep(EVERYTHING))
    assert list(shelf.uploads) == [foreign]
    assert {ref.upload_id for ref in shelf.aborts} == {"u1"}
    assert await sessions.intents() == []


async def test_a_slow_sweep_does_not_take_the_next_best_after_a_faster_one(
    shelf: Shelf, sessions: MemorySessions, sweeper: Sweeper, dead: str
) -> None:
    shelf.begin("u1")
    foreign = shelf.begin("foreign", at=NOW - 500)
    await sessions.put_intent(_intent(dead))

    def faster_sweep_has_aborted() -> None:
        sessions._intents["i1"] = replace(_intent(dead), upload_id="u1")
        shelf.uploads.pop(MultipartRef("main", KEY, "u1"), None)

    shelf.before_listing = faster_sweep_has_aborted
    await sweeper.sweep()
    assert list(shelf.uploads) == [foreign]

    await sessions.put_intent(_intent(dead))
    shelf.before_listing = sessions._intents.clear
    await sweeper.sweep()
    assert list(shelf.uploads) == [foreign]


async def test_every_bucket_that_the_store_lists_can_be_a_target(
    shelf: Shelf, sweeper: Sweeper
) -> None:
    shelf.buckets = ["photos", "films", "music", "closed"]
    shelf.closed = {"closed"}  # nobody named it, so that it refuses us is no failure
    for number, bucket in enumerate(shelf.buckets):
        shelf.begin(f"u{number}", key=ObjectKey(bucket, "a"))
    every = SweepTarget("main", None, without=frozenset({"films"}))
    report = await sweeper.sweep([SweepTarget("main", "photos", "a"), every])
    assert [found.ref.upload_id for found in report.foreign] == ["u0", "u2"]
    assert report.failed == []
    named = SweepTarget("main", "closed")
    assert [failure.what for failure in (await sweeper.sweep([named])).failed] == [named]


async def test_a_store_that_does_not_list_its_buckets_has_no_further_targets(
    shelf: Shelf, sweeper: Sweeper
) -> None:
    every = SweepTarget("main", None)
    assert (await sweeper.sweep([every])).failed == []
    shelf.fault = StorageUnavailable("down")
    assert (await sweeper.sweep([every])).failed == [SweepFailure(every, shelf.fault)]
