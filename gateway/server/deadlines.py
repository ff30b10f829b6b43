"""Time limits of a connection: a timer that is cheap to move, and the pace of a body."""

import asyncio
from collections.abc import Callable


class Deadline:
    """One timer of an event loop, moved lazily.

    Deadlines move far more often than they pass. Moving one later only notes the new time; the
    timer that is already running finds out when it fires.
    """

    __slots__ = ("_due", "_fires", "_loop", "_passed", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, passed: Callable[[], None]) -> None:
        self._loop = loop
        self._passed = passed
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        #: When the timer does. It cannot be asked: uvloop's of a time that is now has no ``when``.
        self._fires = 0.0

    @property
    def is_set(self) -> bool:
        """Whether something is due."""
        return self._due is not None

    def set(self, due: float) -> None:
        """Call ``passed`` at the loop's time ``due``, instead of whenever it was set to before."""
        self._due = due
        if self._timer is not None:
            if self._fires <= due:
                return
            self._timer.cancel()
        self._start(due)

    def clear(self) -> None:
        """Nothing is due now; the timer is kept for the next ``set``."""
        self._due = None

    def cancel(self) -> None:
        """Nothing will be due any more."""
        self._due = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        if self._due is None:
            return
        if self._loop.time() < self._due:
            self._start(self._due)
            return
        self._due = None
        self._passed()

    def _start(self, due: float) -> None:
        self._fires = due
        self._timer = self._loop.call_at(due, self._fire)


class Pace:
    """Whether a body comes fast enough. Only time spent waiting for the client counts.

    Late is who sends nothing for ``idle`` seconds, or in a window of ``idle`` seconds of waiting
    sends fewer than ``rate`` bytes a second. What we do between two reads is our own pause.
    """

    __slots__ = ("_got", "_idle", "_need", "_since", "_waited")

    def __init__(self, idle: float, rate: int) -> None:
        self._idle = idle
        self._need = rate * idle
        self._since = 0.0
        self._waited = 0.0
        self._got = 0

    def wait(self, now: float) -> float:
        """Waiting begins; answer when it will have lasted too long if nothing more comes."""
        self._since = now
        if self._got < self._need:
            return now + self._idle - self._waited
        return now + self._idle

    def progress(self, size: int, now: float) -> None:
        """``size`` bytes came at ``now``; waiting is over."""
        self._waited += now - self._since
        self._got += size
        if self._waited >= self._idle:
            self._waited = 0.0
            self._got = 0
