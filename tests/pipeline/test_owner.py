"""Tasks have owners, and some work may not be broken off."""

import asyncio

import pytest

from gateway.pipeline.owner import Owner, unbroken


async def test_an_owner_joins_its_tasks() -> None:
    owner, done = Owner(), []

    async def work(number: int) -> None:
        await asyncio.sleep(0)
        done.append(number)

    for number in range(3):
        owner.start(work(number), name="work")
    assert len(owner) == 3
    assert await owner.join()
    assert done == [0, 1, 2]
    assert await owner.join()


async def test_a_join_can_run_out_of_time_and_cancel() -> None:
    owner = Owner()
    task = owner.start(asyncio.sleep(60), name="long")
    assert not await owner.join(0.001)
    owner.cancel()
    assert await owner.join()
    assert task.cancelled()


async def test_unbroken_work_ends_before_a_cancellation_is_raised() -> None:
    ended = asyncio.Event()

    async def work() -> int:
        await asyncio.sleep(0.01)
        ended.set()
        return 7

    assert await unbroken(work()) == 7
    ended.clear()
    task = asyncio.ensure_future(unbroken(work()))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_unbroken_work_raises_its_own_error_unless_cancelled() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        await unbroken(work())
    task = asyncio.ensure_future(unbroken(work()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_unbroken_work_that_is_itself_cancelled_says_so() -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await unbroken(work())
