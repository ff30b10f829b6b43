"""A failure beside a block, for the one task inside it."""

import asyncio

from gateway.errors import GatewayError


class Interruption:
    """Cancels the task inside a block at the first failure beside it, and lets that come out of the block as itself.

    ``error`` is the failure, once there is one.
    """

    error: BaseException | None = None
    _interrupted = False
    _leaving = False

    def enter(self) -> None:
        """The block begins, in the running task."""
        task = asyncio.current_task()
        assert task is not None
        self._task, self._cancelling = task, task.cancelling()

    def fail(self, error: BaseException) -> None:
        """Something failed: interrupt whoever is inside. On the way out it changes nothing any more."""
        if self.error is None and not self._leaving:
            self.error = error
            self._interrupted = True
            self._task.cancel()

    def leave(self) -> None:
        """The block's end has begun."""
        self._leaving = True

    def raise_instead(self, error: BaseException | None) -> None:
        """The block has ended with ``error``: raise what ought to come out in its place, if anything.

        Raises:
            CancelledError: somebody else has cancelled the task, too.
            BaseException: the failure, where ``error`` may be what it brought about.
        """
        if self._interrupted:
            self._task.uncancel()
        if self._task.cancelling() > self._cancelling:
            if not isinstance(error, asyncio.CancelledError):
                raise asyncio.CancelledError
        elif self.error is not None and error is not self.error and _follows(error):
            raise self.error


def _follows(error: BaseException | None) -> bool:
    """Whether ``error`` may be what a failed part brought about: nothing, the interruption, a request's failure."""
    return error is None or isinstance(error, asyncio.CancelledError | GatewayError)
