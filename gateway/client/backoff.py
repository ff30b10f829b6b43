"""When to try again: exponential back-off with full jitter, within bounds.

Full jitter (any time between nothing and the bound) spreads clients that failed together; see
"Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from gateway.client.failures import Refused, TransferFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """What is about to be tried again, in ``delay`` seconds: after ``failures`` in a row, of which ``error`` was the
    last, out of ``attempts`` tries."""

    error: TransferFailed
    failures: int
    attempts: int
    delay: float


def untold(retry: Retry) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """``attempts`` tries in a row without progress, the first included; waits in seconds.

    ``patience`` bounds what a server may ask for by Retry-After: past it, giving up and saying so is kinder
    than a command that seems to hang. ``on_retry`` is told before each wait.
    """

    attempts: int = 8
    base: float = 0.5
    cap: float = 20.0
    patience: float = 60.0
    rand: Callable[[], float] = random.random
    on_retry: Callable[[Retry], None] = untold

    def delay(self, error: TransferFailed, failures: int) -> float | None:
        """How long to wait after the ``failures``-th failure in a row; None: give up."""
        asked = None
        if isinstance(error, Refused):
            asked = error.retry_after
            if not error.passing:
                return None
        elif not error.retryable:
            return None
        if failures >= self.attempts or (asked or 0.0) > self.patience:
            return None
        bound: float = min(self.cap, self.base * 2 ** (failures - 1))
        delay = max(asked or 0.0, self.rand() * bound)
        self.on_retry(Retry(error=error, failures=failures, attempts=self.attempts, delay=delay))
        return delay
