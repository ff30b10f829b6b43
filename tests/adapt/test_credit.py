"""What follows a store's last answer is bounded; while it answers, the bound is none."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.adapt.credit import GRANT, Credit
from gateway.units import MiB

PART = 8 * MiB


def sent_at_once(credit: Credit, size: int = PART) -> int:
    """Send parts until no more may be begun."""
    count = 0
    while credit.covers(size):
        credit.sent(size)
        count += 1
    return count


def test_a_store_that_never_answers_gets_three_parts() -> None:
    credit = Credit()
    assert sent_at_once(credit) == 3
    assert credit.unanswered == GRANT


def test_each_round_of_answers_widens_what_may_be_on_its_way() -> None:
    credit, rounds = Credit(), list[int]()
    for _ in range(3):
        rounds.append(sent_at_once(credit))
        for _ in range(rounds[-1]):
            credit.answered(PART)
    assert rounds == [3, 6, 9]


def test_answers_one_after_another_widen_it_faster() -> None:
    credit = Credit()
    assert sent_at_once(credit) == 3
    for _ in range(6):
        credit.answered(PART)
        sent_at_once(credit)
    assert credit.unanswered >= 16 * PART


def test_larger_parts_go_two_at_a_time_so_that_answers_can_widen_it() -> None:
    credit = Credit()
    assert sent_at_once(credit, 64 * MiB) == 2
    credit.answered(64 * MiB)
    assert sent_at_once(credit, 64 * MiB) >= 2


def test_a_burst_of_answers_does_not_close_it() -> None:
    credit = Credit()
    for _ in range(4):
        sent_at_once(credit)
        credit.answered(PART)
    many = credit.unanswered
    for _ in range(many // PART):
        credit.answered(PART)
    assert credit.unanswered == 0
    assert sent_at_once(credit) * PART >= many


def test_what_was_used_long_ago_counts_no_more() -> None:
    credit = Credit()
    for _ in range(4):
        sent_at_once(credit)
        credit.answered(PART)
    for _ in range(credit.unanswered // PART):
        credit.answered(PART)
    for _ in range(16):  # the client sends one part at a time
        credit.sent(PART)
        credit.answered(PART)
    assert sent_at_once(credit) == 4


@given(st.lists(st.booleans(), max_size=60), st.integers(MiB, 12 * MiB))
def test_after_any_answer_no_more_than_the_grant_follows_what_there_was(
    steps: list[bool], size: int
) -> None:
    credit, most = Credit(), 0
    for answered in steps:
        if answered and credit.unanswered:
            most = max(most, credit.unanswered)
            credit.answered(size)
        elif not answered and credit.covers(size):
            credit.sent(size)
    sent_at_once(credit, size)
    assert credit.unanswered <= most + GRANT
