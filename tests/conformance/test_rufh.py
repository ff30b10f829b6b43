"""The items of R1 to R46 that can be seen from outside, asked of Sluice with the local store and SQLite."""

from collections.abc import Iterator

import pytest

from tests.conformance import sluice
from tests.conformance.checks import Check, Status
from tests.conformance.rufh import SUITE, DraftTarget
from tests.conformance.tus import Trial
from tests.conformance.tus.runner import one

pytestmark = pytest.mark.ci


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DraftTarget]:
    with sluice.embedded(tmp_path_factory.mktemp("embedded")) as options:
        target = DraftTarget(sluice.objects(options), method="PUT")
        target.discover()
        yield target


@pytest.mark.parametrize("check", SUITE.ordered(), ids=lambda check: str(check.number))
def test_item_of_the_draft(embedded: DraftTarget, check: Check[Trial]) -> None:
    result = one(embedded, check)
    assert result.status is Status.PASS, f"{result.number} ({result.level}): {result.seen}"
