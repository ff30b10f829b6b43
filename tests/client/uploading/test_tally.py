"""How far an upload is."""

from gateway.client.uploading.steps import Span
from gateway.client.uploading.tally import Tally


def test_what_is_on_its_way_counts_until_it_is_lost_or_arrives() -> None:
    shown: list[tuple[int, int]] = []
    tally = Tally(100, lambda done, total: shown.append((done, total)))
    one, other = Span(0, 40), Span(40, 100)
    tally.reached(0)
    tally.moved(one, 10)
    tally.moved(other, 20)
    tally.moved(one, 30)
    tally.lost(other)
    tally.arrived(one, 40)
    tally.reached(100)
    assert [done for done, _ in shown] == [0, 10, 30, 60, 40, 40, 100]
    assert {total for _, total in shown} == {100}


def test_more_than_all_is_all() -> None:
    shown: list[int] = []
    tally = Tally(10, lambda done, total: shown.append(done))
    tally.moved(Span(0, 10), 11)
    assert shown == [10]
