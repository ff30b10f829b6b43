"""A client that costs next to nothing: bodies go out by ``sendfile`` from memory and come in by ``MSG_TRUNC``, which
counts bytes inside the kernel and copies none. One blocking keep-alive connection. Linux only."""

import contextlib
import hashlib
import os
import socket
from dataclasses import dataclass
from typing import Final, Self

from gateway.units import KiB, MiB

_TRASH: Final = bytearray(MiB)
#: Bytes of the file that bodies are made of, over and over.
PATTERN: Final = 16 * MiB
#: Data bytes of a chunk of a chunked body.
CHUNK: Final = 64 * KiB


class UnexpectedAnswer(Exception):
    """Not the status that was asked for; the text has the answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers by lower-case name, and how many body bytes came. ``body`` is the beginning."""

    status: int
    headers: dict[str, str]
    size: int
    body: bytes


class Pattern:
    """Bytes for bodies, in memory: once bare, once framed in chunks."""

    def __init__(self) -> None:
        block = os.urandom(MiB)
        self.bare = _file(block * (PATTERN // MiB))
        framed = b"".join(
            b"%x\r\n%b\r\n" % (CHUNK, block[at : at + CHUNK]) for at in range(0, MiB, CHUNK)
        )
        self.framed = _file(framed * (PATTERN // MiB))
        self.framed_size = len(framed) * (PATTERN // MiB)
        self._block = block

    def sha256(self, size: int) -> str:
        """Of a body of ``size`` bytes, in hex."""
        digest = hashlib.sha256()
        for _ in range(size // MiB):
            digest.update(self._block)
        digest.update(self._block[: size % MiB])
        return digest.hexdigest()


def _file(data: bytes) -> int:
    handle = os.memfd_create("body")
    os.write(handle, data)
    return handle


class Wire:
    """One connection to a port on loopback, for the length of a block."""

    def __init__(self, port: int, *, timeout: float = 120.0) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        # A timeout makes the descriptor non-blocking, and sendfile wants it blocking: the kernel's own timeouts.
        self._sock.settimeout(None)
        limit = int(timeout).to_bytes(8, "little") + bytes(8)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._sock.setsockopt(socket.SOL_SOCKET, option, limit)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._input = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._sock.close()

    def cut(self) -> None:
        """Break off what another thread is sending."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def ask(self, head: bytes, body: bytes = b"", *, expect: int = 200) -> Answer:
        """A request with a small body.

        Raises:
            UnexpectedAnswer: another status than ``expect``.
        """
        self._sock.sendall(head + body)
        return self.answered(expect)

    def put(self, head: bytes, pattern: Pattern, size: int, *, expect: int = 200) -> Answer:
        """A request whose body is ``size`` bytes of the pattern.

        Raises:
            UnexpectedAnswer: another status than ``expect``.
        """
        self.begin(head, pattern, size)
        return self.answered(expect)

    def begin(self, head: bytes, pattern: Pattern, size: int) -> None:
        """Send a request, with ``size`` bytes of the pattern; its answer is asked for by :meth:`answered`."""
        self._send_head(head, more=size > 0)
        # A server that answers before the body's end may close; then its answer says why.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._send_file(pattern.bare, size, PATTERN)

    def put_chunked(self, head: bytes, pattern: Pattern, size: int, *, expect: int = 200) -> Answer:
        """The same with chunked transfer coding; ``size`` is a multiple of ``CHUNK``.

        Raises:
            UnexpectedAnswer: another status than ``expect``.
        """
        self._send_head(head, more=True)
        frame = pattern.framed_size * CHUNK // PATTERN
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._send_file(pattern.framed, size // CHUNK * frame, pattern.framed_size)
            self._sock.sendall(b"0\r\n\r\n")
        return self.answered(expect)

    def _send_head(self, head: bytes, *, more: bool) -> None:
        self._sock.sendall(head, socket.MSG_MORE if more else 0)

    def _send_file(self, handle: int, size: int, length: int) -> None:
        sent = 0
        while sent < size:
            at = sent % length
            sent += os.sendfile(self._sock.fileno(), handle, at, min(size - sent, length - at))

    def answered(self, expect: int) -> Answer:
        """The answer to the request that was sent.

        Raises:
            UnexpectedAnswer: another status than ``expect``.
        """
        answer = self._read_answer()
        while answer.status == 100:
            answer = self._read_answer()
        if answer.status != expect:
            raise UnexpectedAnswer(f"{answer.status} instead of {expect}: {answer.body[:500]!r}")
        return answer

    def _read_answer(self) -> Answer:
        while (end := self._input.find(b"\r\n\r\n")) < 0:
            self._more()
        first, *lines = self._input[:end].decode("latin-1").split("\r\n")
        del self._input[: end + 4]
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        status = int(first.split(" ")[1])
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = self._read_chunks()
            return Answer(status, headers, len(body), body)
        size = int(headers.get("content-length", 0)) if status not in (100, 204) else 0
        return Answer(status, headers, size, self._drop(size))

    def _more(self) -> None:
        data = self._sock.recv(16 * KiB)
        if not data:
            raise ConnectionResetError("the server closed the connection instead of answering")
        self._input += data

    def _drop(self, size: int) -> bytes:
        """Take a body; answers what of it had come with the head, or all of a small one."""
        while len(self._input) < size <= 4 * KiB:
            self._more()
        beginning = bytes(self._input[:size])
        del self._input[:size]
        left = size - len(beginning)
        while left:
            got = self._receive(left)
            if not got:
                raise ConnectionResetError(f"the answer ended {left} bytes early")
            left -= got
        return beginning

    def _receive(self, size: int) -> int:
        """Take up to ``size`` bytes and forget them."""
        return self._sock.recv_into(_TRASH, min(size, len(_TRASH)), socket.MSG_TRUNC)

    def _read_chunks(self) -> bytes:
        body = bytearray()
        while True:
            size = int(self._line().partition(b";")[0], 16)
            while len(self._input) < size + 2:
                self._more()
            body += self._input[:size]
            del self._input[: size + 2]
            if not size:
                return bytes(body)

    def _line(self) -> bytes:
        while (end := self._input.find(b"\r\n")) < 0:
            self._more()
        line = bytes(self._input[:end])
        del self._input[: end + 2]
        return line
