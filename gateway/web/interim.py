"""Telling a client how far its bytes are safe while it still sends them: 104 with Upload-Offset (IETF protocol)."""

from collections.abc import Callable
from typing import Final, Protocol

from gateway.protocol.interim import progress
from gateway.protocol.object_heads import Headers

#: Least time between two of them, in seconds: whoever does not read them must not fill our memory.
EVERY: Final = 0.5


class SendInterim(Protocol):
    """How an interim response leaves."""

    def __call__(self, status: int, headers: Headers, /) -> None:
        """Send it, where there is a place for one."""
        ...


class InterimProgress:
    """Hears offsets of one request and passes them on, :data:`EVERY` so often at most. ``clock`` gives seconds."""

    def __init__(self, version: int, send: SendInterim, clock: Callable[[], float]) -> None:
        self._version = version
        self._send = send
        self._clock = clock
        self._last: float | None = None

    def __call__(self, offset: int) -> None:
        """``offset`` would survive anything."""
        now = self._clock()
        if self._last is not None and 0 <= now - self._last < EVERY:
            return
        head = progress(self._version, offset)
        if head is not None:
            self._last = now
            self._send(head.status, head.headers)
