"""Structured Fields (RFC 9651) as far as resumable uploads need them: Integers, Booleans, a Dictionary of Integers.

The grammar is http_sf's. Here stands what the uploads draft asks of a reader: a value of another type
makes the whole field void, as if it had not been sent; several lines do not parse as one Item;
parameters mean nothing.
"""

from collections.abc import Mapping
from typing import Final

import http_sf

from gateway.protocol.commands import RequestHead

#: Largest Integer that the format can express (section 3.3.1).
MAX_INTEGER: Final = 999_999_999_999_999


def read_item(head: RequestHead, name: bytes) -> object:
    """The bare value of an Item field; None where it is absent or no Item."""
    values = head.index.get(name)
    if values is None:
        return None
    try:
        parsed = http_sf.parse(b", ".join(values), tltype="item")
    except ValueError:
        return None
    assert isinstance(parsed, tuple)
    value: object = parsed[0]
    return value


def read_size(head: RequestHead, name: bytes) -> int | None:
    """A non-negative Integer; None where it is absent or anything else (and so to be ignored)."""
    value = read_item(head, name)
    return value if type(value) is int and value >= 0 else None


def read_boolean(head: RequestHead, name: bytes) -> bool | None:
    """A Boolean; None where it is absent or anything else (and so to be ignored)."""
    value = read_item(head, name)
    return value if isinstance(value, bool) else None


def write_boolean(value: bool) -> bytes:
    """``?1`` or ``?0``."""
    return b"?1" if value else b"?0"


def write_sizes(sizes: Mapping[str, int]) -> bytes:
    """A Dictionary of Integers: ``max-size=5, min-size=0``. What the format cannot express is cut to its limits."""
    members = ((name, min(max(0, size), MAX_INTEGER)) for name, size in sizes.items())
    return ", ".join(f"{name}={size}" for name, size in members).encode("ascii")
