"""Planted bugs: the state machine finds each of them, whichever seed it begins with."""

import hypothesis.core
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from gateway.errors import GatewayError
from tests.chaos.ledger import Broken
from tests.chaos.machine import Uploads
from tests.chaos.plants import PLANTS

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
    monkeypatch.setattr(hypothesis.core, "global_force_seed", seed)
    with pytest.raises((Broken, AssertionError, GatewayError, ExceptionGroup)):
        run_state_machine_as_test(Uploads, settings=SEARCH)


def test_every_plant_still_fits_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(PLANTS) >= 10
    for edits in PLANTS.values():
        with monkeypatch.context() as patch:
            for edit in edits:
                edit.plant(patch)
