"""Heads of answers as most are: a success, each header once, all of it in printable ASCII.

Read by one pattern that covers every line, at half of llhttp's price. It is stricter than llhttp, and understands
nothing that changes the framing but Content-Length; what is any different in any way is left to
:mod:`gateway.storage.s3.wire_answer`.
"""

import re
from typing import Final

_STATUS: Final = {"HTTP/1.1 200 OK": 200, "HTTP/1.1 206 Partial Content": 206}
#: A line, from the end of the one before up to its own: so no byte between two of them is overlooked.
_LINES: Final = re.compile(r"\n([A-Za-z0-9_-]+): ([!-~](?:[ -~]*[!-~])?)(?=\r\n)").findall
_FRAMING: Final = frozenset({"transfer-encoding", "connection", "upgrade", "trailer"})
#: Digits of a length that llhttp surely takes too.
_DIGITS: Final = 18


class _Names(dict[str, str]):
    """Names in lower case, by what was sent: stores send the same few with every answer."""

    def __missing__(self, name: str) -> str:
        if len(self) >= _MOST_NAMES:
            self.clear()
        self[name] = lower = name.lower()
        return lower


_NAMES: Final = _Names()
_MOST_NAMES: Final = 256


def read_plain(head: bytes) -> tuple[int, dict[str, str], int] | None:
    """Status, headers (lower-case names) and Content-Length of a whole ``head``; None: read it otherwise."""
    try:
        text = head.decode("ascii")
    except UnicodeDecodeError:
        return None
    status = _STATUS.get(text[: text.find("\r\n")])
    if status is None:
        return None
    pairs = _LINES(text)
    headers = {_NAMES[name]: value for name, value in pairs}
    # Beside the headers there are the status line and an empty one.
    if len(headers) != len(pairs) or len(pairs) != text.count("\n") - 2:
        return None
    digits = headers.get("content-length", "")
    if not digits.isdecimal() or len(digits) > _DIGITS or not _FRAMING.isdisjoint(headers):
        return None
    return status, headers, int(digits)
