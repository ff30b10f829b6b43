"""The state machine of uploads: it finds nothing as things are."""

import pytest
from hypothesis import Phase, settings

from tests.chaos.machine import Uploads
from tests.chaos.search import search

#: To make what was found shorter takes minutes, so it is told as it was found.
FOUND = settings(
    max_examples=6,
    stateful_step_count=15,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    report_multiple_bugs=False,
)


class Strict(Uploads):
    """Before a store that takes all parts or none."""

    strict = True


@pytest.mark.parametrize("machine", [Uploads, pytest.param(Strict, marks=pytest.mark.ci)])
def test_uploads_survive_whatever_comes(machine: type[Uploads]) -> None:
    search(machine, FOUND)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("machine", [Uploads, Strict])
def test_uploads_survive_whatever_comes_for_long(machine: type[Uploads]) -> None:
    search(machine, settings(FOUND, max_examples=200, stateful_step_count=40))
