"""A task that waits for what is owed cannot be kept from it."""

import asyncio

import pytest

from gateway.storage.s3.wire_answer import Answer
from gateway.storage.s3.wire_body import Body, Cut
from gateway.storage.s3.wire_owed import Owed


async def test_a_cancelled_task_learns_it_when_the_answer_is_here() -> None:
    owed, seen = Owed(), []

    async def waits() -> None:
        try:
            await owed
        except asyncio.CancelledError:
            seen.append(owed.done())
            raise

    task = asyncio.create_task(waits())
    task.cancel("before it waits")
    await asyncio.sleep(0)
    assert task.done(), "it had not begun"
    task = asyncio.create_task(waits())
    for _ in range(3):
        await asyncio.sleep(0)
        assert task.cancel()
    assert not task.done()
    answer = Answer(200, {}, 0, None, keep_alive=True)
    owed.set_result((answer, Body(Nobody(), answer)))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == [True]


async def test_a_failure_ends_the_wait_too() -> None:
    owed = Owed()
    assert not owed.cancel()
    owed.set_exception(Cut("gone"))
    with pytest.raises(Cut):
        await owed


class Nobody:
    """A connection that is not there."""

    def read_more(self, *, wanted: bool) -> None:
        del wanted

    def body_ended(self) -> None: ...

    def sever(self) -> None: ...
