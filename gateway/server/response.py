"""Responses: the ASGI messages and the slab writer, onto one transport.

``scope["extensions"]["sluice.writer"]`` is a :class:`BodyWriter`. It and ``send()`` may be mixed:
both count against the same Content-Length.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus
from operator import itemgetter
from typing import Final, Protocol

from gateway.errors import ClientGone
from gateway.server.outlet import Outlet
from gateway.units import KiB

#: A first piece of up to this size leaves in one write with the head.
JOIN: Final = 16 * KiB
#: What ``send()`` may leave in the transport's buffer before it waits.
BACKLOG: Final = 64 * KiB

_BAD_NAME = re.compile(b'[\x00-\x20\x7f-\xff()<>@,;:\\\\\\[\\]={}"/?]')
_BAD_VALUE = re.compile(b"[\x00-\x08\x0a-\x1f\x7f]")
Header = tuple[bytes, bytes]
_name_of: Final = itemgetter(0)
#: All bytes that a header's value may hold.
_IN_VALUES: Final = bytes(value for value in range(256) if value == 9 or 32 <= value != 127)
#: Names in lower case that were looked at and are not ours to decide, and how many are remembered.
_NAMES: Final[set[bytes]] = set()
_MOST_NAMES: Final = 1000


def _sifted(headers: Iterable[Header]) -> tuple[tuple[Header, ...], bool]:
    """Headers without those that are ours to decide; and whether they ask for the connection's end.

    Raises:
        RuntimeError: a name can be none.
    """
    kept: list[Header] = []
    closes = False
    for name, value in headers:
        lower = name.lower()
        if lower == b"connection":
            closes = closes or b"close" in value.lower()
        elif lower != b"transfer-encoding":
            if not name or _BAD_NAME.search(name):
                raise RuntimeError("Invalid response header.")
            if name == lower and len(_NAMES) < _MOST_NAMES:
                _NAMES.add(name)
            kept.append((name, value))
    return tuple(kept), closes


#: What Python does not know yet.
_PHRASES: Final = {104: "Upload Resumption Supported"}


def _status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = _PHRASES.get(status, "")
    return f"HTTP/1.1 {status} {phrase}\r\n".encode("ascii")


_STATUS_LINES: Final = {status: _status_line(status) for status in range(100, 600)}


class Turn(Protocol):
    """What a response needs to know of its place among the requests of a connection."""

    outlet: Outlet

    def keeps_alive(self) -> bool:
        """Whether the connection may serve another request after this response."""
        ...

    def responded(self) -> None:
        """The response is complete."""
        ...


class Response:
    """One response. ``started``: its head is decided; ``complete``: all of it was written."""

    def __init__(self, turn: Turn, *, is_head: bool, version: str) -> None:
        self.started = False
        self.complete = False
        self.keep_alive = False
        self._turn = turn
        self._outlet = turn.outlet
        self._is_head = is_head
        self._version = version
        self._head = b""
        self._left: int | None = None
        self._chunked = False
        self._bodiless = False

    def start(self, status: int, headers: Iterable[Header], preface: bytes = b"") -> None:
        """Decide the head; it leaves with the first piece of the body. ``preface``: lines of our own to stand
        before the headers.

        Raises:
            RuntimeError: started before, or a header that would split the response.
        """
        if self.started:
            raise RuntimeError("The response was already started.")
        lines, closes = self._lines(headers)
        self.started = True
        self._bodiless = self._is_head or status in (204, 304)
        if self._left is None and not self._bodiless:
            if self._version == "1.1":
                self._chunked = True
                lines += b"transfer-encoding: chunked\r\n"
            else:
                closes = True
        self.keep_alive = self._turn.keeps_alive() and not closes
        if not self.keep_alive:
            lines += b"connection: close\r\n"
        self._head = b"".join((_STATUS_LINES[status], preface, lines, b"\r\n"))

    def _lines(self, headers: Iterable[Header]) -> tuple[bytes, bool]:
        """The lines of headers, but for those that are ours to decide; and whether they ask for the connection's
        end."""
        pairs = tuple(headers)
        names = list(map(_name_of, pairs))
        closes = False
        if not _NAMES.issuperset(names):
            pairs, closes = _sifted(pairs)
            names = [name.lower() for name, _ in pairs]
        if b"content-length" in names:
            self._left = int(pairs[names.index(b"content-length")][1])
        lines = b"\r\n".join(map(b": ".join, (*pairs, ())))
        # What is left of the lines without all that a value may hold is their ends, unless a value holds one.
        if lines.translate(None, _IN_VALUES) != b"\r\n" * len(pairs):
            raise RuntimeError("Invalid response header.")
        return lines, closes

    def interim(self, status: int, headers: Iterable[Header]) -> None:
        """Send an interim response (RFC 9110, 15.2) at once. Dropped where there is no place for one: the final head
        is decided, the client speaks HTTP/1.0, or it does not read what it was sent before.

        Raises:
            RuntimeError: a header that would split it.
        """
        if self.started or self.complete or self._version != "1.1":
            return
        if self._outlet.held > BACKLOG:
            return
        lines = [_STATUS_LINES[status]]
        for name, value in headers:
            if _BAD_NAME.search(name) or _BAD_VALUE.search(value):
                raise RuntimeError("Invalid response header.")
            lines += (name, b": ", value, b"\r\n")
        self._outlet.write(b"".join((*lines, b"\r\n")))

    def recall(self) -> bool:
        """Take the head back, if none of it has left; answer whether another may be started."""
        if self.started and not self._head:
            return False
        self.started = self._chunked = self._bodiless = False
        self._left = None
        self._head = b""
        return True

    async def body(self, data: bytes | memoryview, *, more: bool) -> None:
        """Write a piece; the last one when not ``more``. Returns when another may follow.

        Raises:
            RuntimeError: not started, already complete, or not of the declared length.
        """
        self._put(data)
        if more:
            if self._head:  # an empty piece asks for the head to leave now
                self._outlet.write(self._head)
                self._head = b""
            await self._outlet.flushed(BACKLOG)
            return
        # Who asks for more and more and reads nothing is not answered again before what it was sent has left. A
        # client that leaves meanwhile is told nothing.
        if self._outlet.held > BACKLOG:
            with suppress(ClientGone):
                await self._outlet.flushed(BACKLOG)
        self._finish()

    async def view(self, view: memoryview) -> None:
        """Write a slab; when this returns it may be used again.

        Raises:
            ClientGone: the client left; what the slab holds is of no more use to anybody.
            RuntimeError: as for :meth:`body`.
        """
        if self._outlet.gone:  # a start that came after was not taken, so this is no misuse
            raise ClientGone("The client closed the connection.")
        piece = self._outlet.piece or max(1, len(view))
        for at in range(0, len(view), piece):
            self._put(view[at : at + piece])
            await self._outlet.flushed(0)

    async def whole(self, data: bytes | memoryview) -> None:
        """Write all of the body, of up to :data:`JOIN` bytes, and end. When this returns the memory may be used
        again: the kernel has it, or TLS has copied it. Who asks for more and more and reads nothing is not answered
        again before.

        Raises:
            ClientGone: the client left.
            RuntimeError: as for :meth:`body`.
        """
        outlet, size, head = self._outlet, len(data), self._head
        usual = head and (self._bodiless or self._left == size)
        if not usual:
            self._put(data[:])
        else:
            self._head = b""
            if self._bodiless or not size:
                outlet.write(head)
            elif outlet.piece:  # TLS makes a record of each piece
                outlet.write(b"".join((head, data)))
            else:
                # A view of our own: after a failure the transport may keep it while the caller's is let go.
                outlet.write(head, data[:])
        if outlet.paused:  # also where there is no body, as a HEAD's: heads add up
            await outlet.flushed(0)
        if usual:
            self.complete = True
            self._turn.responded()
        else:
            self._finish()

    def _put(self, data: bytes | memoryview) -> None:
        if not self.started:
            raise RuntimeError("The response was not started.")
        if self.complete:
            raise RuntimeError("The response is already complete.")
        size = len(data)
        if self._bodiless or not size:
            return
        if self._left is not None:
            if size > self._left:
                raise RuntimeError("Response content longer than Content-Length.")
            self._left -= size
        pieces: list[bytes | memoryview] = [data]
        if self._chunked:
            pieces = [b"%x\r\n" % size, data, b"\r\n"]
        head, self._head = self._head, b""
        if head:
            # One write either way. TLS makes a record of each piece, so a small one is joined there.
            joined = bool(self._outlet.piece) and size <= JOIN and not self._chunked
            pieces = [b"".join((head, data))] if joined else [head, *pieces]
        self._outlet.write(*pieces)

    def _finish(self) -> None:
        if not self.started or self.complete:
            raise RuntimeError("There is no response to complete.")
        if self._left and not self._bodiless:
            raise RuntimeError("Response content shorter than Content-Length.")
        tail = b"0\r\n\r\n" if self._chunked else b""
        head, self._head = self._head, b""
        if head or tail:
            self._outlet.write(head + tail)
        self.complete = True
        self._turn.responded()


class BodyWriter:
    """Writes slabs of a response body straight to the client's transport.

    Used between ``http.response.start`` and the ``http.response.body`` message with
    ``more_body`` false, which still ends the response. Bodies that must not be sent (HEAD, 204,
    304) are dropped.
    """

    def __init__(self, response: Response) -> None:
        self._response = response

    async def write(self, view: memoryview) -> None:
        """Send ``view``, in order; returns when its memory may be used again.

        Raises:
            ClientGone: the client left or stopped reading.
            RuntimeError: before the start, after the end, or over the Content-Length.
        """
        await self._response.view(view)
