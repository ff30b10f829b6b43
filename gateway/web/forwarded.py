"""What a trusted proxy says about its client: believed only from the configured addresses."""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_SCHEMES: Final = frozenset({"http", "https"})


class TrustedProxies:
    """The configured addresses and networks."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._networks: tuple[Network, ...] = tuple(
            ipaddress.ip_network(entry, strict=False) for entry in entries
        )

    def __contains__(self, address: str | None) -> bool:
        if address is None or not self._networks:
            return False
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = getattr(parsed, "ipv4_mapped", None)
        return any((mapped or parsed) in network for network in self._networks)

    def client(self, peer: str | None, forwarded_for: str | None) -> str | None:
        """The client's address: the rightmost in X-Forwarded-For that is no proxy of ours."""
        if peer not in self or not forwarded_for:
            return peer
        hops = [hop.strip() for hop in forwarded_for.split(",")]
        return next((hop for hop in reversed(hops) if hop not in self), hops[0])

    def scheme(self, peer: str | None, seen: str, forwarded_proto: str | None) -> str:
        """The scheme that the client used."""
        proto = (forwarded_proto or "").strip().lower()
        return proto if peer in self and proto in _SCHEMES else seen

    def host(
        self, peer: str | None, headers: Sequence[tuple[bytes, bytes]]
    ) -> tuple[tuple[bytes, bytes], ...]:
        """The headers with Host as the client sent it, where a trusted proxy tells."""
        if peer not in self:
            return tuple(headers)
        told = next((value for name, value in headers if name == b"x-forwarded-host"), None)
        if told is None:
            return tuple(headers)
        return tuple((name, told if name == b"host" else value) for name, value in headers)
