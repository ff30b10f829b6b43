"""What is still to be sent, when it goes in any order."""

import re
from bisect import bisect
from collections.abc import Iterable
from operator import attrgetter
from typing import Final

from gateway.client.uploading.steps import Span

_START: Final = attrgetter("start")
_RANGE: Final = re.compile(r"([0-9]{1,19})-([0-9]{1,19})", re.ASCII)


class Gaps:
    """Spans that nobody sends yet, in order."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans = sorted(spans, key=lambda span: span.start)

    @property
    def size(self) -> int:
        """Bytes in all of them."""
        return sum(span.size for span in self._spans)

    def take(self, most: int, grid: int | None = None) -> Span | None:
        """The next at most ``most`` bytes, which are now the caller's; None where all is taken. They cross no
        multiple of ``grid``."""
        if not self._spans:
            return None
        first = self._spans.pop(0)
        if grid is not None:
            most = min(most, grid - first.start % grid)
        if first.size <= most:
            return first
        self._spans.insert(0, Span(first.start + most, first.stop))
        return Span(first.start, first.start + most)

    def give_back(self, span: Span) -> None:
        """What was taken is nobody's again."""
        at = bisect(self._spans, span.start, key=_START)
        if at < len(self._spans) and self._spans[at].start == span.stop:
            span = Span(span.start, self._spans.pop(at).stop)
        self._spans.insert(at, span)


def read_missing(document: object, size: int) -> list[Span] | None:
    """The spans that a chunked session's ``missing`` lists (``first-last``, inclusive) of ``size`` bytes; None where
    it can't be read."""
    if not isinstance(document, list):
        return None
    spans = []
    for text in document:
        match = _RANGE.fullmatch(text) if isinstance(text, str) else None
        if match is None or not int(match[1]) <= int(match[2]) < size:
            return None
        spans.append(Span(int(match[1]), int(match[2]) + 1))
    return spans
