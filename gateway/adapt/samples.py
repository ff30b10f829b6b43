"""What was measured: the only way time enters a controller."""

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """How sending a part ended, as far as a controller cares."""

    OK = "ok"
    #: The store asked for less (503 SlowDown, 429) or did not answer in time.
    CONGESTED = "congested"
    #: An end that says nothing about the store's capacity: refused, cancelled.
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSample:
    """One attempt to send a part: ``size`` in bytes, times in seconds of one monotonic clock.

    ``in_flight`` counts the parts that were being sent when this one started, itself included.
    """

    size: int
    started: float
    finished: float
    in_flight: int
    outcome: Outcome = Outcome.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A limit that was changed: when, from what to what, why, and the goodput (bytes per second) before and at
    the change. For logs and tests; None where it was not known."""

    at: float
    old: int
    new: int
    reason: str
    before: float | None
    goodput: float | None
