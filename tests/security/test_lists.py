"""The lists of cases and pitfalls are complete: each number that Sluice answers for has a test."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent

#: Not here yet: streaming payloads and trailers, batches, XML bodies, copies, and fetching from URLs.
CASES = {
    *range(1, 6),
    *range(7, 14),
    *range(15, 28),
    *range(29, 35),
    *range(46, 51),
    *range(51, 67),
}
CASES |= {*range(68, 73), *range(83, 88), *range(89, 94), 95}
#: Resumable uploads, fetching from URLs and the load reports come with their own issues.
PITFALLS = {*range(1, 9), 14, 15, *range(17, 31), 33, 35, 37}


def numbers(word: str) -> set[int]:
    """Every number that some test's name or id carries, ranges (``01_to_08``) included."""
    found: set[int] = set()
    for path in TESTS.rglob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        for first, last in re.findall(rf"{word}s?_(\d+)(?:_to_(\d+))?_", text):
            found |= set(range(int(first), int(last or first) + 1))
    return found


@pytest.mark.parametrize(
    ("word", "wanted"), [("case", CASES), ("pitfall", PITFALLS)], ids=["cases", "pitfalls"]
)
def test_every_number_has_a_test(word: str, wanted: Iterable[int]) -> None:
    assert sorted(set(wanted) - numbers(word)) == []
