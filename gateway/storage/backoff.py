"""How long to wait before a call is tried again, and how often at all. No clock in here: time is an
argument, in seconds of any monotonic clock; ``rand`` is a number from 0 to 1.

Full jitter and the share of retries follow the reasoning of "Exponential Backoff And Jitter" (AWS
Architecture Blog) and of Finagle's retry budgets.
"""

from dataclasses import dataclass
from typing import Final

from gateway.errors import GatewayError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Which failed calls are tried again, and when.

    ``attempts`` counts the first one; ``base`` and ``cap`` are seconds.
    """

    attempts: int = 5
    base: float = 0.1
    cap: float = 10.0

    def delay(self, error: GatewayError, attempt: int, rand: float) -> float | None:
        """Seconds to wait after attempt number ``attempt`` (from 1) failed; None: give up.

        A ``Retry-After`` is the least wait, with the jitter on top. One that is longer than ``cap``
        ends the attempts: the body of an upload is not held in memory that long, and the client is
        told the same time.
        """
        if attempt >= self.attempts or not error.retryable:
            return None
        asked = error.retry_after or 0.0
        if asked > self.cap:
            return None
        return asked + rand * self.backoff(attempt)

    def backoff(self, attempt: int) -> float:
        """The longest wait after attempt ``attempt``: doubles from ``base`` up to ``cap``."""
        # The exponent is bounded because a float overflows at 2**1024.
        return min(self.cap, self.base * 2.0 ** min(attempt - 1, 64))


class RetryBudget:
    """How many calls may be retries, so that a failing store is not flooded with them.

    A token bucket: each call puts in ``share`` of a token, each retry takes one out; one a second
    comes for free so that a quiet gateway can retry too. It holds ``reserve`` tokens at most, and
    begins full: when a store restarts, every part in flight fails at the same moment.
    A share of 0 allows no retry.
    """

    RESERVE: Final = 100.0

    def __init__(self, share: float, *, reserve: float = RESERVE) -> None:
        self._share = share
        self._reserve = reserve if share > 0 else 0.0
        self._rate = 1.0 if share > 0 else 0.0
        self._tokens = self._reserve
        self._updated: float | None = None

    def deposit(self, now: float) -> None:
        """A call (not a retry) was made."""
        if self._tokens >= self._reserve:
            self._updated = now
            return
        self._refill(now)
        self._tokens = min(self._reserve, self._tokens + self._share)

    def withdraw(self, now: float) -> bool:
        """Take the token of one retry; False where none is left."""
        self._refill(now)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def _refill(self, now: float) -> None:
        if self._updated is not None:
            grown = self._tokens + max(0.0, now - self._updated) * self._rate
            self._tokens = min(self._reserve, grown)
        self._updated = now


class Pause:
    """A rest that all calls to a store take after it asked for fewer.

    Throttles that arrive while a rest is running are its echoes (they were sent before it) and do
    not lengthen it, unless they carry a longer ``Retry-After``. Rests double from ``base`` to
    ``cap`` seconds while throttles go on, and begin small again after a success.
    """

    def __init__(self, base: float, cap: float) -> None:
        self._policy = RetryPolicy(base=base, cap=cap)
        self._cap = cap
        self._until = float("-inf")
        self._rests = 0

    def throttled(self, now: float, retry_after: float | None) -> None:
        """The store answered that it gets too many requests."""
        rest = min(retry_after or 0.0, self._cap)
        if now >= self._until:
            self._rests += 1
            rest = max(rest, self._policy.backoff(self._rests))
        self._until = max(self._until, now + rest)

    def succeeded(self, now: float) -> None:
        """A call went through. Those during a rest were sent before it and prove nothing."""
        if now >= self._until:
            self._rests = 0

    def left(self, now: float) -> float:
        """Seconds of the running rest still to come, 0 without one."""
        return self._until - now if now < self._until else 0.0
