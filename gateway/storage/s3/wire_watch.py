"""Whether a connection still moves, looked at a few times per idle time while a call runs on it; and whether it has
been still since the last one."""

import asyncio
import select
from collections.abc import Callable
from typing import Final, NamedTuple

#: Looks per idle time.
_LOOKS: Final = 4


class Movement(NamedTuple):
    """How far a call has come: ``marks`` are others once anything moved. ``ours``: it is for us to go on."""

    marks: tuple[int, ...]
    ours: bool


class Watch:
    """Calls ``silent`` when a call did not move for ``idle_timeout`` seconds. ``look`` tells how far it has come; None:
    no call runs, and the watch ends until it is :meth:`start`-ed again."""

    __slots__ = ("_at", "_idle_timeout", "_look", "_loop", "_seen", "_silent", "_timer")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        idle_timeout: float,
        look: Callable[[], Movement | None],
        silent: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._idle_timeout = idle_timeout
        self._look = look
        self._silent = silent
        self._timer: asyncio.TimerHandle | None = None
        self._seen: tuple[int, ...] = ()
        self._at = 0.0

    def start(self) -> None:
        """A call begins. Where the one before was watched a moment ago, the same timer goes on."""
        if self._timer is None:
            self._at = self._loop.time()
            self._timer = self._loop.call_later(self._idle_timeout / _LOOKS, self._tick)

    def stop(self) -> None:
        """The connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = None
        found = self._look()
        if found is None:
            return
        now = self._loop.time()
        if found.ours or found.marks != self._seen:
            self._seen, self._at = found.marks, now
        elif now - self._at >= self._idle_timeout:
            self._silent()
            return
        self._timer = self._loop.call_later(self._idle_timeout / _LOOKS, self._tick)


class Unread:
    """Whether the kernel holds bytes of a connection, or its end, of which the event loop has not told yet. What came
    before a call was sent is no answer to it (RFC 9112 section 9.2), and a loop that was busy tells of it too late."""

    __slots__ = ("_poll",)

    def __init__(self, fd: int) -> None:
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)

    def __bool__(self) -> bool:
        return bool(self._poll.poll(0))
