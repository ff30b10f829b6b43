"""Taking a flow's steps, one after another, in the calling thread."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.client.failures import TransferFailed
from gateway.client.link import Link
from gateway.client.uploading.notes import Page
from gateway.client.uploading.source import SourceFile
from gateway.client.uploading.steps import (
    Detour,
    Digest,
    Exchange,
    Flow,
    Pause,
    Save,
    Step,
    Unchanged,
)
from gateway.client.uploading.tally import Tally

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """What a flow's steps are taken with."""

    link: Link
    source: SourceFile
    page: Page
    tally: Tally
    sleep: Callable[[float], None] = time.sleep

    def run(self, flow: Flow[T]) -> T:
        """Go through a flow; what it answers.

        Raises:
            TransferFailed: the flow's own, or what a step raised and the flow let through.
        """
        try:
            step = next(flow)
            while True:
                try:
                    event = self._take(step)
                except (TransferFailed, Detour) as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(event)
        except StopIteration as end:
            result: T = end.value
            return result

    def _take(self, step: Step) -> Any:
        match step:
            case Digest(span, algorithm):
                return self.source.digest(span, algorithm)
            case Unchanged():
                self.source.check()
            case Exchange(request):
                body = None if request.body is None else self.source.blocks(request.body)
                return self.link.exchange(request, body, self.tally.moved)
            case Pause(seconds):
                self.sleep(seconds)
            case Save(record):
                self.page.save(record)
            case _:
                for flow in step.flows:
                    self.run(flow)
        return None
