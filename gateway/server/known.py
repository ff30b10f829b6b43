"""Heads of which the header lines came before, as those of most requests did: read once, and looked up from then on.

Looked up are the exact bytes of all lines, without what is a request's own in them
(:class:`~gateway.protocol.shapes.Own`). What is found was read by llhttp and passed every guard; what is read here is
the request line and the own pieces, by rules that are no laxer. Anything else goes the whole way of
:mod:`gateway.server.head`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from gateway.protocol.shapes import NOWHERE, Layouts, Own, Section, Shapes, section_of
from gateway.server.head import METHODS, Head
from gateway.server.rules import Rules
from gateway.units import KiB

#: Sections remembered, and the longest one that is, in bytes and in lines: a line costs more memory than its bytes.
_MOST: Final = 512
_LONGEST: Final = 2 * KiB
_MOST_LINES: Final = 40

_VERSION: Final = b" HTTP/1.1\r\n"
#: All bytes that a target may hold; no space is among them.
_IN_TARGETS: Final = bytes(value for value in range(0x21, 0x7F) if value != 0x23)
_METHODS: Final = {method.encode(): method for method in METHODS}
_AUTHORIZATION: Final = b"authorization"
#: Header lines with something of a request's own: what that is in :class:`Own`, and how the value reads. All pieces but
#: the length have one size, so that what is left of lines tells where they stand.
_OWN: Final = {
    b"content-length": ("length", re.compile(rb"([0-9]{1,19})")),
    b"x-amz-date": ("date", re.compile(rb"([0-9A-Z]{16})")),
    b"x-amz-content-sha256": ("payload", re.compile(rb"([0-9a-f]{64})")),
    _AUTHORIZATION: ("signature", re.compile(rb"(AWS4-HMAC-SHA256 .*Signature=)([0-9a-f]{64})")),
    b"amz-sdk-invocation-id": ("call", re.compile(rb"([0-9a-f-]{36})")),
}
#: What lines that are signed must have.
_SIGNED: Final = frozenset({_AUTHORIZATION, b"x-amz-date"})
_KINDS: Final = {kind: at for at, kind in enumerate(Own._fields)}


@dataclass(slots=True)
class _Piece:
    """Of header ``line``, counted from 0, what is a request's own: the field ``kind`` of :class:`Own`, and what of the
    value stands ``before`` it. In all lines it is at ``place``."""

    line: int
    name: bytes
    before: bytes
    kind: int
    place: slice


@dataclass(slots=True)
class _Known:
    """``headers`` are those of the first request."""

    section: Section
    headers: tuple[tuple[bytes, bytes], ...]
    pieces: Sequence[_Piece]
    signed: bool
    keep_alive: bool
    chunked: bool
    expects: bool


class KnownHeads:
    """What one process has seen."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._sections: dict[Any, _Known] = {}
        self._layouts = Layouts()
        self._shapes = Shapes()

    def recall(self, data: bytes) -> Head | None:
        """A whole head, if its lines are known."""
        line = _cut(data)
        if line is None:
            return None
        lines = line[2]
        for layout in self._layouts.of(len(lines)):
            known = self._sections.get(layout.rest(lines))
            if known is not None:
                return self._filled_in(known, line[0], line[1], layout.own(lines))
        return None

    def _filled_in(
        self, known: _Known, method: str, target: bytes, own: tuple[bytes, ...]
    ) -> Head | None:
        """A head with what is its own; None where that does not read as it does in other requests."""
        if len(target) > self._rules.max_header:
            return None
        headers: Sequence[tuple[bytes, bytes]] = known.headers
        length = None
        if known.pieces:
            if known.signed and not b"".join(own).replace(b"-", b"").isalnum():
                return None
            headers = list(headers)
            for piece in known.pieces:
                headers[piece.line] = piece.name, piece.before + own[piece.kind]
            if own[0]:
                # With zeros before it, the length that is signed is not what the number reads.
                if not own[0].isdigit() or (own[0][:1] == b"0" and own[0] != b"0"):
                    return None
                length = int(own[0])
        path, _, query = target.partition(b"?")
        return Head(
            method,
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
            Own._make(own) if known.signed else None,
        )

    def learn(self, data: bytes, head: Head) -> None:
        """Remember the lines of a head that was read and guarded."""
        line = _cut(data)
        if line is None:
            return
        lines, headers = line[2], tuple(head.headers)
        if len(lines) > _LONGEST or len(headers) > _MOST_LINES:
            return
        signed = any(name == _AUTHORIZATION and value[:5] == b"AWS4-" for name, value in headers)
        section = section_of(frozenset(map(itemgetter(0), headers)), self._shapes, signed=signed)
        pieces = None if section is None else _pieces(lines, headers, signed=signed)
        if section is None or pieces is None:
            return
        places = [NOWHERE] * len(Own._fields)
        for piece in pieces:
            places[piece.kind] = piece.place
        rest = self._layouts.learn(len(lines), places).rest(lines)
        if (
            rest in self._sections
        ):  # it was the length alone that has more or fewer digits than before
            return
        if len(self._sections) >= _MOST:
            self._sections.clear()
        expects = [value.lower() == b"100-continue" for name, value in headers if name == b"expect"]
        self._sections[rest] = _Known(
            section,
            headers,
            pieces,
            signed,
            head.keep_alive,
            head.chunked,
            bool(expects and expects[-1]),
        )


def _cut(data: bytes) -> tuple[str, bytes, bytes] | None:
    """A head's method, its target, a path, and its header lines; None where they are not quite usual."""
    end = data.find(_VERSION)
    name, _, target = data[: max(0, end)].partition(b" ")
    method = _METHODS.get(name)
    if method is None or target[:1] != b"/" or target.translate(None, _IN_TARGETS):
        return None
    return method, target, data[end + len(_VERSION) :]


def _pieces(
    lines: bytes, headers: Sequence[tuple[bytes, bytes]], *, signed: bool
) -> Sequence[_Piece] | None:
    """What is a request's own in the lines of these headers, which are ``signed`` or not; None where that cannot be
    told for certain."""
    found: dict[bytes, _Piece] = {}
    begin = 0
    for number, line in enumerate(lines.removesuffix(b"\r\n\r\n").split(b"\r\n")):
        raw_name, _, raw_value = line.partition(b":")
        name, value = raw_name.lower(), raw_value.strip(b" \t")
        if headers[number : number + 1] != ((name, value),):
            return None
        kind, form = _OWN.get(name, ("", None))
        match = None if form is None else form.fullmatch(value)
        if match is not None:
            if name in found:
                return None
            at = begin + line.index(value, len(raw_name))
            start, stop = match.span(match.lastindex or 0)
            place = slice(at + start, at + stop)
            found[name] = _Piece(number, name, value[:start], _KINDS[kind], place)
        begin += len(line) + 2
    if not signed:
        return tuple(piece for name, piece in found.items() if name == b"content-length")
    return tuple(found.values()) if found.keys() >= _SIGNED else None
