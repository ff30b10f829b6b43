"""When to try again."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.client.backoff import Backoff, Retry
from gateway.client.failures import Corrupt, Interrupted, Refused

BREAK = Interrupted("broke")


@given(failures=st.integers(1, 50), rand=st.floats(0, 1, exclude_max=True))
def test_full_jitter_lies_between_nothing_and_the_doubling_bound(
    failures: int, rand: float
) -> None:
    delay = Backoff(attempts=51, rand=lambda: rand).delay(BREAK, failures)
    assert delay is not None
    assert 0 <= delay <= min(20.0, 0.5 * 2 ** (failures - 1))


def test_it_gives_up_after_its_attempts() -> None:
    backoff = Backoff(attempts=3, rand=lambda: 0.5)
    assert [backoff.delay(BREAK, failures) for failures in (1, 2, 3)] == [0.25, 0.5, None]


def test_what_cannot_pass_is_not_tried_again() -> None:
    assert Backoff().delay(Corrupt("no"), 1) is None
    assert Backoff().delay(Refused(403, "c", "", None), 1) is None


def test_retry_after_is_a_least_wait_and_bounded_by_patience() -> None:
    backoff = Backoff(rand=lambda: 1.0)
    assert backoff.delay(Refused(503, "c", "", 0.1), 1) == 0.5
    assert backoff.delay(Refused(503, "c", "", 60.0), 1) == 60.0
    assert backoff.delay(Refused(503, "c", "", 61.0), 1) is None


def test_who_asks_is_told_what_is_tried_again_and_when() -> None:
    told: list[Retry] = []
    backoff = Backoff(attempts=3, rand=lambda: 0.5, on_retry=told.append)
    for failures in (1, 2, 3):
        backoff.delay(BREAK, failures)
    backoff.delay(Refused(403, "c", "", None), 1)
    assert told == [
        Retry(error=BREAK, failures=1, attempts=3, delay=0.25),
        Retry(error=BREAK, failures=2, attempts=3, delay=0.5),
    ]
