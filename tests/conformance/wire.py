"""HTTP/1.1 by hand over one socket: so that a check can send what a client library would not, cut where it likes,
and see every byte of the answer."""

import socket
import ssl
import struct
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self, TypeAlias
from urllib.parse import SplitResult, urlsplit

Headers: TypeAlias = Sequence[tuple[str, str]]

_PIECE: Final = 256 * 1024
_MAX_HEAD: Final = 256 * 1024
_BODILESS: Final = (204, 304)


class WireError(Exception):
    """No answer that HTTP knows: refused, reset, timed out, or not HTTP. The text says which."""


class Unreachable(WireError):
    """Nobody accepts connections."""


@dataclass(frozen=True)
class Answer:
    """A final answer. ``interim``: the 1xx statuses before it, ``early``: their headers; ``seconds``: from the start of
    waiting to its head; ``stray``: bytes after the end of the answer that came at once."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    interim: tuple[int, ...] = ()
    seconds: float = 0.0
    stray: bytes = b""
    early: tuple["Answer", ...] = ()

    def get(self, name: str) -> str | None:
        """A header's value; lines of one name are joined by a comma."""
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(found) if found else None

    def number(self, name: str) -> int | None:
        """A header's value where it is a plain decimal number."""
        text = self.get(name)
        return int(text) if text is not None and text.isascii() and text.isdigit() else None

    def words(self, name: str) -> list[str]:
        """A comma-separated header's items."""
        return [word.strip() for word in (self.get(name) or "").split(",") if word.strip()]

    def __str__(self) -> str:
        return str(self.status)


