"""The way to a Redis: calls end in time, and when they are cancelled."""

import asyncio

import pytest

from gateway.errors import SessionsUnavailable
from gateway.sessions.redis_link import RedisLink

#: Nobody listens there; nothing is sent in these tests.
NOWHERE = "redis://127.0.0.1:1/0"


async def test_a_cancellation_that_the_client_swallows_is_not_lost() -> None:
    """As asyncio.wait_for of Python 3.11 does when what it waits for ends in the same turn: a watch that
    was cancelled in a call would go on, and who waits for its end would wait for ever."""
    link = RedisLink(NOWHERE, 5)
    sent = asyncio.Event()

    async def swallowing() -> str:
        sent.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return "an answer all the same"
        raise AssertionError("it was not cancelled")

    task = asyncio.create_task(link._call(swallowing))
    await sent.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await link.aclose()


async def test_a_call_that_takes_too_long_is_no_cancellation() -> None:
    link = RedisLink(NOWHERE, 0.01)
    with pytest.raises(SessionsUnavailable):
        await link._call(lambda: asyncio.sleep(30))
    assert await link._call(lambda: asyncio.sleep(0, "an answer")) == "an answer"
    await link.aclose()
