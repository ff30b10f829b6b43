"""The name in a request's Host header."""

import re
from functools import lru_cache
from typing import Final

from gateway.errors import BadRequest
from gateway.protocol.commands import RequestHead

#: RFC 3986 host with an optional port: a name or IPv4 address, or an IPv6 address in brackets.
_HOST: Final = re.compile(
    r"(?P<name>[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{0,5})?",
    re.ASCII,
)


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
