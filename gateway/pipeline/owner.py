"""Who owns a task: nothing runs here that nobody waits for."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


class Owner:
    """Holds tasks until they are done, so that none is collected while it runs, and joins them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Run ``work`` beside the caller. It must handle its own errors; whoever owns it joins it."""
        task = asyncio.create_task(work, name=name)  # noqa: TID251 - this is the owner
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def cancel(self) -> None:
        """Ask all tasks to stop."""
        for task in tuple(self._tasks):
            task.cancel()

    async def join(self, timeout: float | None = None) -> bool:
        """Wait until all tasks are done, at most ``timeout`` seconds; answer whether they are."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=timeout)
        return not self._tasks or all(task.done() for task in self._tasks)


async def unbroken(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` to its end even when the caller is cancelled meanwhile; ``work`` must be bounded in time.

    Raises:
        CancelledError: after the end, when a cancellation came meanwhile. Otherwise whatever ``work`` raises.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)  # joined below
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        # Not asyncio.wait: it costs twice what the task does.
        waiter: asyncio.Future[None] = loop.create_future()
        task.add_done_callback(partial(_wake, waiter))
        try:
            await waiter
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # seen: the cancellation is what the caller learns
        raise cancelled
    return task.result()


def _wake(waiter: asyncio.Future[None], _: asyncio.Task[Any]) -> None:
    if not waiter.done():
        waiter.set_result(None)