@dataclass
class Connection:
    """One connection to the server of ``url``. Not for several threads.

    Raises:
        Unreachable: nobody accepts it.
    """

    url: str
    timeout: float = 15.0
    insecure: bool = False
    _socket: socket.socket = field(init=False)
    _buffer: bytes = b""

    def __post_init__(self) -> None:
        where = urlsplit(self.url)
        host, port = where.hostname or "", where.port or (443 if where.scheme == "https" else 80)
        try:
            self._socket = socket.create_connection((host, port), timeout=self.timeout)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if where.scheme == "https":
                self._socket = _trust(self.insecure).wrap_socket(self._socket, server_hostname=host)
        except OSError as error:
            raise Unreachable(f"no connection to {host}:{port}: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def send(self, data: bytes | memoryview) -> None:
        """All of it.

        Raises:
            WireError: the server closed or does not read.
        """
        try:
            self._socket.settimeout(self.timeout)
            self._socket.sendall(data)
        except TimeoutError:
            raise WireError(f"the server read nothing for {self.timeout:.0f} s") from None
        except OSError as error:
            raise WireError(f"the connection ended while sending: {error}") from None

    def send_head(self, method: str, url: str, headers: Headers) -> None:
        """A request head; ``Host`` is added."""
        self.send(head(method, url, headers))

    def cut(self) -> None:
        """RST, as when a NAT forgets the connection or the application dies."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def hang_up(self) -> None:
        """An orderly close in the middle of whatever was being sent."""
        self._socket.close()

    def closed_within(self, seconds: float) -> bool:
        """Whether the server ends the connection (with or without an answer) in that time."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                if not self._socket.recv(_PIECE):
                    return True
            except TimeoutError:
                return False
            except OSError:
                return True
        return False

    def answer(self, method: str = "", *, timeout: float | None = None) -> Answer:
        """The next final answer, to a request of ``method``.

        Raises:
            WireError: none came within ``timeout`` seconds (default: the connection's), or it isn't HTTP.
        """
        started = time.monotonic()
        deadline = started + (timeout or self.timeout)
        early: list[Answer] = []
        while True:
            status, headers = self._head(deadline)
            if not 100 <= status < 200:
                break
            early.append(Answer(status, headers))
        seconds = time.monotonic() - started
        found = Answer(status, headers)
        body = b"" if method == "HEAD" or status in _BODILESS else self._body(found, deadline)
        stray = self._buffer or (self._peek() if method == "HEAD" or status in _BODILESS else b"")
        interim = tuple(one.status for one in early)
        return Answer(status, headers, body, interim, seconds, stray, tuple(early))

    def interim(self, *, timeout: float) -> int | None:
        """The next 1xx status if one comes within ``timeout`` seconds; a final answer stays unread."""
        found = self.early(timeout=timeout)
        return None if found is None else found.status

    def early(self, *, timeout: float) -> Answer | None:
        """The next interim answer if one comes within ``timeout`` seconds; a final answer stays unread."""
        try:
            status, headers = self._head(time.monotonic() + timeout, keep_final=True)
        except WireError:
            return None
        return Answer(status, headers) if 100 <= status < 200 else None

    def _peek(self) -> bytes:
        self._socket.settimeout(0.05)
        try:
            return self._socket.recv(_PIECE)
        except OSError:
            return b""

    def _more(self, deadline: float) -> bool:
        """Read something; False: the server closed."""
        left = deadline - time.monotonic()
        try:
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            data = self._socket.recv(_PIECE)
        except TimeoutError:
            raise WireError("no answer in time") from None
        except OSError as error:
            raise WireError(f"the connection ended instead of an answer: {error}") from None
        self._buffer += data
        return bool(data)

    def _head(
        self, deadline: float, *, keep_final: bool = False
    ) -> tuple[int, tuple[tuple[str, str], ...]]:
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > _MAX_HEAD:
                raise WireError("the head of the answer does not end")
            if not self._more(deadline):
                raise WireError("the server closed the connection without an answer")
        text, _, rest = self._buffer.partition(b"\r\n\r\n")
        lines = text.decode("latin-1").split("\r\n")
        words = lines[0].split(" ", 2)
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
            raise WireError(f"not an HTTP answer: {lines[0][:60]!r}")
        status = int(words[1])
        if not (keep_final and status >= 200):
            self._buffer = rest
        pairs = (line.partition(":") for line in lines[1:])
        return status, tuple((name.strip(), value.strip()) for name, _, value in pairs)

    def _body(self, found: Answer, deadline: float) -> bytes:
        if "chunked" in (found.get("transfer-encoding") or "").lower():
            return self._chunked(deadline)
        length = found.number("content-length")
        if length is None:
            while self._more(deadline):
                pass
            body, self._buffer = self._buffer, b""
            return body
        return self._exactly(length, deadline)

    def _exactly(self, length: int, deadline: float) -> bytes:
        pieces, missing = [self._buffer[:length]], length - len(self._buffer)
        self._buffer = self._buffer[length:]
        while missing > 0:
            if not self._more(deadline):
                raise WireError(f"the answer's body ended {missing} bytes early")
            pieces.append(self._buffer[:missing])
            taken = len(pieces[-1])
            self._buffer = self._buffer[taken:]
            missing -= taken
        return b"".join(pieces)

    def _chunked(self, deadline: float) -> bytes:
        pieces = []
        while True:
            while b"\r\n" not in self._buffer:
                if not self._more(deadline):
                    raise WireError("the answer's chunked body ended early")
            line, _, self._buffer = self._buffer.partition(b"\r\n")
            size = int(line.split(b";")[0] or b"0", 16)
            if size:
                pieces.append(self._exactly(size, deadline))
                self._exactly(2, deadline)
                continue
            while b"\r\n" not in self._buffer:
                if not self._more(deadline):
                    break
            self._buffer = self._buffer.partition(b"\r\n")[2]
            return b"".join(pieces)


def head(method: str, url: str, headers: Headers) -> bytes:
    """A request head as bytes; values may be anything but line ends."""
    where = urlsplit(url)
    lines = [f"{method} {_target(where)} HTTP/1.1", f"Host: {where.netloc.rpartition('@')[2]}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("utf-8")


def chunked(pieces: Iterable[bytes], trailers: Headers = ()) -> bytes:
    """A body in the chunked transfer coding."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece)
    return body + b"0\r\n" + b"".join(f"{k}: {v}\r\n".encode() for k, v in trailers) + b"\r\n"


def _target(where: SplitResult) -> str:
    return (where.path or "/") + (f"?{where.query}" if where.query else "")


def _trust(insecure: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
