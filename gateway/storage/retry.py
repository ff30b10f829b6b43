"""The one place where a call to a store is repeated.

A store's own client never retries (botocore's retries are off), so the attempts of a call are at
most what the configuration says. Around each attempt stand, in this order: the rest that a
throttling store asked for, the breaker, the policy, and the budget of retries. A body is never
asked for again: what is sent (a part) stays in memory until its receipt arrives.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from itertools import chain, repeat
from typing import Final, TypeAlias, TypeVar

from gateway.errors import GatewayError, StorageThrottled, StorageUnavailable
from gateway.settings.sections import RetrySection
from gateway.storage.backoff import Pause, RetryBudget, RetryPolicy
from gateway.storage.breaker import Breaker, Ticket, judge
from gateway.storage.prompt import Begun
from gateway.telemetry import Instrument

T = TypeVar("T")

#: What an attempt is settled with: when it began, by the retrier's clock, and its ticket.
Admission: TypeAlias = tuple[float, Ticket]

_RANDOM: Final = random.SystemRandom()


class Retrier:
    """Calls to one store. One per store and process, shared by all who call it.

    ``clock`` gives seconds of a monotonic clock, ``rand`` a number from 0 to 1.
    """

    def __init__(
        self,
        store: str,
        settings: RetrySection,
        instrument: Instrument,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rand: Callable[[], float] = _RANDOM.random,
    ) -> None:
        self._store = store
        self._policy = RetryPolicy(settings.attempts, settings.base, settings.cap)
        self._budget = RetryBudget(settings.budget)
        self._breaker = Breaker(settings.breaker_failures, settings.breaker_cooldown)
        self._pause = Pause(settings.base, settings.cap)
        self._instrument = instrument
        self._clock = clock
        self._sleep = sleep
        self._rand = rand
        #: What the store's last failure was, for whom a breaker refuses.
        self._failed_with = ""

    @property
    def refusal(self) -> float | None:
        """None: the store is taking calls; else the seconds for which calls to it are refused."""
        return self._breaker.refusal(self._clock())

    async def call(
        self,
        operation: str,
        fn: Callable[[], Awaitable[T]],
        *,
        idempotent: bool = True,
        admitted: Admission | None = None,
    ) -> T:
        """The result of ``fn()``, called as often as it takes and is allowed. ``admitted``: what
        :meth:`admit_now` answered for the first ``fn()``.

        ``operation`` names the call in metrics (``put``, ``upload-part``, ...). A call that is not
        ``idempotent`` is made once.

        Raises:
            StorageUnavailable: the breaker is open; ``retry_after`` says for how long.
            GatewayError: the error of the last attempt.
        """
        if admitted is None:
            self._budget.deposit(self._clock())
        attempt = 1
        while True:
            if admitted is None and self._pause.left(self._clock()) > 0:
                await self._rest()
            admission, admitted = admitted or self._admit(), None
            try:
                result = await fn()
            except BaseException as error:
                self.settle(operation, admission, error)
                delay = self._delay(operation, error, attempt) if idempotent else None
                if delay is None:
                    raise
            else:
                self.settle(operation, admission, None)
                return result
            attempt += 1
            await self._sleep(delay)

    # --- of calls that are begun without waiting, see gateway.storage.prompt.Prompt

    def admit_now(self) -> Admission | None:
        """Admit the first attempt of a call, if it may be made here and now: it need not rest before, and is not
        refused. Bring the admission to :meth:`settle`, or to :meth:`call`, which then goes on."""
        now, breaker = self._clock(), self._breaker
        if breaker.state != "closed" or self._pause.left(now):
            return None
        self._budget.deposit(now)
        return now, breaker.admit(now)

    def settle(self, operation: str, admitted: Admission, failure: BaseException | None) -> None:
        """An attempt is over. Of one that was begun without waiting, ``failure`` is None, a cancellation or a bug of
        ours; for all else there is :meth:`call`."""
        (began, ticket), now = admitted, self._clock()
        if self._breaker.settle(ticket, judge(failure), now):
            self._report()
        outcome = "ok"
        if failure is None:
            self._pause.succeeded(now)
        else:
            outcome = _outcome(failure)
            if isinstance(failure, StorageThrottled):
                self._pause.throttled(now, failure.retry_after)
            elif isinstance(failure, StorageUnavailable):
                self._failed_with = failure.detail
        self._instrument.call_finished(self._store, operation, outcome, now - began)

    # ---

    async def _rest(self) -> None:
        """Wait for the end of the store's rest, with jitter, so that not all come back in one instant.

        Once per attempt: if it were until no rest is left, those who come back first and are
        throttled would keep the others waiting without bound.
        """
        left = self._pause.left(self._clock())
        if left > 0:
            await self._sleep(left * (1.0 + 0.5 * self._rand()))

    def _admit(self) -> tuple[float, Ticket]:
        """When an attempt begins, and its ticket."""
        now = self._clock()
        if self._breaker.state == "closed":
            return now, self._breaker.admit(now)
        refusal = self._breaker.refusal(now)
        if refusal is not None:
            raise StorageUnavailable(
                "The store has failed several times in a row and is given a rest: try again later. "
                f"What it failed with last: {self._failed_with}",
                retry_after=refusal,
            )
        ticket = self._breaker.admit(now)  # the one that tries whether it is well again
        self._report()
        return now, ticket

    def _delay(self, operation: str, error: BaseException, attempt: int) -> float | None:
        """Seconds until the next attempt; None: there is none."""
        if not isinstance(error, GatewayError):
            return None
        delay = self._policy.delay(error, attempt, self._rand())
        if delay is None or not self._budget.withdraw(self._clock()):
            return None
        self._instrument.call_retried(self._store, operation, error)
        return delay

    def _report(self) -> None:
        self._instrument.breaker_changed(self._store, self._breaker.state)


def going_on(begun: Begun[T], ordinary: Callable[[], Awaitable[T]]) -> Callable[[], Awaitable[T]]:
    """What to :meth:`Retrier.call` of a call that was begun: its own end first, then the ``ordinary`` call."""
    attempts = chain((begun.finish,), repeat(ordinary))
    return lambda: next(attempts)()


def _outcome(failure: BaseException) -> str:
    """A small, closed set of words: it becomes a label of a metric."""
    if isinstance(failure, GatewayError):
        return failure.code
    return "cancelled" if isinstance(failure, asyncio.CancelledError) else "internal-error"
