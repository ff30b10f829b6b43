"""Setbacks in a row."""

import pytest

from gateway.client import Backoff, Corrupt, Interrupted
from gateway.client.uploading.patience import Patience
from gateway.client.uploading.steps import Pause


def waits(patience: Patience, count: int) -> list[float]:
    found = []
    for _ in range(count):
        step = next(patience.wait(Interrupted("x")))
        assert isinstance(step, Pause)
        found.append(step.seconds)
    return found


def test_waits_double_until_there_is_progress() -> None:
    patience = Patience(Backoff(rand=lambda: 1.0))
    assert waits(patience, 3) == [0.5, 1.0, 2.0]
    assert waits(patience.fresh(), 1) == [0.5]
    patience.progressed()
    assert waits(patience, 2) == [0.5, 1.0]


def test_the_last_failure_is_raised_as_it_is() -> None:
    patience = Patience(Backoff(attempts=2))
    waits(patience, 1)
    error = Interrupted("x")
    with pytest.raises(Interrupted) as caught:
        next(patience.wait(error))
    assert caught.value is error
    with pytest.raises(Corrupt):
        next(Patience(Backoff()).wait(Corrupt("no")))
