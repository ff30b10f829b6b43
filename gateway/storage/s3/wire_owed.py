"""Answers that are to come."""

import asyncio
from typing import Any, TypeAlias

from gateway.storage.s3.wire_answer import Answer
from gateway.storage.s3.wire_body import Body

#: An answer that is to come.
Coming: TypeAlias = "asyncio.Future[tuple[Answer, Body]]"


class Owed(asyncio.Future[tuple[Answer, Body]]):
    """One that is waited for whatever happens, because it tells whether something was published.

    A task that is cancelled while it waits for this learns it when the answer is there: asyncio lets a future refuse to
    be cancelled. It needs no task of its own to be kept from that, which would cost two more turns of the event loop.
    Whoever makes one sees to it that it is answered in bounded time.
    """

    def cancel(self, msg: Any | None = None) -> bool:
        """It is not."""
        del msg
        return False


def seen(answer: Coming) -> None:
    """Whoever abandons a call need not look at how it failed."""
    if not answer.cancelled():
        answer.exception()
