"""How far an upload is: what the server has, and what is on its way."""

from gateway.client.uploading.job import Progress
from gateway.client.uploading.steps import Span


class Tally:
    """Tells ``progress`` of every change."""

    def __init__(self, total: int, progress: Progress) -> None:
        self.kept = 0
        self._total = total
        self._progress = progress
        self._moving: dict[int, int] = {}

    def reached(self, kept: int) -> None:
        """The server has ``kept`` bytes, whatever was on its way."""
        self.kept = kept
        self._moving.clear()
        self._show()

    def moved(self, span: Span, count: int) -> None:
        """``count`` more bytes of a span went out."""
        self._moving[span.start] = self._moving.get(span.start, 0) + count
        self._show()

    def arrived(self, span: Span, count: int) -> None:
        """The server has the first ``count`` bytes of the span."""
        self._moving.pop(span.start, None)
        self.kept += count
        self._show()

    def lost(self, span: Span) -> None:
        """What went out of the span counts for nothing."""
        self._moving.pop(span.start, None)
        self._show()

    def _show(self) -> None:
        self._progress(min(self._total, self.kept + sum(self._moving.values())), self._total)
