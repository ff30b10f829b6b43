"""What is still to be sent."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.client.uploading.gaps import Gaps, read_missing
from gateway.client.uploading.steps import Span


@given(st.lists(st.integers(1, 50), max_size=6), st.integers(1, 60))
def test_all_is_taken_once_and_in_order(sizes: list[int], most: int) -> None:
    spans: list[Span] = []
    at = 0
    for size in sizes:
        spans.append(Span(at, at + size))
        at += size + 1
    gaps = Gaps(reversed(spans))
    assert gaps.size == sum(sizes)
    taken: list[int] = []
    while (span := gaps.take(most)) is not None:
        assert 1 <= span.size <= most
        taken += range(span.start, span.stop)
    assert taken == [byte for span in spans for byte in range(span.start, span.stop)]
    assert gaps.size == 0


@given(st.lists(st.tuples(st.integers(1, 60), st.booleans()), max_size=20))
def test_what_is_given_back_is_taken_again(steps: list[tuple[int, bool]]) -> None:
    gaps = Gaps([Span(0, 100), Span(150, 300)])
    done: list[int] = []
    held: list[Span] = []
    for most, keep in steps:
        span = gaps.take(most)
        if span is not None and keep:
            done += range(span.start, span.stop)
        elif span is not None:
            held.append(span)
    for span in reversed(held):
        gaps.give_back(span)
    while (span := gaps.take(1000)) is not None:
        done += range(span.start, span.stop)
    assert sorted(done) == [*range(100), *range(150, 300)]


def test_a_chunk_that_is_given_back_is_one_with_what_follows() -> None:
    gaps = Gaps([Span(0, 10)])
    first = gaps.take(4)
    assert first is not None
    gaps.give_back(first)
    assert gaps.take(10) == Span(0, 10)


def test_ranges_are_inclusive() -> None:
    assert read_missing(["0-4", "9-9"], 10) == [Span(0, 5), Span(9, 10)]
    assert read_missing([], 10) == []


def test_what_is_no_list_of_ranges_within_the_file_is_none() -> None:
    documents: list[object] = [None, {}, "0-4", [1], ["0"], ["4-0"], ["0-10"], ["-1-2"]]
    for document in documents:
        assert read_missing(document, 10) is None
