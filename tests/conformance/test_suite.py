"""Each check can pass, and can fail: asked of a server in memory that is right, or wrong in one way."""

import subprocess
import sys

import pytest

from tests.conformance.checks import Result, Status
from tests.conformance.reference import reference
from tests.conformance.tus import SUITE, Target
from tests.conformance.tus.__main__ import main
from tests.conformance.tus.runner import run, select
from tests.conformance.tus.trial import MiB, Options
from tests.servers.gateway import ROOT

pytestmark = pytest.mark.ci

#: They need hooks, wait for a server that closes what stalls, or can't be seen.
UNASKED = {"T43", "T56", "T60", "T62", "T63", "T70", "T71", "T72", "T73", "T74"}


def asked(url: str, numbers: list[str]) -> dict[str, Result]:
    target = Target(Options(url=url, download_url="{url}", large=2 * MiB, patience=1))
    target.discover()
    return {one.number: one for one in run(target, select(SUITE.ordered(), numbers), jobs=8)}


def test_a_server_that_is_right_passes() -> None:
    numbers = [check.number for check in SUITE.ordered() if check.number not in UNASKED]
    with reference() as url:
        results = asked(url, numbers)
    assert [
        (one.number, one.seen) for one in results.values() if one.status is not Status.PASS
    ] == []


@pytest.mark.parametrize(
    ("flaw", "found"),
    [
        ("checksum-ignored", {"T2", "T75", "T76", "T78"}),
        ("checksum-unstaged", {"T2", "T75", "T76", "T77", "T78"}),
        ("concat-silent", {"T41", "T80"}),
        ("final-backwards", {"T81"}),
        ("final-length", {"T81"}),
        ("final-of-any", {"T81"}),
        ("final-patch", {"T81"}),
        ("metadata-sorted", {"T25"}),
    ],
)
def test_a_flaw_is_found_where_it_is(flaw: str, found: set[str]) -> None:
    with reference(flaw) as url:
        results = asked(url, ["T2", "T25", "T41", "T75", "T76", "T77", "T78", "T80", "T81"])
    assert {one.number for one in results.values() if one.status is Status.FAIL} == found


def test_the_command_says_by_its_exit_status_whether_a_must_failed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with reference() as url:
        assert main([url, "--only", "T1,t12"]) == 0
    with reference("final-length") as url:
        assert main([url, "--only", "T81"]) == 1
        assert "final with Upload-Length was answered 201" in capsys.readouterr().out
    assert main([url, "--only", "T1"]) == 2
    assert "no connection" in capsys.readouterr().err


def test_it_needs_a_checkout_and_python_alone() -> None:
    """-S: without the packages that are installed here."""
    command = [sys.executable, "-S", "-m", "tests.conformance.tus"]
    with reference() as url:
        told = [url, "--download-url", "{url}", "--only", "T1,T45"]
        done = subprocess.run([*command, *told], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "2 pass, 0 fail" in done.stdout
