"""The block of one request's sink: what all of them hold while it lasts is given back at its end."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from gateway.pipeline.filling import Filling
from gateway.pipeline.owner import unbroken


class RequestSink(Filling, ABC):
    """An async context manager around an intake."""

    async def __aenter__(self) -> Self:
        """Begin.

        Raises:
            Overloaded: no memory for one more body.
        """
        self._intake.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is in flight and nothing is held afterwards."""
        await unbroken(self._leave())

    @abstractmethod
    async def _leave(self) -> None:
        """End what is in flight, and give back what is held."""
