import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.errors import (
    GatewayError,
    ObjectNotFound,
    StorageThrottled,
    StorageTimeout,
    StorageUnavailable,
)
from gateway.settings.sections import RetrySection
from gateway.storage.retry import Retrier
from gateway.telemetry import Instrument


class Recorder(Instrument):
    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str, float]] = []
        self.retries: list[str] = []
        self.states: list[str] = []

    def call_finished(self, store: str, operation: str, outcome: str, seconds: float) -> None:
        self.calls.append((store, operation, outcome, seconds))

    def call_retried(self, store: str, operation: str, error: GatewayError) -> None:
        self.retries.append(error.code)

    def breaker_changed(self, store: str, state: str) -> None:
        self.states.append(state)

    @property
    def outcomes(self) -> list[str]:
        return [outcome for _, _, outcome, _ in self.calls]


class World:
    """A clock that only sleeping moves, and a Retrier in it. Jitter is always at its most."""

    def __init__(self, **settings: object) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self.seen = Recorder()
        self.retrier = Retrier(
            "main",
            RetrySection.model_validate({"base": "1s", "cap": "8s", **settings}),
            self.seen,
            clock=lambda: self.now,
            sleep=self.sleep,
            rand=lambda: 1.0,
        )

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    async def fails(self, error: GatewayError) -> None:
        with pytest.raises(type(error)):
            await self.retrier.call("put", answers(error))


def answers(*outcomes: object) -> Callable[[], Awaitable[object]]:
    """A call that ends with each outcome in turn; with the last for ever."""
    queue = list(outcomes)

    async def call() -> object:
        outcome = queue.pop(0) if len(queue) > 1 else queue[0]
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return call


DOWN = StorageUnavailable("down")
SLOW = StorageThrottled("slow down")


async def test_a_call_that_works_is_made_once() -> None:
    world = World()
    assert await world.retrier.call("head", answers("yes")) == "yes"
    assert world.seen.calls == [("main", "head", "ok", 0.0)]
    assert world.slept == []


async def test_a_failed_call_is_made_again_after_growing_waits() -> None:
    world = World()
    assert await world.retrier.call("put", answers(DOWN, DOWN, StorageTimeout("late"), 7)) == 7
    assert world.slept == [1.0, 2.0, 4.0]
    assert world.seen.outcomes == ["storage-unavailable"] * 2 + ["storage-timeout", "ok"]
    assert world.seen.retries == ["storage-unavailable"] * 2 + ["storage-timeout"]


async def test_pitfall_33_attempts_stay_within_the_bound_under_constant_503() -> None:
    for attempts in range(1, 11):
        world = World(attempts=attempts, breaker_failures=1000)
        await world.fails(DOWN)
        assert len(world.seen.calls) == attempts
        assert len(world.seen.retries) == attempts - 1


async def test_a_permanent_error_is_raised_at_once() -> None:
    world = World()
    await world.fails(ObjectNotFound("no"))
    assert world.seen.outcomes == ["object-not-found"]


async def test_a_call_that_is_not_idempotent_is_made_once() -> None:
    world = World()
    with pytest.raises(StorageUnavailable):
        await world.retrier.call("complete", answers(DOWN), idempotent=False)
    assert len(world.seen.calls) == 1


async def test_the_budget_ends_the_retries_of_a_failing_store() -> None:
    world = World(budget=0.2, breaker_failures=10_000, base="1ms", cap="1ms")
    calls = 1000
    for _ in range(calls):
        await world.fails(DOWN)
    assert len(world.seen.calls) <= calls * 1.2 + 100 + (world.now - 1000.0) + 1
    assert len(world.seen.calls) >= calls * 1.2


async def test_failures_in_a_row_open_the_breaker_and_then_refuse_fast() -> None:
    world = World(attempts=1, breaker_failures=3, breaker_cooldown="5s")
    for _ in range(3):
        await world.fails(DOWN)
    with pytest.raises(StorageUnavailable) as refused:
        await world.retrier.call("put", answers("never called"))
    assert refused.value.retry_after == 5.0
    assert refused.value.detail.endswith(f"What it failed with last: {DOWN.detail}")
    assert len(world.seen.calls) == 3, "no call is made while it is open"
    assert world.retrier.refusal == 5.0
    world.now += 5.0
    assert world.retrier.refusal is None
    assert await world.retrier.call("put", answers("back")) == "back"
    assert world.seen.states == ["open", "half-open", "closed"]


