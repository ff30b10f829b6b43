"""The state machine of uploads: it finds nothing as things are."""

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.chaos.machine import Uploads


class Strict(Uploads):
    """Before a store that takes all parts or none."""

    strict = True


@pytest.mark.parametrize("machine", [Uploads, Strict])
def test_uploads_survive_whatever_comes(machine: type[Uploads]) -> None:
    run_state_machine_as_test(
        machine, settings=settings(max_examples=10, stateful_step_count=20, deadline=None)
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("machine", [Uploads, Strict])
def test_uploads_survive_whatever_comes_for_long(machine: type[Uploads]) -> None:
    run_state_machine_as_test(
        machine, settings=settings(max_examples=300, stateful_step_count=40, deadline=None)
    )
