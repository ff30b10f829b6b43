"""Blocking work in threads, with one promise: a call does not return before its thread is done.

A cancelled call whose thread still wrote from, or read into, the caller's views would corrupt what
the views are used for next. So a cancellation tells the thread to stop and waits until it has.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from gateway.errors import StorageUnavailable
from gateway.storage.local.disk import map_os_errors

T = TypeVar("T")


class Abandoned(Exception):  # the caller has gone: nobody sees it
    """Raised in a thread whose caller was cancelled."""


class Job:
    """What the thread knows of its caller."""

    def __init__(self) -> None:
        self._abandoned = False

    def abandon(self) -> None:
        """The caller has gone."""
        self._abandoned = True

    def check(self) -> None:
        """Go on only if somebody waits.

        Raises:
            Abandoned: nobody does.
        """
        if self._abandoned:
            raise Abandoned


class Threads:
    """At most ``count`` blocking calls at a time; more wait in line."""

    def __init__(self, name: str, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)

    async def run(
        self, work: Callable[[Job], T], discard: Callable[[T], object] | None = None
    ) -> T:
        """The result of ``work(job)`` in a thread. ``discard`` takes a result that comes too late.

        Raises:
            StorageUnavailable: the threads were closed.
            GatewayError: what ``work`` raised, an OSError translated.
        """
        job = Job()
        try:
            future = self._pool.submit(_translated, work, job)
        except RuntimeError as error:
            raise StorageUnavailable("The store is closed.") from error
        waiter = asyncio.wrap_future(future)
        try:
            return await asyncio.shield(waiter)
        except asyncio.CancelledError:
            job.abandon()
            if not future.cancel():
                await _finished(waiter)
                if discard is not None and waiter.exception() is None:
                    with suppress(RuntimeError):  # closed meanwhile
                        self._pool.submit(discard, waiter.result())
            raise

    def close(self) -> None:
        """Refuse new work, and wait for what was begun. Blocks."""
        self._pool.shutdown(wait=True)


def _translated(work: Callable[[Job], T], job: Job) -> T:
    job.check()
    with map_os_errors():
        return work(job)


async def _finished(waiter: "asyncio.Future[T]") -> None:
    """Wait, whatever happens meanwhile."""
    while not waiter.done():
        try:
            await asyncio.wait([waiter])
        except asyncio.CancelledError:
            continue
    waiter.exception()
