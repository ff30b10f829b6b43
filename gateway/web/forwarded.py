"""What a trusted proxy says about its client: believed only from the configured addresses.

Of several values the last counts, because that one the nearest proxy wrote; what stands before it
came along, and anybody may have written it.
"""

import ipaddress
from collections.abc import Sequence
from typing import Final, TypeAlias

from gateway.protocol.networks import Networks

RawHeaders: TypeAlias = Sequence[tuple[bytes, bytes]]

_SCHEMES: Final = frozenset({"http", "https"})


class TrustedProxies(Networks):
    """The configured addresses and networks."""

    def client(self, peer: str | None, headers: RawHeaders) -> str | None:
        """The client's address: the rightmost in X-Forwarded-For that is no proxy of ours."""
        address = peer
        for hop in reversed(_told(headers, b"x-forwarded-for")):
            if address not in self or not _is_address(hop):
                break
            address = hop
        return address

    def scheme(self, peer: str | None, seen: str, headers: RawHeaders) -> str:
        """The scheme that the client used."""
        told = _told(headers, b"x-forwarded-proto")[-1:]
        return told[0].lower() if peer in self and told and told[0].lower() in _SCHEMES else seen

    def host(self, peer: str | None, headers: RawHeaders) -> tuple[tuple[bytes, bytes], ...]:
        """The headers with Host as the client sent it, where a trusted proxy tells: signatures cover it."""
        told = _told(headers, b"x-forwarded-host")[-1:]
        if peer not in self or not told:
            return tuple(headers)
        host = told[0].encode("latin-1")
        return tuple((name, host if name == b"host" else value) for name, value in headers)


def _told(headers: RawHeaders, name: bytes) -> list[str]:
    """The elements of a list-valued header, in order, over all its lines."""
    return [
        element.strip().decode("latin-1")
        for found, value in headers
        if found == name
        for element in value.split(b",")
        if element.strip()
    ]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
