"""Heads of which the header lines came before, as those of most requests did: read once, and looked up from then on.

Looked up are the exact bytes of all lines, without the digits of Content-Length. What is found was read by llhttp
and passed every guard; what is read here is the request line and those digits, by rules that are no laxer. Anything
else goes the whole way of :mod:`gateway.server.head`.
"""

import re
from dataclasses import dataclass
from typing import Final

from gateway.protocol.shapes import Section, Shapes, section_of
from gateway.server.head import METHODS, Head
from gateway.server.rules import Rules
from gateway.units import KiB

#: Sections remembered, and the longest one that is, in bytes and in lines: a line costs more memory than its bytes.
_MOST: Final = 512
_LONGEST: Final = 2 * KiB
_MOST_LINES: Final = 40

_LINE: Final = re.compile(
    b"(" + b"|".join(method.encode() for method in METHODS) + b") "
    rb"((/[\x21\x22\x24-\x3e\x40-\x7e]*)(?:\?([\x21\x22\x24-\x7e]*))?) HTTP/1\.1\r\n"
).match
_METHODS: Final = {method.encode(): method for method in METHODS}
_LENGTH: Final = b"\r\ncontent-length: "
#: As in :mod:`gateway.server.head`.
_DIGITS: Final = 19


@dataclass(slots=True)
class _Known:
    """``headers`` and ``rest`` are those before and after Content-Length."""

    section: Section
    headers: tuple[tuple[bytes, bytes], ...]
    rest: tuple[tuple[bytes, bytes], ...]
    keep_alive: bool
    chunked: bool
    expects: bool


class KnownHeads:
    """What one process has seen."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._sections: dict[bytes, _Known] = {}
        self._shapes: Shapes = {}

    def recall(self, data: bytes) -> Head | None:
        """A whole head, if its lines are known."""
        line = _LINE(data)
        cut = None if line is None else _cut(data, line.end() - 2)
        known = None if cut is None else self._sections.get(cut[0])
        if line is None or cut is None or known is None:
            return None
        method, target, path, query = line.groups(b"")
        if len(target) > self._rules.max_header:
            return None
        digits, headers, length = cut[1], known.headers, None
        if digits is not None:
            length = int(digits)
            headers = (*headers, (b"content-length", digits), *known.rest)
        return Head(
            _METHODS[method],
            target,
            path,
            query,
            "1.1",
            headers,
            known.keep_alive,
            length,
            known.chunked,
            known.expects and bool(known.chunked or length),
            known.section,
        )

    def learn(self, data: bytes, head: Head) -> None:
        """Remember the lines of a head that was read and guarded."""
        line = _LINE(data)
        cut = None if line is None else _cut(data, line.end() - 2)
        if cut is None or len(cut[0]) > _LONGEST or len(head.headers) > _MOST_LINES:
            return
        names = [name for name, _ in head.headers]
        section = section_of(frozenset(names), self._shapes)
        at = len(names) if cut[1] is None else names.index(b"content-length")
        if section is None or (cut[1] is None and b"content-length" in names):
            return
        if len(self._sections) >= _MOST:
            self._sections.clear()
        headers = tuple(head.headers)
        expects = next(
            (
                value.lower() == b"100-continue"
                for name, value in reversed(headers)
                if name == b"expect"
            ),
            False,
        )
        self._sections[cut[0]] = _Known(
            section, headers[:at], headers[at + 1 :], head.keep_alive, head.chunked, expects
        )


def _cut(data: bytes, start: int) -> tuple[bytes, bytes | None] | None:
    """The lines from ``start`` on, which is before the CR LF that the first of them follows, without the digits of
    Content-Length; and those digits, None where there are none. None where they cannot be told for certain."""
    lines = data[start:]
    at = lines.lower().find(_LENGTH)
    if at < 0:
        return lines, None
    begin = at + len(_LENGTH)
    end = lines.find(b"\r\n", begin)
    digits = lines[begin:end]
    if not digits.isdigit() or len(digits) > _DIGITS:
        return None
    return lines[:begin] + lines[end:], digits
