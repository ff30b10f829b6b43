"""Conditional writes under a lease."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import (
    ConcurrentWrite,
    ObjectExists,
    ObjectNotFound,
    PreconditionFailed,
    SessionsUnavailable,
)
from gateway.model import WriteCondition
from gateway.protocol.commands import Preconditions
from gateway.sessions.owner import this_owner
from gateway.transfer import exclusive
from gateway.transfer.exclusive import WriteRule
from tests.protocol.heads import info
from tests.transfer.lab import KEY, Bench, Store, bench

CREATE = WriteRule(Preconditions(if_none_match=("*",)))
NEVER = WriteRule(overwrite=False)


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(tmp_path, Store("none")) as made:
        yield made


@pytest.mark.parametrize(
    ("rule", "missing", "there"),
    [
        (WriteRule(), WriteCondition(), WriteCondition()),
        (NEVER, WriteCondition(absent=True), ObjectExists),
        (CREATE, WriteCondition(absent=True), PreconditionFailed),
        (
            WriteRule(Preconditions(if_match=('"abc"',))),
            PreconditionFailed,
            WriteCondition(etag="abc"),
        ),
        (
            WriteRule(Preconditions(if_match=("*",)), overwrite=False),
            PreconditionFailed,
            ObjectExists,
        ),
        (
            WriteRule(Preconditions(if_none_match=("*",)), overwrite=False),
            WriteCondition(absent=True),
            ObjectExists,
        ),
    ],
)
def test_a_rule_is_judged_on_the_object_as_it_is(rule: WriteRule, missing: Any, there: Any) -> None:
    for found, expected in ((None, missing), (info(), there)):
        if isinstance(expected, WriteCondition):
            assert rule.judge(found) == expected
        else:
            with pytest.raises(expected):
                rule.judge(found)


def test_only_a_rule_that_can_refuse_counts() -> None:
    assert not WriteRule()
    assert NEVER
    assert CREATE
    assert WriteRule(Preconditions(if_match=("*",)))
    assert WriteRule(Preconditions(if_match=('"a"', '"b"')))
    assert WriteRule(Preconditions(if_none_match=('"a"',)))
    assert WriteRule(Preconditions(if_unmodified_since=datetime(2026, 1, 1, tzinfo=UTC)))
    assert not WriteRule(Preconditions(if_modified_since=datetime(2026, 1, 1, tzinfo=UTC)))


async def test_commits_under_a_lease_follow_each_other(lab: Bench) -> None:
    placement = lab.placements.resolve(KEY)
    inside, most = 0, 0

    async def commit() -> None:
        nonlocal inside, most
        async with lab.conditional.commit(placement, WriteRule(), leased=True):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= 1

    await asyncio.gather(*(commit() for _ in range(5)))
    assert most == 1


async def test_a_lease_is_renewed_while_the_commit_runs(
    lab: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exclusive, "RENEW", 0.001)
    monkeypatch.setattr(exclusive, "PATIENCE", 0.1)
    placement = lab.placements.resolve(KEY)
    async with lab.conditional.commit(placement, CREATE, leased=True):
        for _ in range(5):  # far longer than one lease lasts
            lab.now += exclusive.LEASE_TTL - 1
            await asyncio.sleep(0.01)
        with pytest.raises(ConcurrentWrite):
            async with lab.conditional.commit(placement, CREATE, leased=True):
                raise AssertionError("two are inside")


async def test_a_dead_writers_lease_runs_out(lab: Bench) -> None:
    placement = lab.placements.resolve(KEY)
    name = f"write/main/{placement.key}"
    await lab.sessions.acquire(name, "a dead process/1", lab.now, exclusive.LEASE_TTL)
    lab.now += exclusive.LEASE_TTL + 1

    async with lab.conditional.commit(placement, CREATE, leased=True) as found:
        assert found is None


async def test_the_rule_is_judged_again_under_the_lease(lab: Bench) -> None:
    placement = lab.placements.resolve(KEY)
    CREATE.judge(await lab.conditional.current(placement))
    await lab.put(b"meanwhile")
    with pytest.raises(PreconditionFailed):
        async with lab.conditional.commit(placement, CREATE, leased=True):
            raise AssertionError("it holds no more")
    # The lease was given back.
    async with lab.conditional.commit(placement, WriteRule(), leased=True):
        pass


async def test_sessions_that_are_away_during_a_commit_do_not_change_its_outcome(
    lab: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*args: Any) -> Any:
        raise SessionsUnavailable("away")

    monkeypatch.setattr(exclusive, "RENEW", 0.001)
    placement = lab.placements.resolve(KEY)
    async with lab.conditional.commit(placement, CREATE, leased=True):
        monkeypatch.setattr(lab.sessions, "acquire", away)
        monkeypatch.setattr(lab.sessions, "release", away)
        await asyncio.sleep(0.01)
    with pytest.raises(SessionsUnavailable):
        async with lab.conditional.commit(placement, CREATE, leased=True):
            raise AssertionError("without a lease")


async def test_a_store_that_judges_alone_needs_no_lease(tmp_path: Path) -> None:
    async with bench(tmp_path, Store("complete")) as lab:
        placement = lab.placements.resolve(KEY)
        async with (
            lab.conditional.commit(placement, CREATE, leased=False) as one,
            lab.conditional.commit(placement, CREATE, leased=False) as two,
        ):
            assert (one, two) == (None, None)


async def test_a_missing_object_is_none_and_other_errors_are_errors(lab: Bench) -> None:
    placement = lab.placements.resolve(KEY)
    assert await lab.conditional.current(placement) is None

    async def gone(name: str) -> None:
        raise SessionsUnavailable("something else")

    assert isinstance(lab.store, Store)
    lab.store.before = gone
    with pytest.raises(SessionsUnavailable):
        await lab.conditional.current(placement)
    with pytest.raises(ObjectNotFound):
        await Store().head(KEY)


def _ended(owner: str) -> str:
    """The name of a process that had this one's number before it."""
    place, _, started = owner.rpartition("/")
    return f"{place}/{int(started) - 1}"