async def test_a_refusal_is_not_retried() -> None:
    world = World(attempts=5, breaker_failures=2, breaker_cooldown="60s")
    await world.fails(DOWN)
    assert len(world.seen.calls) == 2
    assert world.slept == [1.0, 2.0]


async def test_a_throttle_makes_all_calls_to_the_store_rest() -> None:
    world = World(attempts=1)
    await world.fails(SLOW)
    assert await world.retrier.call("head", answers("yes")) == "yes"
    assert world.slept == [1.5]
    assert world.seen.states == [], "a throttling store is no broken store"


async def test_a_rest_as_long_as_the_store_asks() -> None:
    world = World(attempts=1)
    await world.fails(StorageThrottled("slow down", retry_after=6.0))
    await world.retrier.call("head", answers("yes"))
    assert world.slept == [9.0]


async def test_a_call_waits_for_one_rest_only_however_often_others_are_throttled() -> None:
    world = World(attempts=1)
    await world.fails(SLOW)

    async def throttled_again(seconds: float) -> None:
        await World.sleep(world, seconds)
        if len(world.slept) < 100:
            with pytest.raises(StorageThrottled):
                await world.retrier.call("put", answers(SLOW))

    world.retrier._sleep = throttled_again  # somebody else always comes first
    assert await world.retrier.call("head", answers("at last")) == "at last"
    assert len(world.slept) < 100


async def test_constant_throttling_never_opens_the_breaker() -> None:
    world = World(breaker_failures=2)
    for _ in range(10):
        await world.fails(SLOW)
    assert world.seen.states == []


async def test_only_one_call_tries_out_a_broken_store() -> None:
    world = World(attempts=1, breaker_failures=1, breaker_cooldown="5s")
    await world.fails(DOWN)
    world.now += 5.0
    release = asyncio.Event()

    async def slow() -> str:
        await release.wait()
        return "back"

    trial = asyncio.create_task(world.retrier.call("put", slow))
    await asyncio.sleep(0)
    with pytest.raises(StorageUnavailable):
        await world.retrier.call("put", answers("never called"))
    release.set()
    assert await trial == "back"
    assert await world.retrier.call("put", answers("open again")) == "open again"


async def test_a_cancelled_trial_does_not_block_the_breaker() -> None:
    world = World(attempts=1, breaker_failures=1, breaker_cooldown="5s")
    await world.fails(DOWN)
    world.now += 5.0
    never = asyncio.Event()
    trial = asyncio.create_task(world.retrier.call("put", never.wait))
    await asyncio.sleep(0)
    trial.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trial
    assert world.seen.outcomes[-1] == "cancelled"
    assert await world.retrier.call("put", answers("back")) == "back"


async def test_a_bug_surfaces_as_itself() -> None:
    world = World()
    with pytest.raises(ZeroDivisionError):
        await world.retrier.call("put", answers(ZeroDivisionError()))
    assert world.seen.outcomes == ["internal-error"]


async def test_with_its_own_clock_and_sleep_it_works_as_well() -> None:
    seen = Recorder()
    retrier = Retrier("main", RetrySection(base=0.001, cap=0.002), seen)
    assert await retrier.call("put", answers(DOWN, "ok")) == "ok"
    assert seen.outcomes == ["storage-unavailable", "ok"]


async def test_a_call_may_be_begun_at_once_while_nothing_is_wrong() -> None:
    world = World(attempts=1, breaker_failures=1)
    assert world.retrier.admit_now()
    await world.fails(SLOW)
    assert not world.retrier.admit_now(), "the store rests"
    world.now += 100
    assert world.retrier.admit_now()
    await world.fails(DOWN)
    assert not world.retrier.admit_now(), "the breaker is open"


async def test_a_call_that_was_begun_is_settled_once_and_its_end_is_the_first_attempt() -> None:
    world = World(attempts=2)
    admitted = world.retrier.admit_now()
    assert admitted is not None
    world.now += 1
    world.retrier.settle("put", admitted, None)
    admitted = world.retrier.admit_now()
    world.now += 1
    found = await world.retrier.call("put", answers(DOWN, "done"), admitted=admitted)
    assert found == "done"
    assert world.seen.outcomes == ["ok", DOWN.code, "ok"]
