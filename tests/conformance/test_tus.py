"""T1 to T82 asked of Sluice: of the local store with SQLite, and of Ceph RGW with Redis, behind the fault proxy."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from gateway.adapt.slices import choose
from gateway.model import PartLimits
from gateway.settings.sections import MemorySection
from tests.conformance import sluice
from tests.conformance.checks import Check, Status
from tests.conformance.disk import Disk
from tests.conformance.peers import fault_proxy
from tests.conformance.tus import SUITE, Target, Trial
from tests.conformance.tus.durability import RETRIES
from tests.conformance.tus.runner import one
from tests.conformance.tus.trial import MiB, Options
from tests.servers.lease import S3Endpoint

pytestmark = [pytest.mark.ci, pytest.mark.timeout(300)]

#: Asked where uploads live for SHORT seconds.
EXPIRING = frozenset({"T73", "T74"})
SHORT = 3
#: They need faults of a store: the disk's are tests of their own here.
FAULTS = frozenset({"T43", "T60", "T62"})
#: Seconds of waiting or many megabytes: in `make accept`.
LONG = frozenset({"T44", "T55", "T56", "T59", "T62", "T63", "T76", "T77", "T82"})


def items(without: frozenset[str]) -> list[object]:
    """Every other check, by its number."""
    return [
        pytest.param(
            check, id=check.number, marks=[pytest.mark.slow] if check.number in LONG else []
        )
        for check in SUITE.ordered()
        if check.number not in without | EXPIRING
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("embedded")


@pytest.fixture(scope="module")
def embedded(folder: Path) -> Iterator[Target]:
    with sluice.embedded(folder) as options:
        yield known(options)


@pytest.fixture
def disk(folder: Path) -> Iterator[Disk]:
    disk = Disk(folder / "sluice" / "objects")
    yield disk
    disk.heal()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, rgw: S3Endpoint) -> Iterator[Target]:
    folder: Path = tmp_path_factory.mktemp("fleet")
    proxy = fault_proxy(rgw.url, folder / "proxy")
    with proxy as urls, sluice.fleet(folder, sluice.FaultyStore(rgw, *urls)) as options:
        yield known(options)


def numbers(params: list[object]) -> set[str]:
    """The items that a test is made of."""
    return {str(param.id) for param in params if isinstance(param, ParameterSet)}


def known(options: Options) -> Target:
    target = Target(options)
    target.discover()
    return target


def ask(target: Target, check: Check[Trial]) -> None:
    """A skip is a failure: an extension that is not offered any more."""
    result = one(target, check)
    assert result.status is Status.PASS, f"{result.number} ({result.level}): {result.seen}"


@pytest.mark.parametrize("check", items(without=FAULTS))
def test_item_of_tus_with_the_local_store_and_sqlite(embedded: Target, check: Check[Trial]) -> None:
    ask(embedded, check)


@pytest.mark.slow
@pytest.mark.s3
@pytest.mark.redis
@pytest.mark.parametrize("check", items(without=frozenset()))
def test_item_of_tus_with_ceph_and_redis(fleet: Target, check: Check[Trial]) -> None:
    ask(fleet, check)


@pytest.mark.slow
@pytest.mark.parametrize("number", sorted(EXPIRING))
def test_item_of_tus_about_expiry(tmp_path: Path, number: str) -> None:
    with sluice.embedded(tmp_path, SHORT) as options:
        ask(known(options), SUITE.checks[number])


def test_every_item_from_T1_to_T82_is_asked_of_both() -> None:
    everything = [f"T{number}" for number in range(1, 83)]
    assert [check.number for check in SUITE.ordered()] == everything
    written = {name.split("_")[1] for name in globals() if re.match(r"test_T\d+_", name)}
    assert numbers(items(without=FAULTS)) | EXPIRING | written == set(everything)
    assert numbers(items(without=frozenset())) | EXPIRING == set(everything)


def test_T43_while_the_disk_is_away_HEAD_says_the_offset(embedded: Target, disk: Disk) -> None:
    trial = embedded.trial("T43")
    upload = trial.create(20)
    trial.patched(upload, 0, b"1234567")
    with disk.away(""):
        answer = trial.head(upload.url)
        assert (answer.status, answer.number("upload-offset")) == (200, 7)
        refused = trial.patch(upload, 7, bytes(13))
        assert refused.status in {500, 502, 503, 504}, refused
    trial.finish(upload, b"1234567" + bytes(13), patience=RETRIES)
    assert trial.failed == []


def test_T60_the_disk_fails_at_the_end_and_a_patch_of_nothing_completes_later(
    embedded: Target, disk: Disk
) -> None:
    trial = embedded.trial("T60")
    data = trial.data(trial.options.large)
    upload = trial.create(len(data))
    disk.block("cases")
    answer = trial.patch(upload, 0, data, timeout=60)
    disk.heal()
    assert answer.status in {500, 502, 503, 504}, answer
    assert trial.offset(upload) == len(data)
    trial.patched(upload, len(data), b"")
    trial.compare(upload, data)
    assert trial.failed == []


def test_T62_the_disk_goes_away_midway_and_what_was_kept_is_whole(
    embedded: Target, disk: Disk
) -> None:
    trial = embedded.trial("T62")
    data = trial.data(trial.options.large)
    upload = trial.create(len(data))
    with trial.begin(upload, 0, len(data), data[: 9 * MiB]) as link:
        kept = reached(trial, upload.url)
        with disk.away(".multipart"):
            link.send(data[9 * MiB :])
            answer = link.answer("PATCH", timeout=60)
    assert answer.status in {500, 502, 503, 504}, answer
    offset = trial.offset(upload)
    assert kept <= offset < len(data)
    trial.finish(upload, data, patience=RETRIES)
    assert trial.failed == []


def reached(trial: Trial, url: str) -> int:
    """The offset of a running upload, once it has one; asking does not disturb it."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        answer = trial.request("GET", url)
        durable: int = json.loads(answer.body)["offset"]
        if durable:
            return durable
        time.sleep(0.05)
    raise AssertionError("nothing of it becomes durable")


@pytest.mark.parametrize(
    ("limits", "fenced"),
    [(PartLimits(), True), (PartLimits(), False), (PartLimits(uniform=True), True)],
    ids=["local", "ceph", "uniform"],
)
def test_T70_parts_grow_so_that_a_length_told_late_may_pass_500_GB(
    limits: PartLimits, fenced: bool
) -> None:
    """Every byte of it has a part, in order, whose number and size the store takes, within a process's memory."""
    cap = MemorySection().budget // 4
    slices = choose(None, limits, memory_cap=cap, fenced=fenced)
    assert slices.max_length > 500 * 10**9 or limits.uniform
    reached = before = index = 0
    while reached < slices.max_length:
        start, stop = slices.bounds(index)
        numbers = {slices.number(index, epoch) for epoch in range(slices.stride)}
        assert start == reached
        assert limits.min_size <= stop - start <= cap
        assert stop - start >= before
        assert max(numbers) <= limits.max_parts
        reached, before, index = stop, stop - start, index + 1
    assert slices.index_of(slices.max_length - 1) == index - 1