async def test_nobody_waits_for_the_lease_of_a_process_that_was_killed_here(
    lab: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exclusive, "AFTER_DEATH", 0.3)
    holder = f"{_ended(this_owner())}/7"
    await lab.sessions.acquire("upload/x", holder, lab.now, exclusive.LEASE_TTL)
    began = asyncio.get_running_loop().time()
    async with lab.conditional.alone("upload/x", 5.0):
        took = asyncio.get_running_loop().time() - began
    assert 0.3 <= took < 3


@pytest.mark.parametrize("owner", ["me", "another machine/1/2/3", "nobody"])
async def test_the_lease_of_who_may_live_is_waited_for(
    lab: Bench, monkeypatch: pytest.MonkeyPatch, owner: str
) -> None:
    monkeypatch.setattr(exclusive, "AFTER_DEATH", 0.0)
    owner = this_owner() if owner == "me" else owner
    await lab.sessions.acquire("upload/x", f"{owner}/7", lab.now, exclusive.LEASE_TTL)
    with pytest.raises(ConcurrentWrite):
        async with lab.conditional.alone("upload/x", 0.8):
            raise AssertionError("two are inside")


async def test_who_was_faster_to_take_a_dead_ones_lease_keeps_it(
    lab: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exclusive, "AFTER_DEATH", 0.1)
    dead = f"{_ended(this_owner())}/7"
    await lab.sessions.acquire("upload/x", dead, lab.now, exclusive.LEASE_TTL)
    inside = most = 0

    async def work() -> None:
        nonlocal inside, most
        async with lab.conditional.alone("upload/x", 5.0):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.05)
            inside -= 1

    await asyncio.gather(*(work() for _ in range(5)))
    assert (inside, most) == (0, 1)
