"""Which dialect reads a request, and which object it points to. First match wins; paths under ``/-/`` never come here.

1. a path under a slot's ``base_path``: the slot's;
2. an AWS signature, an ``X-Amz-*`` parameter or an ``x-amz-*`` header: S3's;
3. everything else: plain HTTP.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from gateway.errors import BadRequest, InvalidUri
from gateway.model import ObjectKey
from gateway.protocol.commands import RequestHead, Target
from gateway.protocol.paths import (
    bucket_of_host,
    check_key,
    decode_path,
    split_path,
    strip_base,
)
from gateway.protocol.query import Query, has_signature, parse_query

#: RFC 3986 host with an optional port: a name or IPv4 address, or an IPv6 address in brackets.
_HOST: Final = re.compile(
    r"(?P<name>[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{0,5})?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class SlotMount:
    """Where a slot section hangs: its name, its ``base_path`` (ends with a slash) and its bucket."""

    name: str
    base_path: str
    bucket: str


def host_of(head: RequestHead) -> str:
    """The name in the only Host header, lower-case, without port and trailing dot.

    Raises:
        BadRequest: none, more than one, or none that is valid (security case 55).
    """
    values = head.index.get(b"host", [])
    if len(values) != 1:
        raise BadRequest("A request has exactly one Host header.")
    return _name_of(values[0])


@lru_cache(maxsize=64)  # a gateway has few names
def _name_of(host: bytes) -> str:
    match = _HOST.fullmatch(host.decode("latin-1"))
    if match is None:
        raise BadRequest("The Host header is not a valid host name.")
    return match["name"].lower().removesuffix(".")


def route(head: RequestHead, slots: Sequence[SlotMount], domains: Sequence[str]) -> Target:
    """Find the dialect and the object of a request.

    ``OPTIONS *`` is plain and points to the service. Of two slots, the one with the longer base path
    counts.

    Raises:
        BadRequest: no valid Host, or a target in absolute form.
        InvalidUri, InvalidBucketName, KeyTooLong: the path names nothing that can exist.
    """
    host = host_of(head)
    if head.raw_path == b"*" and head.method == "OPTIONS":
        return Target("plain", None)
    if not head.raw_path.startswith(b"/"):
        raise BadRequest("The request target must be a path; absolute forms are for proxies.")
    mounted = _slot_of(head, slots)
    if mounted is not None:
        slot, rest = mounted
        return Target("slot", _slot_key(slot, rest), slot.name)
    query = parse_query(head.raw_query)
    # Only an AWS signature makes dot segments literal: a bearer token beside an x-amz header
    # stays under the strict rules.
    signed = has_signature(head, query)
    key = _locate(head.raw_path, host, domains, strict=not signed)
    return Target("s3" if signed or _speaks_s3(head, query) else "plain", key)


def dialect_of(head: RequestHead, slots: Sequence[SlotMount]) -> str:
    """The dialect to answer in, also where :func:`route` refuses the head. Never raises."""
    if _slot_of(head, slots) is not None:
        return "slot"
    try:
        query = parse_query(head.raw_query)
    except InvalidUri:
        query = (("x-amz-", ""),) if b"x-amz-" in head.raw_query.lower() else ()
    return "s3" if _speaks_s3(head, query) else "plain"


def _slot_of(head: RequestHead, slots: Sequence[SlotMount]) -> tuple[SlotMount, bytes] | None:
    """The slot whose base path is the longest that matches, and the raw rest of the path."""
    if not slots:
        return None
    found = [
        (slot, rest)
        for slot in slots
        if (rest := strip_base(head.raw_path, slot.base_path)) is not None
    ]
    return min(found, key=lambda match: len(match[1]), default=None)


def _speaks_s3(head: RequestHead, query: Query) -> bool:
    for name, _ in head.headers:
        if name.startswith(b"x-amz-"):
            return True
    for parameter, _ in query:
        if parameter.lower().startswith("x-amz-"):
            return True
    return has_signature(head, query)


def _slot_key(slot: SlotMount, rest: bytes) -> ObjectKey:
    name = decode_path(rest)
    if not name or name.startswith("/"):
        raise InvalidUri("A slot's URL names a file after its base path.")
    return ObjectKey(slot.bucket, check_key(name, strict=True))


def _locate(
    raw_path: bytes, host: str, domains: Sequence[str], *, strict: bool
) -> ObjectKey | None:
    bucket = bucket_of_host(host, domains)
    if bucket is None:
        return split_path(raw_path, strict=strict)
    return ObjectKey(bucket, check_key(decode_path(raw_path[1:]), strict=strict))
