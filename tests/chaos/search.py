"""Searching with the state machine on a machine that has other things to do."""

from typing import Final

import hypothesis.core
import pytest
from hypothesis import settings
from hypothesis.errors import FlakyStrategyDefinition
from hypothesis.stateful import run_state_machine_as_test

from tests.chaos.machine import Uploads

#: How often a search is begun anew that could not be ended.
TRIES: Final = 4


def search(machine: type[Uploads], chosen: settings, seed: int | None = None) -> None:
    """Run it with these settings, and this seed; raises what it finds.

    What a step does depends on time, too: writers stall, and patience ends. Where the same steps go another way when
    they are repeated, Hypothesis ends the whole search, with what has been found: then it begins once more.
    """
    for again in range(TRIES):
        with pytest.MonkeyPatch.context() as patch:
            if seed is not None:
                patch.setattr(hypothesis.core, "global_force_seed", seed + 1000 * again)
            try:
                run_state_machine_as_test(machine, settings=chosen)
            except FlakyStrategyDefinition:
                if again == TRIES - 1:
                    raise
            else:
                return
