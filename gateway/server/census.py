"""How many connections there are, and whose."""

from collections import Counter

from gateway.errors import Overloaded
from gateway.server.rules import Rules

#: Seconds after which a client that met a full house may try again.
RETRY_AFTER = 2.0


class Census:
    """Counts the connections of one process, in all and by address."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.total = 0
        self._by_address: Counter[str] = Counter()

    def enter(self, address: str) -> Overloaded | None:
        """Count a connection in; answer why it is one too many, or None.

        Every ``enter`` needs its :meth:`leave`, a refused one too: it also holds a socket.
        """
        self.total += 1
        self._by_address[address] += 1
        if self.total > self._rules.max_connections:
            return Overloaded("Too many connections just now.", retry_after=RETRY_AFTER)
        if (
            self._by_address[address] > self._rules.max_connections_per_address
            and address not in self._rules.proxies
        ):
            return Overloaded("Too many connections from this address.", retry_after=RETRY_AFTER)
        return None

    def leave(self, address: str) -> None:
        """Count it out."""
        self.total -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]
