"""Request heads: where one ends, what it says, and what is refused before anybody else sees it.

httptools reads the syntax, strictly; this module adds the limits it lacks (it passes a header of
1 MB) and the rules of RFC 9112 that a gateway must not leave to chance. Each head gets a parser of
its own and nothing but its own bytes, so no state leaks from one request to the next.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import httptools

from gateway.errors import (
    BadRequest,
    GatewayError,
    HeadTooLarge,
    InvalidUri,
    MethodNotAllowed,
    UriTooLong,
)
from gateway.protocol.commands import RequestHead
from gateway.protocol.shapes import Section
from gateway.server.rules import Rules

END: Final = b"\r\n\r\n"
#: What stands in a request line besides the target: method, two spaces, version.
LINE_ROOM: Final = 64
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_HOST = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]+(?:%25[0-9A-Za-z._~-]+)?\]|(?:[0-9A-Za-z._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?\Z"
)
_METHOD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}(?= )")
_TARGET = re.compile(rb"[\x21\x22\x24-\x7e]*\Z")
#: No body is longer, and Python's int() refuses more than 4,300 digits with an error of its own.
_LENGTH = re.compile(rb"[0-9]{1,19}")
#: A CR or LF that is not half of a CR LF.
_STRAY = re.compile(rb"(?<!\r)\n|\r(?=[^\n])")
_EMPTY_LINES = re.compile(rb"(?:\r\n)*")


@dataclass(slots=True)
class Head:
    """A request head as read. ``length`` is None when there is no Content-Length.

    ``path`` and ``query`` are the target's halves, raw; ``headers`` have lower-case names and
    stripped values, in order. ``section`` is there where the header lines were seen before.
    """

    method: str = ""
    target: bytes = b""
    path: bytes = b""
    query: bytes = b""
    version: str = "1.1"
    headers: Sequence[tuple[bytes, bytes]] = ()
    keep_alive: bool = False
    length: int | None = None
    chunked: bool = False
    expects_continue: bool = False
    section: Section | None = None

    def as_request(self, scheme: str, peer: str | None) -> RequestHead:
        """The same head for the dialects."""
        common = None
        if self.section is not None:
            common = self.section.common(self.method, self.query, self.length)
        return RequestHead(
            self.method,
            self.path,
            self.query,
            self.headers,
            scheme=scheme,
            peer=peer,
            common=common,
        )


class _Reader:
    """Collects what httptools reports of one head."""

    __slots__ = ("begun", "complete", "excess", "headers", "target")

    def __init__(self) -> None:
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.begun = 0
        self.complete = 0
        self.excess = False

    def on_message_begin(self) -> None:
        self.begun += 1

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.complete += 1

    def on_body(self, body: bytes) -> None:
        self.excess = True


def skip_empty_lines(pending: bytearray) -> None:
    """Take off those before a request line (RFC 9112, 2.2), all at once: a flood of them must cost its sender more."""
    empty = _EMPTY_LINES.match(pending)
    assert empty is not None
    del pending[: empty.end()]


def find_end(pending: bytearray, scanned: int, rules: Rules) -> int:
    """Where the first head in ``pending`` ends (the index after it), or 0 when it is not all there.

    ``scanned`` bytes were looked at before. Lines end in CR LF and nothing else (RFC 9112, 2.2 lets
    a server refuse the rest): a head that uses a lone LF would seem never to end, and a lone CR is
    where two parsers disagree.

    Raises:
        BadRequest: a line of it ends in LF or CR alone.
        UriTooLong: the request line is over its limit.
        HeadTooLarge: the header section is.
    """
    at = pending.find(END, max(0, scanned - 3))
    size = at + 2 if at >= 0 else len(pending)
    if size > rules.max_header:
        line = pending.find(b"\r\n", 0, rules.max_header + LINE_ROOM)
        if line < 0 and size > rules.max_header + LINE_ROOM:
            raise UriTooLong(f"The request line is over {rules.max_header} bytes.")
        if line >= 0 and size - line - 2 > rules.max_head:
            raise HeadTooLarge(f"The header section is over {rules.max_head} bytes.")
    if at >= 0:
        return at + len(END)
    if _STRAY.search(pending, max(0, scanned - 1)) is not None:
        raise BadRequest("The request head has a line that does not end in CR LF.")
    return 0


def parse_head(data: bytes) -> Head:
    """Read one complete head.

    Raises:
        BadRequest: it is not HTTP/1.0 or 1.1, or its framing is ambiguous.
        MethodNotAllowed: a method that httptools does not know.
        InvalidUri: the target holds a byte that no URI may.
    """
    reader = _Reader()
    parser = httptools.HttpRequestParser(reader)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass  # We upgrade to nothing; the request is answered as if it had not asked (RFC 9110, 7.8).
    except httptools.HttpParserError as error:
        raise _syntax_error(data) from error
    if reader.begun != 1 or reader.complete != 1 or reader.excess:
        raise BadRequest("The request head is malformed.")
    head = Head(
        method=parser.get_method().decode("ascii"),
        target=reader.target,
        version=parser.get_http_version(),
        headers=reader.headers,
    )
    if not data.startswith(b" " + head.target + b" HTTP/", len(head.method)):
        raise BadRequest("The request line is not a method, a target and a version.")
    head.path, _, head.query = head.target.partition(b"?")
    head.keep_alive = head.version == "1.1"
    _read_framing(head)
    return head


def guard_head(head: Head, rules: Rules) -> None:
    """Refuse what is well-formed and still not acceptable.

    Raises:
        GatewayError: 400, 405, 414 or 431; the request must not be carried out.
    """
    if head.method not in METHODS:
        raise MethodNotAllowed(f"There is no {head.method} here.", allow=METHODS)
    if len(head.target) > rules.max_header:
        raise UriTooLong(f"The request target is over {rules.max_header} bytes.")
    if head.version not in ("1.0", "1.1"):
        raise BadRequest("Only HTTP/1.0 and HTTP/1.1 are spoken here.")
    _guard_target(head)
    host = None
    for name, value in head.headers:
        if len(name) + len(value) > rules.max_header:
            raise HeadTooLarge(f"A header is over {rules.max_header} bytes.")
        if name == b"host":
            host = value if host is None else b""
    if not host or _HOST.match(host) is None:
        raise BadRequest("Exactly one Host header with a host name is needed.")
    if head.chunked and head.version == "1.0":
        raise BadRequest("HTTP/1.0 has no chunked bodies.")


def _guard_target(head: Head) -> None:
    if _TARGET.match(head.target) is None:
        raise InvalidUri("The request target holds a byte that must be percent-encoded.")
    if not head.path.startswith(b"/") and not (head.target == b"*" and head.method == "OPTIONS"):
        raise BadRequest("The request target must be a path: no proxy is offered here.")


def _read_framing(head: Head) -> None:
    codings: list[bytes] = []
    lengths: list[bytes] = []
    for name, value in head.headers:
        if name == b"transfer-encoding":
            codings.append(value.lower())
        elif name == b"content-length":
            lengths.append(value)
        elif name == b"connection" and b"close" in value.lower():
            head.keep_alive = False
        elif name == b"expect" and head.version == "1.1":
            head.expects_continue = value.lower() == b"100-continue"
    if codings and (lengths or codings != [b"chunked"]):
        raise BadRequest("The body must be sent with Content-Length, or chunked and nothing else.")
    if len(lengths) > 1 or (lengths and _LENGTH.fullmatch(lengths[0]) is None):
        raise BadRequest("Content-Length is not one number of at most 19 digits.")
    head.chunked = bool(codings)
    head.length = int(lengths[0]) if lengths else None
    if not head.chunked and not head.length:
        head.expects_continue = False


def _syntax_error(data: bytes) -> GatewayError:
    """What to call a head that httptools refuses."""
    method = _METHOD.match(data)
    if method is not None and method[0].decode("ascii") not in METHODS:
        return MethodNotAllowed("There is no such method here.", allow=METHODS)
    parts = data.split(b"\r\n", 1)[0].split(b" ")
    if len(parts) == 3 and _TARGET.match(parts[1]) is None:
        return InvalidUri("The request target holds a byte that must be percent-encoded.")
    return BadRequest("The request head is malformed.")
