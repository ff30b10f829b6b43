"""Samples are values."""

import dataclasses

import pytest

from gateway.adapt.samples import Decision, Outcome, PartSample


def test_a_sample_is_a_good_one_unless_told_otherwise() -> None:
    sample = PartSample(size=1, started=0.0, finished=1.0, in_flight=1)
    assert sample.outcome is Outcome.OK


def test_decisions_do_not_change_afterwards() -> None:
    decision = Decision(at=0.0, old=1, new=2, reason="probe", before=None, goodput=1.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        decision.new = 3  # type: ignore[misc]
