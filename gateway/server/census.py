"""How many connections there are, and whose."""

import ipaddress
from collections import Counter
from dataclasses import dataclass
from typing import Final

from gateway.errors import Overloaded
from gateway.server.rules import Rules

#: Seconds after which a client that met a full house may try again.
RETRY_AFTER: Final = 2.0
#: Connections at a time that are one too many and are told so. Each is a socket too, and a flood must not own them all.
TOLD: Final = 256


@dataclass(slots=True)
class Entry:
    """One connection. ``full`` says why it is one too many; ``who`` shares a limit."""

    who: str
    full: Overloaded | None
    left: bool = False


class Census:
    """Counts the connections of one process, in all and by address.

    An IPv6 client counts by its /64: that is what one subscriber is given (RFC 6177), all of it.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        #: Those that may stay.
        self.total = 0
        self._told = 0
        self._by_address: Counter[str] = Counter()

    def enter(self, address: str) -> Entry | None:
        """Count a connection in, which needs its :meth:`leave` then. None: so many are too many already that this one
        is not even told."""
        who = _subscriber(address)
        full = self._full(who, address)
        if full is None:
            self.total += 1
            self._by_address[who] += 1
        elif self._told >= TOLD:
            return None
        else:
            self._told += 1
        return Entry(who, full)

    def leave(self, entry: Entry) -> None:
        """Count it out. Doing so again changes nothing."""
        if entry.left:
            return
        entry.left = True
        if entry.full is not None:
            self._told -= 1
            return
        self.total -= 1
        self._by_address[entry.who] -= 1
        if not self._by_address[entry.who]:
            del self._by_address[entry.who]

    def _full(self, who: str, address: str) -> Overloaded | None:
        if self.total >= self._rules.max_connections:
            return Overloaded("Too many connections just now.", retry_after=RETRY_AFTER)
        if (
            self._by_address[who] >= self._rules.max_connections_per_address
            and address not in self._rules.proxies
        ):
            return Overloaded("Too many connections from this address.", retry_after=RETRY_AFTER)
        return None


def _subscriber(address: str) -> str:
    """The network of an IPv6 address; any other text as it is."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return parsed.packed[:8].hex(":", 2)
