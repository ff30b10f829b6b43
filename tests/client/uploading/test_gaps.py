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


def test_ranges_are_inclusive() -> None:
    assert read_missing(["0-4", "9-9"], 10) == [Span(0, 5), Span(9, 10)]
    assert read_missing([], 10) == []


def test_what_is_no_list_of_ranges_within_the_file_is_none() -> None:
    documents: list[object] = [None, {}, "0-4", [1], ["0"], ["4-0"], ["0-10"], ["-1-2"]]
    for document in documents:
        assert read_missing(document, 10) is None
