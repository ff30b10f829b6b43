"""Byte ranges of HTTP (RFC 9110, section 14): the only place that knows their inclusive form.

Policy for several ranges in one header: where exactly one of them is satisfiable, it is answered
as if it had been asked for alone; where several are, the header is ignored and the whole object
sent (200), which section 14.2 allows and every client must expect. ``multipart/byteranges`` saves
nobody a request that matters, and amplifies: ten thousand one-byte ranges cost a header and buy
megabytes of framing (CVE-2025-62727).

A malformed header, another unit, and a header over 1 KiB are ignored too, as Amazon S3 does.
"""

import re
from collections.abc import Sequence
from typing import Final

from gateway.errors import BadRequest, InvalidRange
from gateway.model import ByteRange, From, RangeRequest, Suffix

#: A longer header is ignored before it is parsed.
MAX_HEADER: Final = 1024

_CONTENT_RANGE: Final = re.compile(
    r"bytes[ \t]+(?:([0-9]{1,18})-([0-9]{1,18})|\*)/([0-9]{1,18}|\*)", re.ASCII | re.IGNORECASE
)
_SPEC: Final = re.compile(r"(?:([0-9]+)-([0-9]*)|-([0-9]+))", re.ASCII)


def parse_range(header: str | None) -> tuple[RangeRequest, ...]:
    """Read a Range header into its ranges, in order; empty where it is absent or to be ignored.

    Units are case-insensitive, empty list elements are skipped (RFC 9110, sections 14.1 and 5.6.1).
    """
    if header is None or len(header) > MAX_HEADER or header[:6].lower() != "bytes=":
        return ()
    requests: list[RangeRequest] = []
    for element in header[6:].split(","):
        spec = element.strip(" \t")
        if not spec:
            continue
        request = _parse_spec(spec)
        if request is None:
            return ()
        requests.append(request)
    return tuple(requests)


def _parse_spec(spec: str) -> RangeRequest | None:
    match = _SPEC.fullmatch(spec)
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        return Suffix(int(suffix))
    start = int(first)
    if not last:
        return From(start)
    return From(start, int(last) + 1) if int(last) >= start else None


def resolve_one(request: RangeRequest, size: int) -> ByteRange | None:
    """The bytes that ``request`` means in an object of ``size`` bytes, clamped to its end; None where there are none.

    An empty object has no range at all: Content-Range could not express one.
    """
    if isinstance(request, Suffix):
        start, stop = max(0, size - request.size), size
    else:
        start, stop = request.start, size if request.stop is None else min(request.stop, size)
    return ByteRange(start, stop) if start < stop else None


def resolve(requests: Sequence[RangeRequest], size: int) -> ByteRange | None:
    """The one range to answer with, or None for the whole object. See the policy above.

    Raises:
        InvalidRange: ranges were asked for, and no byte of the object lies in any.
    """
    if not requests:
        return None
    found = [part for request in requests if (part := resolve_one(request, size)) is not None]
    if not found:
        raise InvalidRange(f"No byte of the object ({size} bytes) lies in the range.", size=size)
    return found[0] if len(found) == 1 else None


def format_range(request: RangeRequest) -> str:
    """Write a Range header for one range: ``bytes=0-499``, ``bytes=500-``, ``bytes=-500``."""
    if isinstance(request, Suffix):
        return f"bytes=-{request.size}"
    return f"bytes={request.start}-" + ("" if request.stop is None else str(request.stop - 1))


def content_range(range: ByteRange, size: int) -> str:
    """Write a Content-Range header: ``bytes 0-499/1234``."""
    return f"bytes {range.start}-{range.stop - 1}/{size}"


def parse_content_range(text: str) -> tuple[ByteRange | None, int | None]:
    """Read a Content-Range of a request: the bytes that follow (None: ``*``, nothing does, a question) and the whole's
    length (None: ``*``).

    Raises:
        BadRequest: another form or unit, or a range that ends before it begins or beyond the length.
    """
    match = _CONTENT_RANGE.fullmatch(text)
    if match is None:
        raise BadRequest("Content-Range has the form bytes FIRST-LAST/LENGTH, or bytes */LENGTH.")
    first, last, whole = match.groups()
    total = None if whole == "*" else int(whole)
    if first is None:
        return None, total
    start, stop = int(first), int(last) + 1
    if start >= stop or (total is not None and stop > total):
        raise BadRequest("Content-Range ends before it begins, or beyond the length it tells.")
    return ByteRange(start, stop), total


def unsatisfied_range(size: int) -> str:
    """Write the Content-Range of a 416 answer: ``bytes */1234``."""
    return f"bytes */{size}"
