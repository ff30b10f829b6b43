"""A circuit breaker per store, as a state machine without a clock: time is an argument, in seconds.

    closed ──(failures in a row)──▶ open ──(cooldown over, one trial admitted)──▶ half-open
      ▲                              ▲ ◀───────────(the trial failed)──────────────┘ │
      └──────────────────────────────┼───────────(the trial was answered)────────────┘

Rule: a verdict counts only for the period in which its call was admitted. A call that began before
the breaker opened and ends after says nothing about the store now.
"""

from typing import Literal, TypeAlias

from gateway.errors import ClientGone, GatewayError, StorageThrottled, StorageUnavailable

State: TypeAlias = Literal["closed", "open", "half-open"]
#: What a finished call says of its store: it answered, it failed, or nothing at all.
Verdict: TypeAlias = Literal["answered", "failed", "unknown"]
#: The period in which a call was admitted.
Ticket: TypeAlias = int


def judge(error: BaseException | None) -> Verdict:
    """What the end of a call says of the store.

    Only silence, resets and 5xx count against it. A throttling store is alive, and so is one that
    says "not found" or refuses our credentials; a cancelled call or a bug of ours says nothing.
    """
    if error is None:
        return "answered"
    if not isinstance(error, GatewayError) or isinstance(error, ClientGone):
        return "unknown"
    if isinstance(error, StorageUnavailable) and not isinstance(error, StorageThrottled):
        return "failed"
    return "unknown" if error.fault == "gateway" else "answered"


class Breaker:
    """Opens after ``failures`` failed calls in a row and refuses for ``cooldown`` seconds."""

    def __init__(self, failures: int, cooldown: float) -> None:
        self._failures = failures
        self._cooldown = cooldown
        self._state: State = "closed"
        self._row = 0
        self._reopens = 0.0
        self._period: Ticket = 0

    @property
    def state(self) -> State:
        """``closed``, ``open`` or ``half-open``."""
        return self._state

    def refusal(self, now: float) -> float | None:
        """None: a call would be admitted; else the seconds after which to ask again."""
        if self._state == "closed":
            return None
        if self._state == "half-open":
            return self._cooldown
        left = self._reopens - now
        return left if left > 0 else None

    def admit(self, now: float) -> Ticket:
        """Let a call begin; only where :meth:`refusal` answered None. Bring the ticket back to
        :meth:`settle`, whatever becomes of the call."""
        if self._state == "closed":
            return self._period
        assert self.refusal(now) is None
        if self._state == "open":
            self._enter("half-open")
        return self._period

    def settle(self, ticket: Ticket, verdict: Verdict, now: float) -> bool:
        """A call ended; answer whether that changed the state."""
        if ticket != self._period:
            return False
        if verdict == "answered":
            self._row = 0
            if self._state == "half-open":
                self._enter("closed")
        elif verdict == "failed":
            self._row += 1
            if self._state == "half-open" or self._row >= self._failures:
                self._enter("open")
                self._reopens = now + self._cooldown
        elif self._state == "half-open":
            # The trial told nothing: the next call may be another one, at once.
            self._enter("open")
            self._reopens = now
        return ticket != self._period  # each state is a period of its own

    def _enter(self, state: State) -> None:
        self._state = state
        self._row = 0
        self._period += 1
