"""What a link does to its connections, and what it did."""

import json
from dataclasses import dataclass, field

from gateway.units import MiB


@dataclass(frozen=True, slots=True)
class Weather:
    """``delay`` in seconds one way, ``rate`` in bytes per second, connection and direction (0: no limit), ``drops``
    per MiB relayed (mean number of resets), ``sources``: addresses that upstream sees, in turn, ``moves``: mean seconds
    from one to the next (0: only when told)."""

    delay: float = 0.0
    rate: int = 0
    drops: float = 0.0
    sources: tuple[str, ...] = ()
    moves: float = 0.0

    @property
    def queue(self) -> int:
        """Bytes that are under way at most: what fits into the delay, and a socket buffer."""
        return int(self.rate * self.delay) + MiB if self.rate else 8 * MiB


@dataclass(slots=True)
class Story:
    """What happened: connections, those reset at random, moves, those reset by them; addresses that were used."""

    connections: int = 0
    dropped: int = 0
    moves: int = 0
    moved: int = 0
    addresses: set[str] = field(default_factory=set)

    def told(self) -> str:
        """In JSON, on a line."""
        return json.dumps(
            {
                "connections": self.connections,
                "dropped": self.dropped,
                "moves": self.moves,
                "moved": self.moved,
                "addresses": sorted(self.addresses),
            }
        )
