import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    ObjectNotFound,
    StorageError,
    StorageRejected,
    StorageThrottled,
    StorageUnavailable,
)
from gateway.storage.backoff import Pause, RetryBudget, RetryPolicy

DOWN = StorageUnavailable("down")


def test_the_longest_wait_doubles_up_to_the_cap() -> None:
    policy = RetryPolicy(attempts=9, base=0.5, cap=3.0)
    assert [policy.delay(DOWN, attempt, 1.0) for attempt in range(1, 6)] == [0.5, 1, 2, 3, 3]


@given(st.integers(1, 5000), st.floats(0, 1), st.floats(0.001, 10), st.floats(0.001, 60))
def test_a_wait_lies_between_nothing_and_the_cap(
    attempt: int, rand: float, base: float, cap: float
) -> None:
    delay = RetryPolicy(attempts=10_000, base=base, cap=cap).delay(DOWN, attempt, rand)
    assert delay is not None
    assert 0 <= delay <= cap
    assert delay <= base * 2.0 ** min(attempt - 1, 100)


def test_jitter_is_full() -> None:
    policy = RetryPolicy(base=1.0)
    assert policy.delay(DOWN, 1, 0.0) == 0.0
    assert policy.delay(DOWN, 1, 0.25) == 0.25


def test_the_last_attempt_is_the_last() -> None:
    policy = RetryPolicy(attempts=3)
    assert policy.delay(DOWN, 2, 0.5) is not None
    assert policy.delay(DOWN, 3, 0.5) is None
    assert RetryPolicy(attempts=1).delay(DOWN, 1, 0.5) is None


@pytest.mark.parametrize(
    "error", [ObjectNotFound("no"), StorageError("odd"), StorageRejected("no")], ids=str
)
def test_what_is_not_retryable_is_not_retried(error: StorageError) -> None:
    assert RetryPolicy().delay(error, 1, 0.5) is None


def test_retry_after_is_the_least_wait() -> None:
    policy = RetryPolicy(base=1.0, cap=10.0)
    error = StorageUnavailable("down", retry_after=4.0)
    assert policy.delay(error, 1, 0.0) == 4.0
    assert policy.delay(error, 1, 1.0) == 5.0


def test_a_retry_after_beyond_the_cap_is_left_to_the_client() -> None:
    error = StorageUnavailable("down", retry_after=11.0)
    assert RetryPolicy(cap=10.0).delay(error, 1, 0.0) is None


def spend(budget: RetryBudget, now: float) -> int:
    spent = 0
    while budget.withdraw(now):
        spent += 1
        assert spent < 10_000
    return spent


def test_a_budget_begins_full_and_runs_dry() -> None:
    budget = RetryBudget(0.2, reserve=10)
    assert spend(budget, now=0.0) == 10
    assert not budget.withdraw(now=0.0)


def test_each_call_pays_for_its_share_of_retries() -> None:
    budget = RetryBudget(0.25, reserve=100)
    spend(budget, now=0.0)
    for _ in range(40):
        budget.deposit(now=0.0)
    assert spend(budget, now=0.0) == 10


def test_a_quiet_gateway_gets_a_retry_a_second() -> None:
    budget = RetryBudget(0.2, reserve=10)
    spend(budget, now=100.0)
    assert not budget.withdraw(now=100.9)
    assert budget.withdraw(now=101.1)
    assert spend(budget, now=1e9) == 10


def test_a_share_of_nothing_allows_no_retry() -> None:
    budget = RetryBudget(0.0)
    budget.deposit(now=0.0)
    assert not budget.withdraw(now=1e6)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 0.01)), max_size=300))
def test_retries_never_exceed_their_share(steps: list[tuple[bool, float]]) -> None:
    budget = RetryBudget(0.2, reserve=5)
    now, calls, retries = 0.0, 0, 0
    for is_call, seconds in steps:
        now += seconds
        if is_call:
            calls += 1
            budget.deposit(now)
        else:
            retries += budget.withdraw(now)
        assert retries <= 5 + 0.2 * calls + now + 1e-6


def test_without_a_throttle_nobody_rests() -> None:
    assert Pause(1.0, 10.0).left(now=5.0) == 0.0


def test_throttles_lengthen_the_rest_and_success_shortens_it_again() -> None:
    pause = Pause(1.0, 5.0)
    now, rests = 0.0, []
    for _ in range(5):
        pause.throttled(now, None)
        rests.append(pause.left(now))
        now += pause.left(now)
    assert rests == [1, 2, 4, 5, 5]
    pause.succeeded(now)
    pause.throttled(now, None)
    assert pause.left(now) == 1


def test_throttles_during_a_rest_are_its_echo() -> None:
    pause = Pause(1.0, 100.0)
    for _ in range(20):
        pause.throttled(0.0, None)
    pause.succeeded(0.5)
    assert pause.left(0.5) == 0.5
    pause.throttled(1.0, None)
    assert pause.left(1.0) == 2.0


def test_a_retry_after_sets_the_rest_up_to_the_cap() -> None:
    pause = Pause(1.0, 10.0)
    pause.throttled(0.0, 3.0)
    assert pause.left(0.0) == 3.0
    pause.throttled(0.0, 7.0)
    assert pause.left(0.0) == 7.0
    pause.throttled(0.0, 3600.0)
    assert pause.left(0.0) == 10.0


def test_throttled_counts_as_retryable() -> None:
    assert RetryPolicy().delay(StorageThrottled("slow down"), 1, 1.0) == 0.1
