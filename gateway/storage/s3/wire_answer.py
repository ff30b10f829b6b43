"""Answers: heads parsed by httptools (llhttp, strict), and S3's error documents.

Where a head ends is found here, and only whole heads are fed to the parser: so the body behind it can go
straight from the socket into its reader's memory. Bodies in the chunked coding are the exception, they
pass through the parser.
"""

import re
from collections import deque
from dataclasses import dataclass, field
from functools import lru_cache
from html import unescape
from typing import Final

import httptools

from gateway.storage.s3.wire_plain import read_plain
from gateway.units import KiB

#: Largest head of an answer; S3's have under 8 KiB, metadata included.
MAX_HEAD: Final = 64 * KiB

#: Bytes of chunk sizes, extensions and trailers in a row (a head passes here too). A byte of body excuses eight.
MAX_FRAMING: Final = 128 * KiB

#: Most of an error document that is read.
MAX_ERROR: Final = 64 * KiB


class Garbled(ConnectionError):
    """What came is no HTTP/1.1 answer."""


class Parser:
    """One answer. ``ended`` and ``decoded`` speak of a chunked body."""

    def __init__(self, *, repeats: bool = False) -> None:
        """``repeats``: join the values of headers that come more than once; else they are told by
        :meth:`parse`, which then begins anew with such a parser."""
        self.headers: dict[str, str] = {}
        self.ended = False
        self.decoded: deque[bytes] = deque()
        self._raw: dict[bytes, bytes] = {}
        self._repeats = repeats
        self._framing = 0
        #: Called by httptools for each header. Of most answers this is all that is done with one.
        self.on_header = self._join if repeats else self._raw.__setitem__
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    def parse(self, head: bytes | bytearray, method: str) -> "Answer":
        """Read a whole head.

        Raises:
            Garbled: it is none.
        """
        self.feed(head)
        assert self._parser is not None
        if not self._repeats and not self._read(head):
            self._parser = None
            return Parser(repeats=True).parse(head, method)
        status = int(self._parser.get_status_code())
        headers = self.headers
        if method == "HEAD" or status in (204, 304) or status < 200:
            length: int | None = 0
        elif "transfer-encoding" in headers:
            length = None
            if headers["transfer-encoding"].lower() != "chunked":
                raise Garbled("The answer has a transfer coding that was not asked for.")
        else:
            length = int(headers["content-length"]) if "content-length" in headers else None
        chunked = length is None and "transfer-encoding" in headers
        keep_alive = (chunked or length is not None) and (
            "close" not in headers["connection"].lower()
            if "connection" in headers
            else self._parser.get_http_version() == "1.1"
        )
        if not chunked:
            # It holds our methods, and so us: left alone, only the garbage collector would find the two.
            self._parser = None
        return Answer(status, headers, length, self if chunked else None, keep_alive)

    def _read(self, head: bytes | bytearray) -> bool:
        """Read the headers that came, each once and in UTF-8; answer whether that is what they are like."""
        raw = self._raw
        try:
            self.headers = dict(zip(map(_name, raw), map(bytes.decode, raw.values()), strict=True))
        except UnicodeDecodeError:
            return False
        # Beside the headers there are the status line and an empty one.
        return len(self.headers) == len(raw) == head.count(b"\n") - 2

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Read on.

        Raises:
            Garbled: that is no HTTP, or framing without end.
        """
        self._framing += len(data)
        assert self._parser is not None, "the whole head was read, and there are no chunks"
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise Garbled(f"The answer is no HTTP: {error}") from error
        if self._framing > MAX_FRAMING:
            raise Garbled("The store sends chunk framing or trailers without end.")

    # --- called by httptools

    def _join(self, name: bytes, value: bytes) -> None:
        """One header; repeats are joined (llhttp has refused a second Content-Length). Values are UTF-8 as stores
        send it, where they are that; else each byte is a character."""
        key = _name(name)
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = value.decode("latin-1")
        if key not in self.headers:
            self.headers[key] = text
        else:
            self.headers[key] += f", {text}"

    def on_body(self, data: bytes) -> None:
        """Decoded bytes of a chunked body."""
        self.decoded.append(data)
        self._framing = max(0, self._framing - 8 * len(data))

    def on_message_complete(self) -> None:
        """The last chunk and the trailers were read."""
        self.ended = True


@dataclass(slots=True)
class Answer:
    """A final or interim answer's head. ``headers``: lower-case names. ``length``: bytes of body; None: in chunks,
    then ``chunks`` decodes them, or until the connection ends."""

    status: int
    headers: dict[str, str]
    length: int | None
    chunks: Parser | None
    keep_alive: bool


def read_head(head: bytes, method: str) -> Answer:
    """Read a whole head.

    Raises:
        Garbled: it is none.
    """
    plain = read_plain(head)
    if plain is None:
        return Parser().parse(head, method)
    status, headers, length = plain
    return Answer(status, headers, 0 if method == "HEAD" else length, None, keep_alive=True)


def find_end(data: bytearray, start: int) -> int:
    """Where the head that begins ``data`` ends; 0: not there yet. ``start``: how much was searched before.

    Raises:
        Garbled: it is too long, or no head.
    """
    at = data.find(b"\r\n\r\n", max(0, start - 3))
    if at >= 0:
        return at + 4
    if len(data) > MAX_HEAD or not b"HTTP/1.".startswith(data[:7]):
        raise Garbled("What the store sends is no HTTP/1.1.")
    return 0


@lru_cache(maxsize=256)  # stores send the same few with every answer
def _name(raw: bytes) -> str:
    return raw.lower().decode("latin-1")


@dataclass(frozen=True, slots=True)
class ErrorDocument:
    """An error answer's XML (AmazonS3/latest/API/ErrorResponses.html), as far as it matters."""

    code: str = ""
    message: str = ""
    fields: dict[str, str] = field(default_factory=dict)


_ELEMENT: Final = re.compile(r"<(\w{1,40})>([^<]{0,2000})</\1>")


def read_error(body: bytes) -> ErrorDocument:
    """Read an error document; what is no such document gives an empty one.

    By pattern: an S3 error is flat, and an XML parser would only add what can go wrong with it.
    """
    text = body.decode("utf-8", "replace")
    if "<Error" not in text:
        return ErrorDocument()
    fields = {name: unescape(value) for name, value in _ELEMENT.findall(text)}
    return ErrorDocument(fields.get("Code", ""), fields.get("Message", ""), fields)
