"""Planted bugs: the state machine finds each of them, whichever seed it begins with."""

import pytest
from hypothesis import HealthCheck, Phase, settings

from gateway.errors import GatewayError
from tests.chaos.ledger import Broken
from tests.chaos.machine import Uploads
from tests.chaos.plants import PLANTS
from tests.chaos.search import search

#: It need not be told in few steps what is wrong: that it is told is enough.
SEARCH = settings(
    max_examples=400,
    stateful_step_count=40,
    deadline=None,
    database=None,
    derandomize=False,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("bug", PLANTS)
def test_a_planted_bug_is_found(bug: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for edit in PLANTS[bug]:
        edit.plant(monkeypatch)
    with pytest.raises((Broken, AssertionError, GatewayError, ExceptionGroup)):
        search(Uploads, SEARCH, seed)


def test_every_plant_still_fits_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(PLANTS) >= 10
    for edits in PLANTS.values():
        with monkeypatch.context() as patch:
            for edit in edits:
                edit.plant(patch)
