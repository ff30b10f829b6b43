"""The one fact of a shutdown that more than one room needs: it has begun."""

from collections.abc import Callable


class Drain:
    """Set once, never taken back. From then on new requests are refused and running ones finish.

    The server begins it at the first SIGTERM; the web shell reads ``begun`` and answers 503
    with Retry-After, and readiness turns false.
    """

    def __init__(self) -> None:
        self.begun = False
        self._listeners: list[Callable[[], None]] = []

    def begin(self) -> None:
        """Begin, and tell everybody who asked. Beginning twice does nothing."""
        if self.begun:
            return
        self.begun = True
        for listener in self._listeners:
            listener()

    def on_begin(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` when draining begins; at once when it already has."""
        if self.begun:
            listener()
        else:
            self._listeners.append(listener)
