"""The one fact of a shutdown that more than one room needs: it has begun."""

from collections.abc import Callable


class Drain:
    """Set once, never taken back. From then on new requests are refused and running ones finish.

    The server begins it at the first SIGTERM; the web shell reads ``begun`` and answers 503
    with Retry-After, and readiness turns false.
    """

    def __init__(self) -> None:
        self.begun = False
        self._watchers: list[Callable[[], None]] = []

    def watch(self, told: Callable[[], None]) -> None:
        """Call ``told`` when it begins."""
        self._watchers.append(told)

    def begin(self) -> None:
        """Begin. Beginning twice does nothing."""
        if self.begun:
            return
        self.begun = True
        for told in self._watchers:
            told()
