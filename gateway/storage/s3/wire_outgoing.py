"""The request's way out: views handed to the transport as they are, a step at a time.

The next step follows when the kernel has taken the last (high-water mark 0). uvloop points into the views until
then and copies nothing; asyncio's own loop and TLS copy, at most one step. So a part is never in memory twice.
"""

import asyncio
import fcntl
import os
import socket
import struct
import termios
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from gateway.model import Views
from gateway.units import KiB, MiB

#: Handed to the transport at once; TLS encrypts (and so copies) all of it.
STEP: Final = 4 * MiB
TLS_STEP: Final = 128 * KiB

#: Sent without letting others of the event loop run.
TURN: Final = 4 * MiB

#: A body of up to this size leaves in one write with its head.
JOIN: Final = 32 * KiB

#: How long a store may think about ``Expect: 100-continue`` before the body is sent anyway, seconds.
CONTINUE: Final = 1.0


class Outgoing:
    """The sending half of a connection. ``events`` counts what moved."""

    __slots__ = (
        "_coming",
        "_drained",
        "_fd",
        "_loop",
        "_patience",
        "_paused",
        "_step",
        "_steps",
        "_stopped",
        "_transport",
        "events",
    )

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.events = 0
        self._transport = transport
        self._loop = loop
        self._paused = False
        self._coming = False
        self._stopped = False
        self._drained: asyncio.Future[None] | None = None
        self._steps: deque[list[memoryview]] = deque()
        self._patience: asyncio.TimerHandle | None = None
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._fd: Final[int] = raw.fileno()
        tls = transport.get_extra_info("sslcontext") is not None
        self._step: Final = TLS_STEP if tls else STEP
        transport.set_write_buffer_limits(high=TLS_STEP if tls else 0)

    @property
    def done(self) -> bool:
        """Whether all was sent, and no view is needed any more."""
        return not self._coming and not self._steps and not self._transport.get_write_buffer_size()

    @property
    def starved(self) -> bool:
        """Whether it is for us to go on: more of the body is to come, and what came has arrived."""
        return self._coming and not self._steps and not self.held

    @property
    def held(self) -> int:
        """Bytes that the transport and the kernel have and the store has not acknowledged."""
        return self._transport.get_write_buffer_size() + _unsent(self._fd)

    def begin(self, head: bytes, body: Views, *, expect: bool) -> None:
        """Send a request. ``expect``: the body waits for :meth:`go_on`, or a second."""
        # Views of our own: what the transport keeps of them after a failure does not keep their owner from its.
        views = [view.cast("B") for view in body]
        size = sum([len(view) for view in views])
        self.events += 1
        self._stopped = False
        if expect:
            self._steps.extend(_steps(views, self._step))
            self._patience = self._loop.call_later(CONTINUE, self.go_on)
            self._transport.write(head)
        elif size <= JOIN:
            self._transport.writelines((head, *views))
        else:
            self._steps.extend(_steps(views, self._step))
            self._transport.write(head)
            self._push()

    async def open(self, head: bytes) -> None:
        """Send the head of a request that asks for ``100 Continue``; return when its body is wanted, or a second
        has passed, or :meth:`stop` was called. The body comes with :meth:`feed`."""
        self.events += 1
        self._stopped = False
        self._coming = True
        self._patience = self._loop.call_later(CONTINUE, self.go_on)
        self._transport.write(head)
        await self._drain()

    async def feed(self, views: Views, *, last: bool) -> None:
        """Send more of a body, or the last of it; return when the views are no longer needed, or :meth:`stop` was
        called."""
        self.events += 1
        self._coming = not last
        self._steps.extend(_steps([view.cast("B") for view in views], self._step))
        self._push()
        if self._steps or self._paused or self._patience is not None:
            await self._drain()

    async def _drain(self) -> None:
        while not self._stopped and (self._steps or self._paused or self._patience is not None):
            self._drained = self._loop.create_future()
            try:
                await self._drained
            finally:
                self._drained = None

    def _wake(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def go_on(self) -> None:
        """The store wants the body, or has thought about it for long enough."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
            self._push()

    def pause(self) -> None:
        """The kernel takes no more just now."""
        self._paused = True

    def resume(self) -> None:
        """It has taken everything."""
        self._paused = False
        self.events += 1
        if self._patience is None:
            self._push()

    def finish(self) -> bool:
        """The answer is here: send no further step. Answer whether all was sent."""
        sent = self.done
        if not sent or self._drained is not None or self._patience is not None:
            self.stop()
        return sent

    def stop(self) -> None:
        """Send no further step."""
        self._stopped = True
        self._coming = False
        self._steps.clear()
        self._wake()
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def cut(self) -> None:
        """Of what was not sent nothing leaves any more. A transport that is only closed or aborted may still flush
        views, at least until the event loop's next turn, when their owner may be using them again."""
        self.stop()
        if self._transport.get_write_buffer_size():
            _shut_down(self._fd)
        self._transport.abort()

    def _push(self) -> None:
        """Write until the kernel takes no more."""
        left = TURN
        while self._steps and not self._paused:
            if left <= 0:
                self._loop.call_soon(self._push)
                return
            group = self._steps.popleft()
            left -= self._step
            self.events += 1
            if len(group) == 1:
                self._transport.write(group[0])
            else:
                self._transport.writelines(group)
        if not self._paused:
            self._wake()


def _steps(views: list[memoryview], step: int) -> Iterator[list[memoryview]]:
    """The views in groups of at most ``step`` bytes."""
    group: list[memoryview] = []
    room = step
    for view in views:
        at = 0
        while at < len(view):
            piece = view[at : at + room]
            group.append(piece)
            at += len(piece)
            room -= len(piece)
            if not room:
                yield group
                group, room = [], step
    if group:
        yield group


def _unsent(fd: int) -> int:
    """Bytes that the kernel still has to send or to see acknowledged."""
    try:
        answer = fcntl.ioctl(fd, termios.TIOCOUTQ, b"\0" * 4)
    except OSError:
        return 0
    return int(struct.unpack("i", answer)[0])


def _shut_down(fd: int) -> None:
    """Both directions, at once: uvloop's own socket object does not offer it."""
    with suppress(OSError), socket.socket(fileno=os.dup(fd)) as twin:
        twin.shutdown(socket.SHUT_RDWR)
