"""Used once: the session store decides, the process remembers refusals."""

import pytest

from gateway.auth.replay import ReplayGuard
from gateway.errors import RequestReplayed, SessionsUnavailable


class Recorder:
    """A nonce store that counts its calls; ``down`` makes it unreachable."""

    def __init__(self) -> None:
        self.used: set[tuple[str, str]] = set()
        self.calls: list[tuple[str, str, float, float]] = []
        self.down = False

    async def use_once(self, scope: str, nonce: str, now: float, expires: float) -> bool:
        self.calls.append((scope, nonce, now, expires))
        if self.down:
            raise SessionsUnavailable("The session store does not answer.")
        fresh = (scope, nonce) not in self.used
        self.used.add((scope, nonce))
        return fresh


async def test_case_14_a_nonce_is_used_once() -> None:
    store = Recorder()
    guard = ReplayGuard(store)
    await guard.use("jwt:K", "n", 100.0, 160.0)
    assert store.calls == [("jwt:K", "n", 100.0, 160.0)]
    with pytest.raises(RequestReplayed) as refused:
        await guard.use("jwt:K", "n", 101.0, 160.0)
    assert refused.value.status == 403
    await guard.use("jwt:K", "other", 101.0, 160.0)
    await guard.use("jwt:L", "n", 101.0, 160.0)


async def test_a_repeat_is_refused_without_asking_the_store() -> None:
    store = Recorder()
    guard = ReplayGuard(store)
    await guard.use("s", "n", 100.0, 160.0)
    for _ in range(3):
        with pytest.raises(RequestReplayed):
            await guard.use("s", "n", 101.0, 160.0)
    assert len(store.calls) == 1


async def test_case_14_what_another_worker_used_is_refused_here() -> None:
    store = Recorder()
    await ReplayGuard(store).use("s", "n", 100.0, 160.0)
    other = ReplayGuard(store)
    for _ in range(2):
        with pytest.raises(RequestReplayed):
            await other.use("s", "n", 101.0, 160.0)
    assert len(store.calls) == 2


async def test_forgetting_early_leaves_the_decision_to_the_store() -> None:
    store = Recorder()
    guard = ReplayGuard(store, remembered=1)
    await guard.use("s", "a", 100.0, 160.0)
    await guard.use("s", "b", 100.0, 160.0)
    with pytest.raises(RequestReplayed):
        await guard.use("s", "a", 101.0, 160.0)
    assert len(store.calls) == 3


async def test_nothing_is_remembered_past_its_expiry() -> None:
    store = Recorder()
    guard = ReplayGuard(store)
    await guard.use("s", "n", 100.0, 160.0)
    store.used.clear()
    await guard.use("s", "n", 161.0, 200.0)
    assert len(store.calls) == 2


async def test_without_the_store_nothing_passes_and_nothing_is_spent() -> None:
    store = Recorder()
    store.down = True
    guard = ReplayGuard(store)
    with pytest.raises(SessionsUnavailable):
        await guard.use("s", "n", 100.0, 160.0)
    store.down = False
    await guard.use("s", "n", 100.0, 160.0)
