"""T1 to T82 asked of Sluice: of the local store with SQLite, and of Ceph RGW with Redis, behind the fault proxy."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance import sluice
from tests.conformance.checks import Check, Status
from tests.conformance.peers import fault_proxy
from tests.conformance.tus import SUITE, Target, Trial
from tests.conformance.tus.runner import one
from tests.conformance.tus.trial import Options
from tests.servers.lease import S3Endpoint

pytestmark = [pytest.mark.ci, pytest.mark.timeout(300)]

#: Not to be seen from outside in the time of a test.
UNSEEN = frozenset({"T70"})
#: Asked where uploads live for SHORT seconds.
EXPIRING = frozenset({"T73", "T74"})
SHORT = 3
#: They need faults of a store.
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
        if check.number not in without | EXPIRING | UNSEEN
    ]


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with sluice.embedded(tmp_path_factory.mktemp("embedded")) as options:
        yield known(options)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, rgw: S3Endpoint) -> Iterator[Target]:
    folder: Path = tmp_path_factory.mktemp("fleet")
    proxy = fault_proxy(rgw.url, folder / "proxy")
    with proxy as urls, sluice.fleet(folder, sluice.FaultyStore(rgw, *urls)) as options:
        yield known(options)


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
