"""What a client of resumable uploads says and hears, whichever way it goes to a gateway."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

#: How an answer that never came shows itself.
NO_ANSWER: Final = 0
#: Statuses after which a client waits and asks again. 409: somebody else writes, or the offset is another.
PASSING: Final = frozenset({NO_ANSWER, 408, 409, 423, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Call:
    """A request. ``headers`` without those of framing, which follow from ``body``."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""


@dataclass
class Answer:
    """What came back: ``status`` :data:`NO_ANSWER` where nothing final did. ``headers`` by lower-case names; ``early``
    are those of the interim responses before."""

    status: int = NO_ANSWER
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    early: list[Mapping[str, str]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.status} {dict(self.headers)} {self.body[:300]!r}"


@dataclass(frozen=True)
class Break:
    """How a client breaks off: after ``after`` bytes of the body and a silence of ``silence`` seconds."""

    after: int
    silence: float = 0.0


class Line(Protocol):
    """A way to one gateway."""

    async def send(self, call: Call, broken: Break | None = None) -> Answer:
        """Send a request and wait for its answer; never raises because of the other side."""
        ...
