import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    ClientGone,
    MultipartLost,
    ObjectNotFound,
    Overloaded,
    StorageError,
    StorageRejected,
    StorageThrottled,
    StorageTimeout,
    StorageUnavailable,
)
from gateway.storage.breaker import Breaker, Ticket, Verdict, judge


def opened(failures: int = 3, cooldown: float = 5.0, now: float = 0.0) -> Breaker:
    breaker = Breaker(failures, cooldown)
    for _ in range(failures):
        breaker.settle(breaker.admit(now), "failed", now)
    assert breaker.state == "open"
    return breaker


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (None, "answered"),
        (ObjectNotFound(""), "answered"),
        (StorageThrottled(""), "answered"),
        (StorageRejected(""), "answered"),
        (MultipartLost(""), "answered"),
        (StorageError(""), "answered"),
        (StorageUnavailable(""), "failed"),
        (StorageTimeout(""), "failed"),
        (ClientGone(""), "unknown"),
        (Overloaded(""), "unknown"),
        (asyncio.CancelledError(), "unknown"),
        (ValueError(), "unknown"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_silence_and_server_errors_count_against_a_store(
    error: BaseException | None, verdict: Verdict
) -> None:
    assert judge(error) == verdict


def test_failures_in_a_row_open_it() -> None:
    breaker = Breaker(3, 5.0)
    states = []
    for _ in range(3):
        breaker.settle(breaker.admit(0.0), "failed", 0.0)
        states.append(breaker.state)
    assert states == ["closed", "closed", "open"]


def test_one_answer_begins_the_row_anew() -> None:
    breaker = Breaker(3, 5.0)
    for verdict in ("failed", "failed", "answered", "failed", "failed", "unknown"):
        breaker.settle(breaker.admit(0.0), verdict, 0.0)
    assert breaker.state == "closed"


def test_while_open_it_refuses_and_says_for_how_long() -> None:
    breaker = opened(cooldown=5.0, now=10.0)
    assert breaker.refusal(10.0) == 5.0
    assert breaker.refusal(14.0) == 1.0
    assert breaker.refusal(15.0) is None


def test_after_the_cooldown_one_trial_is_admitted() -> None:
    breaker = opened(cooldown=5.0)
    breaker.admit(5.0)
    assert breaker.state == "half-open"
    assert breaker.refusal(5.0) == 5.0


def test_a_trial_that_is_answered_closes_it() -> None:
    breaker = opened()
    breaker.settle(breaker.admit(5.0), "answered", 6.0)
    assert breaker.state == "closed"
    assert breaker.refusal(6.0) is None


def test_a_trial_that_fails_opens_it_for_another_cooldown() -> None:
    breaker = opened(cooldown=5.0)
    breaker.settle(breaker.admit(5.0), "failed", 7.0)
    assert breaker.state == "open"
    assert breaker.refusal(7.0) == 5.0


def test_a_trial_that_told_nothing_makes_room_for_the_next() -> None:
    breaker = opened(cooldown=5.0)
    breaker.settle(breaker.admit(5.0), "unknown", 6.0)
    assert breaker.refusal(6.0) is None


def test_calls_that_began_before_it_opened_do_not_count_after() -> None:
    breaker = Breaker(2, 5.0)
    early = [breaker.admit(0.0) for _ in range(4)]
    breaker.settle(early[0], "failed", 1.0)
    breaker.settle(early[1], "failed", 1.0)
    breaker.settle(early[2], "answered", 2.0)
    assert breaker.state == "open"
    breaker.settle(early[3], "failed", 4.0)
    assert breaker.refusal(6.0) is None, "a late failure must not lengthen the cooldown"


@given(
    st.lists(
        st.tuples(st.sampled_from(["answered", "failed", "unknown", "begin"]), st.integers(0, 9)),
        max_size=200,
    )
)
def test_it_always_lets_a_call_in_again(steps: list[tuple[str, int]]) -> None:
    breaker = Breaker(2, 5.0)
    running: list[Ticket] = []
    now = 0.0
    for step, seconds in steps:
        now += seconds
        if step == "begin":
            if breaker.refusal(now) is None:
                running.append(breaker.admit(now))
        elif running:
            breaker.settle(running.pop(0), step, now)  # type: ignore[arg-type]
        refusal = breaker.refusal(now)
        assert refusal is None or 0 < refusal <= 5.0
    for ticket in running:
        breaker.settle(ticket, "failed", now)
    assert breaker.refusal(now + 5.0) is None
