"""A connection to the null S3: what is sent there is dropped inside the kernel, what it sends is never copied."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol
from urllib.parse import parse_qsl, unquote

from loadtests.null_objects import KEEP, Answer, Request

#: Bytes dropped by one system call.
_DROP: Final = bytearray(1 << 20)
#: Of the static file; a multiple of every power of two up to it, so ranges of it agree with the whole.
PATTERN_SIZE: Final = 16 << 20
#: System calls for one connection before others have a turn.
_TURN: Final = 8
_MAX_HEAD: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Temper:
    """How bad the day is. ``delay`` in seconds per request, ``rate`` in bytes per second and connection (0: no
    limit), ``throttle`` in requests per second and process (0: no limit)."""

    delay: float = 0.0
    rate: int = 0
    throttle: int = 0


@dataclass(slots=True)
class Counters:
    """What a process did."""

    requests: int = 0
    throttled: int = 0
    received: int = 0
    sent: int = 0


class Server(Protocol):
    """What the connections of a process share. ``pattern`` is the descriptor of a file of PATTERN_SIZE bytes."""

    temper: Temper
    counters: Counters
    pattern: int
    numbers: Iterator[int]

    def respond(self, request: Request) -> Answer:
        """Carry out, or refuse."""
        ...


class Connection:
    """One connection: a head, then a body that is kept if small and dropped if not, then the answer."""

    def __init__(self, server: Server, sock: socket.socket) -> None:
        self._server = server
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._input = bytearray()
        self._paced = 0.0
        self._reset()

    def _reset(self) -> None:
        self._head: tuple[str, str, dict[str, str]] | None = None
        self._size = self._left = 0
        self._drop = 0
        self._chunked = False
        self._last_chunk = False

    def read_on(self) -> None:
        """Listen for input."""
        self._loop.add_reader(self._sock.fileno(), self._readable)

    def _close(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock.fileno())
            self._loop.remove_writer(self._sock.fileno())
            self._sock.close()

    def _readable(self) -> None:
        try:
            for _ in range(_TURN):
                if not self._read_once():
                    return
        except BlockingIOError:
            return
        except (OSError, ValueError, KeyError):
            self._close()

    def _read_once(self) -> bool:
        """One system call; whether to go on reading now."""
        if self._drop:
            wanted = min(self._drop, len(_DROP), self._step())
            size = self._sock.recv_into(_DROP, wanted, socket.MSG_TRUNC)
            self._drop -= size
        else:
            data = self._sock.recv(min(_MAX_HEAD, self._step()))
            size = len(data)
            self._input += data
        if not size:
            self._close()
            return False
        self._server.counters.received += size
        if not self._drop and self._advance():
            return False
        return self._pace(size, self.read_on)

    def _step(self) -> int:
        """Bytes for one call: with a rate, those of 20 ms."""
        rate = self._server.temper.rate
        return max(1024, rate // 50) if rate else 1 << 30

    def _pace(self, size: int, resume: Callable[[], None]) -> bool:
        """Whether the rate allows to go on now; else ``resume`` is called in time."""
        rate = self._server.temper.rate
        if not rate:
            return True
        now = self._loop.time()
        self._paced = max(self._paced, now) + size / rate
        if self._paced - now < 0.002:
            return True
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._loop.call_at(self._paced, self._resume, resume)
        return False

    def _resume(self, what: Callable[[], None]) -> None:
        if self._sock.fileno() >= 0:
            what()

    def _advance(self) -> bool:
        """Use up the input; whether a request is complete and being answered."""
        if self._head is None and not self._take_head():
            return False
        if self._chunked:
            return self._take_chunks()
        if self._size <= KEEP:
            if len(self._input) < self._size:
                return False
            body = bytes(self._input[: self._size])
            del self._input[: self._size]
            self._finish(body)
            return True
        if self._input:
            here = min(len(self._input), self._left)
            del self._input[:here]
            self._left -= here
        if self._left:
            self._drop, self._left = self._left, 0
            return False
        self._finish(None)
        return True

    def _take_head(self) -> bool:
        end = self._input.find(b"\r\n\r\n")
        if end < 0:
            if len(self._input) > _MAX_HEAD:
                raise ValueError("a head without end")
            return False
        first, *lines = self._input[:end].decode("latin-1").split("\r\n")
        del self._input[: end + 4]
        method, target, _ = first.split(" ")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        self._head = method, target, headers
        self._chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        self._size = self._left = int(headers.get("content-length", 0))
        if headers.get("expect", "").lower() == "100-continue":
            self._sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _take_chunks(self) -> bool:
        """Step over chunks; their bytes are counted, not kept."""
        while True:
            end = self._input.find(b"\r\n")
            if end < 0:
                return False
            line = bytes(self._input[:end])
            del self._input[: end + 2]
            if self._last_chunk:
                if line:
                    continue  # a trailer
                self._finish(None)
                return True
            size = int(line.partition(b";")[0], 16)
            self._size += size
            self._last_chunk = not size
            if size:
                here = min(len(self._input), size + 2)
                del self._input[:here]
                self._drop = size + 2 - here
                if self._drop:
                    return False

    def _finish(self, body: bytes | None) -> None:
        """The request is whole: answer it, after the delay."""
        assert self._head is not None
        method, target, headers = self._head
        path, _, query = target.partition("?")
        bucket, _, key = unquote(path).lstrip("/").partition("/")
        request = Request(
            method, bucket, key, dict(parse_qsl(query, keep_blank_values=True)), headers, self._size, body
        )  # fmt: skip
        answer = self._server.respond(request)
        head = answer.head(next(self._server.numbers), bodiless=method == "HEAD")
        self._reset()
        self._loop.remove_reader(self._sock.fileno())
        if self._server.temper.delay:
            self._loop.call_later(
                self._server.temper.delay, self._send, head, answer.offset, answer.stream
            )
        else:
            self._send(head, answer.offset, answer.stream)

    def _send(self, head: bytes, offset: int, left: int) -> None:
        if self._sock.fileno() < 0:
            return None
        self._loop.remove_writer(self._sock.fileno())
        again = partial(self._send, head, offset, left)
        try:
            for _ in range(_TURN):
                if head:
                    size = self._sock.send(head, socket.MSG_MORE if left else 0)
                    head = head[size:]
                elif left:
                    start = offset % PATTERN_SIZE
                    wanted = min(left, PATTERN_SIZE - start, self._step())
                    size = os.sendfile(self._sock.fileno(), self._server.pattern, start, wanted)
                    offset, left = offset + size, left - size
                else:
                    return self._sent()
                self._server.counters.sent += size
                again = partial(self._send, head, offset, left)
                if not self._pace(size, again):
                    return None
        except BlockingIOError:
            pass
        except OSError:
            return self._close()
        if not head and not left:
            return self._sent()
        self._loop.add_writer(self._sock.fileno(), again)
        return None

    def _sent(self) -> None:
        self.read_on()
        if self._input:
            self._loop.call_soon(self._pipelined)

    def _pipelined(self) -> None:
        """A next request that came together with the last one."""
        if self._sock.fileno() >= 0 and self._head is None:
            with contextlib.suppress(ValueError, KeyError):
                self._advance()
