"""The one fact of a shutdown that more than one room needs: it has begun."""


class Drain:
    """Set once, never taken back. From then on new requests are refused and running ones finish.

    The server begins it at the first SIGTERM; the web shell reads ``begun`` and answers 503
    with Retry-After, and readiness turns false.
    """

    def __init__(self) -> None:
        self.begun = False

    def begin(self) -> None:
        """Begin. Beginning twice does nothing."""
        self.begun = True
