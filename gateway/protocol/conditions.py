"""Conditional requests (RFC 9110, section 13): parsed, and judged in the order of section 13.2.2.

A condition that cannot be read is refused (400), never ignored: an ``If-Match`` that goes unheard
loses somebody's update. Dates are the exception, the RFC says so. A bare word counts as a strong
entity tag: S3 clients send ETags without quotes.
"""

import re
from datetime import datetime
from typing import Final, Literal

from gateway.errors import InvalidArgument, PreconditionFailed
from gateway.model import ObjectInfo, WriteCondition
from gateway.protocol.commands import Preconditions, RequestHead
from gateway.protocol.dates import parse_date

#: An entity tag, or a bare word where quotes were forgotten.
_TAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"|[A-Za-z0-9_.:+/=-]+')


def parse_entity_tags(text: str) -> tuple[str, ...]:
    """Read ``*`` or a list of entity tags; each keeps its ``W/`` and quotes, bare words get quotes.

    Raises:
        ValueError: it is neither.
    """
    if text.strip(" \t") == "*":
        return ("*",)
    tags: list[str] = []
    position, separated = 0, True
    while position < len(text):
        if text[position] in " \t":
            position += 1
        elif text[position] == ",":
            position, separated = position + 1, True
        elif separated and (match := _TAG.match(text, position)):
            tags.append(match[0] if match[0].endswith('"') else f'"{match[0]}"')
            position, separated = match.end(), False
        else:
            raise ValueError("not a list of entity tags")
    if not tags:
        raise ValueError("no entity tag")
    return tuple(tags)


_HEADERS: Final = frozenset(
    {b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"}
)
_NONE: Final = Preconditions()


def read_conditions(head: RequestHead) -> Preconditions:
    """The preconditions of a request.

    Raises:
        InvalidArgument: a list of entity tags that cannot be read.
        BadRequest: a date header that occurs twice.
    """
    if _HEADERS.isdisjoint(head.index):
        return _NONE
    return Preconditions(
        if_match=_read_tags(head, b"if-match"),
        if_none_match=_read_tags(head, b"if-none-match"),
        if_modified_since=parse_date(head.get(b"if-modified-since")),
        if_unmodified_since=parse_date(head.get(b"if-unmodified-since")),
    )


def _read_tags(head: RequestHead, name: bytes) -> tuple[str, ...]:
    text = head.joined(name)
    if text is None:
        return ()
    try:
        return parse_entity_tags(text)
    except ValueError:
        raise InvalidArgument(
            f'{name.decode()} takes * or entity tags in double quotes: "abc", "def".'
        ) from None


def _strong(tags: tuple[str, ...], etag: str) -> bool:
    """Strong comparison (section 8.8.3.2): a weak tag equals nothing. Our tags are always strong."""
    return "*" in tags or f'"{etag}"' in tags


def _weak(tags: tuple[str, ...], etag: str) -> bool:
    """Weak comparison: equal but for the ``W/``."""
    return "*" in tags or any(tag.removeprefix("W/") == f'"{etag}"' for tag in tags)


def _whole_second(date: datetime) -> datetime:
    """Last-Modified has whole seconds; a store's clock may have more."""
    return date.replace(microsecond=0)


def evaluate_read(
    conditions: Preconditions, info: ObjectInfo
) -> Literal["ok", "not-modified", "failed"]:
    """Judge GET or HEAD: go on, answer 304, or answer 412."""
    modified = _whole_second(info.modified)
    if conditions.if_match:
        if not _strong(conditions.if_match, info.etag):
            return "failed"
    elif conditions.if_unmodified_since and modified > conditions.if_unmodified_since:
        return "failed"
    if conditions.if_none_match:
        if _weak(conditions.if_none_match, info.etag):
            return "not-modified"
    elif conditions.if_modified_since and modified <= conditions.if_modified_since:
        return "not-modified"
    return "ok"


def if_range(value: str | None, info: ObjectInfo) -> bool:
    """Whether Range counts: no If-Range, or one that strongly equals the ETag, or exactly the date (section 13.1.5)."""
    if value is None:
        return True
    if value.endswith('"'):
        return value == f'"{info.etag}"'
    return parse_date(value) == _whole_second(info.modified)


def write_condition(conditions: Preconditions) -> WriteCondition | None:
    """The condition that a store can judge alone, atomically with the write.

    None: the object as it is must be looked at first, see :func:`pin_write`. If-Modified-Since means
    nothing for a write.
    """
    match, none_match = conditions.if_match, conditions.if_none_match
    if not match and not none_match and conditions.if_unmodified_since is None:
        return WriteCondition()
    if none_match == ("*",) and not match and conditions.if_unmodified_since is None:
        return WriteCondition(absent=True)
    if len(match) == 1 and match[0].startswith('"') and not none_match:
        return WriteCondition(etag=match[0][1:-1])
    return None


def pin_write(conditions: Preconditions, info: ObjectInfo | None) -> WriteCondition:
    """Judge a write or delete against the object as it is (None: there is none), and pin it to just that state.

    What comes back goes to the store, so that a change in between makes the write fail instead of
    slipping through.

    Raises:
        PreconditionFailed: a condition does not hold.
    """
    if info is None:
        if conditions.if_match:
            raise PreconditionFailed("If-Match does not hold: there is no such object.")
        return WriteCondition(absent=True)
    if conditions.if_match:
        if not _strong(conditions.if_match, info.etag):
            raise PreconditionFailed("If-Match does not hold: the object has another ETag.")
    elif (limit := conditions.if_unmodified_since) and _whole_second(info.modified) > limit:
        raise PreconditionFailed("If-Unmodified-Since does not hold: it was modified later.")
    if conditions.if_none_match and _weak(conditions.if_none_match, info.etag):
        raise PreconditionFailed("If-None-Match does not hold: the object exists.")
    return WriteCondition(etag=info.etag)
