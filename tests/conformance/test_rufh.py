"""R1 to R46 asked of Sluice: of the local store with SQLite, and of Ceph RGW with Redis."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance import sluice
from tests.conformance.checks import Check, Status
from tests.conformance.peers import fault_proxy
from tests.conformance.rufh import SUITE, DraftTarget
from tests.conformance.tus import Trial
from tests.conformance.tus.runner import one
from tests.conformance.tus.trial import Options
from tests.servers.lease import S3Endpoint

pytestmark = [pytest.mark.ci, pytest.mark.timeout(300)]

CHECKS = SUITE.ordered()


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DraftTarget]:
    with sluice.embedded(tmp_path_factory.mktemp("embedded")) as options:
        yield known(options)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, rgw: S3Endpoint) -> Iterator[DraftTarget]:
    folder: Path = tmp_path_factory.mktemp("fleet")
    proxy = fault_proxy(rgw.url, folder / "proxy")
    with proxy as urls, sluice.fleet(folder, sluice.FaultyStore(rgw, *urls)) as options:
        yield known(options)


def known(options: Options) -> DraftTarget:
    target = DraftTarget(sluice.objects(options), method="PUT")
    target.discover()
    return target


def ask(target: DraftTarget, check: Check[Trial]) -> None:
    """A skip is a failure: nothing of it is an option here."""
    result = one(target, check)
    assert result.status is Status.PASS, f"{result.number} ({result.level}): {result.seen}"


def test_every_item_from_R1_to_R46_is_asked() -> None:
    assert [check.number for check in CHECKS] == [f"R{number}" for number in range(1, 47)]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.number))
def test_item_of_the_draft_with_the_local_store_and_sqlite(
    embedded: DraftTarget, check: Check[Trial]
) -> None:
    ask(embedded, check)


@pytest.mark.slow
@pytest.mark.s3
@pytest.mark.redis
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.number))
def test_item_of_the_draft_with_ceph_and_redis(fleet: DraftTarget, check: Check[Trial]) -> None:
    ask(fleet, check)
