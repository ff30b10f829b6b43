"""The suite against a server that others wrote: what that does well passes, what it is known to do wrong is found."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.node import PeerMissing
from tests.conformance.checks import Level, Result, Status
from tests.conformance.page import LONG, SHORT, file_store, s3_store
from tests.conformance.tus import SUITE, Target
from tests.conformance.tus.__main__ import numbers
from tests.conformance.tus.runner import run, select
from tests.conformance.tus.trial import MiB, Options

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

#: What @tus/server 2.4.5 does right, whatever its store.
RIGHT = numbers(
    "T1,T4,T5,T12,T14,T15,T16,T17,T18,T19,T20,T21,T22,T24,T25,T28,T30,T31,T32,T33,T36,T37,T38,T39,T40,T45,T49,T50,"
    "T52,T54,T58,T61,T65,T66,T67,T69"
)
#: What it does wrong: its answers to other versions, the override, empty metadata, a slow HEAD beside a PATCH, 400 for
#: other media types, no offset beside 409, the late second writer.
WRONG = {
    "T6": Level.MUST, "T7": Level.MUST, "T8": Level.MUST, "T10": Level.SHOULD, "T11": Level.MUST, "T23": Level.STRICT,
    "T29": Level.STRICT, "T35": Level.STRICT, "T42": Level.STRICT, "T46": Level.SHOULD, "T47": Level.SHOULD,
    "T48": Level.STRICT, "T53": Level.STRICT, "T57": Level.STRICT, "T64": Level.STRICT, "T79": Level.SHOULD,
    "T82": Level.STRICT,
}  # fmt: skip
#: It lists no checksum and no concatenation.
SKIPPED = numbers("T41,T75,T76,T77,T78,T80,T81")


def asked(options: Options, numbers: list[str]) -> dict[str, Result]:
    target = Target(options)
    target.discover()
    return {one.number: one for one in run(target, select(SUITE.ordered(), numbers))}


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Options]:
    try:
        with file_store(tmp_path, LONG) as options:
            yield options
    except PeerMissing as error:
        pytest.skip(str(error))


def test_what_a_good_server_does_passes_and_what_it_does_wrong_is_found(files: Options) -> None:
    results = asked(files, [*RIGHT, *WRONG, *SKIPPED])
    assert {number: results[number].seen for number in RIGHT if results[number].level} == {}
    assert {number: results[number].level for number in WRONG} == WRONG
    assert {results[number].status for number in SKIPPED} == {Status.SKIP}


def test_expired_uploads_are_waited_for(tmp_path: Path) -> None:
    try:
        with file_store(tmp_path, SHORT) as options:
            results = asked(options, ["T71", "T72", "T73", "T74"])
            hasty = asked(replace(options, patience=1), ["T73"])
    except PeerMissing as error:
        pytest.skip(str(error))
    assert [results[number].status for number in ("T71", "T72", "T73")] == [Status.PASS] * 3
    assert hasty["T73"].status is Status.SKIP


def test_a_killed_server_is_started_again_and_asked_on(files: Options) -> None:
    results = asked(replace(files, large=4 * MiB, rounds=3), ["T63", "T12"])
    assert {one.status for one in results.values()} == {Status.PASS}


def test_the_hole_and_the_lost_tail_of_its_s3_store_are_found(
    tmp_path: Path,
) -> None:
    try:
        with s3_store(tmp_path, LONG) as options:
            results = asked(options, ["T44", "T59", "T62"])
    except PeerMissing as error:
        pytest.skip(str(error))
    assert "HEAD fell back from 1048576 to 0" in results["T44"].seen
    assert (results["T59"].status, results["T62"].level) == (Status.PASS, Level.MUST)
    # Which, depends on how many parts came through beside the one that failed.
    assert re.search(
        "other bytes|bytes instead|the finished object is answered 404", results["T62"].seen
    )
