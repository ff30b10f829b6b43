"""Setbacks in a row: how long to wait after each, and when they are too many."""

from gateway.client.backoff import Backoff
from gateway.client.failures import TransferFailed
from gateway.client.uploading.steps import Answer, Broken, Flow, Pause, Request, ask


class Patience:
    """Counts failures since the last progress."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._failures = 0

    def progressed(self) -> None:
        """Begin to count anew."""
        self._failures = 0

    def fresh(self) -> "Patience":
        """Another one of the same kind."""
        return Patience(self._backoff)

    def wait(self, error: TransferFailed) -> Flow[None]:
        """Wait before the next attempt.

        Raises:
            TransferFailed: ``error`` itself, when trying again is no use (any more).
        """
        self._failures += 1
        delay = self._backoff.delay(error, self._failures)
        if delay is None:
            raise error
        yield Pause(delay)

    def insist(self, request: Request) -> Flow[Answer]:
        """Send a request that may be repeated until it is answered by anything but a passing refusal.

        Raises:
            TransferFailed: that took too many attempts.
        """
        while True:
            outcome = yield from ask(request)
            if isinstance(outcome, Answer) and (outcome.good or not outcome.refusal.passing):
                return outcome
            yield from self.wait(setback(outcome))


def setback(outcome: Answer | Broken) -> TransferFailed:
    """What went wrong, as an error."""
    return outcome.error if isinstance(outcome, Broken) else outcome.refusal
