"""Taking a flow's steps in asyncio; flows that go together do so at the same time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.client.async_link import AsyncLink
from gateway.client.failures import TransferFailed
from gateway.client.uploading.notes import Page
from gateway.client.uploading.source import SourceFile
from gateway.client.uploading.steps import (
    Detour,
    Digest,
    Exchange,
    Flow,
    Pause,
    Save,
    Span,
    Step,
    Unchanged,
)
from gateway.client.uploading.tally import Tally

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncDriver:
    """What a flow's steps are taken with. The file is hashed in threads."""

    link: AsyncLink
    source: SourceFile
    page: Page
    tally: Tally
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self, flow: Flow[T]) -> T:
        """Go through a flow; what it answers. See :meth:`.driver.Driver.run`."""
        try:
            step = next(flow)
            while True:
                try:
                    event = await self._take(step)
                except (TransferFailed, Detour) as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(event)
        except StopIteration as end:
            result: T = end.value
            return result

    async def _take(self, step: Step) -> Any:
        match step:
            case Digest(span, algorithm):
                return await asyncio.to_thread(self.source.digest, span, algorithm)
            case Unchanged():
                await asyncio.to_thread(self.source.check)
            case Exchange(request):
                body = None if request.body is None else self._blocks(request.body)
                return await self.link.exchange(request, body, self.tally.moved)
            case Pause(seconds):
                await self.sleep(seconds)
            case Save(record):
                await asyncio.to_thread(self.page.save, record)
            case _:
                await self._together(step.flows)
        return None

    async def _together(self, flows: tuple[Flow[None], ...]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for flow in flows:
                    group.create_task(self.run(flow))
        except ExceptionGroup as failures:
            # Who waits for a failure knows it as it is, not in a group; others fail for the same reason.
            raise failures.exceptions[0] from None

    async def _blocks(self, span: Span) -> AsyncIterator[bytes]:
        # Not in a thread: these bytes were hashed a moment ago, so they come from memory, and to wait for a thread
        # costs more than to copy them.
        for block in self.source.blocks(span):
            yield block
