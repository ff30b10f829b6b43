"""The vocabulary between what decides (flows) and what does (drivers): steps out, events in."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypeVar

from gateway.client.failures import Interrupted, Refused, read_refusal
from gateway.client.uploading.record import Record

T = TypeVar("T")


#: Seconds for an answer that comes when the object is complete, which may take the store a while.
COMPLETION: Final = 300.0


class Detour(Exception):
    """What one flow throws to the one that began it: there is another way."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes ``start`` to ``stop`` (exclusive) of the file."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        """How many."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An HTTP request. ``path`` is raw, from the endpoint's root; ``payload`` is what the signature says of the body
    (a SHA-256 in hex), None for a request that is not signed. ``hashed``: the answer's body is wanted as a
    digest, and may be of any size; otherwise it is read up to a limit. ``wait``: seconds for the answer to begin when
    the body is out, after which the connection counts as broken."""

    method: str
    path: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Span | None = None
    payload: str | None = None
    hashed: bool = False
    wait: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. Names of headers in lower case; ``at`` in Unix seconds, ``seconds`` how long it took;
    ``sha256`` in hex, of the body, where the request wanted it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    at: float
    seconds: float
    sha256: str = ""

    @property
    def good(self) -> bool:
        """Whether it is a success."""
        return 200 <= self.status < 300

    @property
    def refusal(self) -> Refused:
        """What it says, read as an error."""
        return read_refusal(self.status, self.headers, self.body, self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """No answer came, or not all of it."""

    error: Interrupted


@dataclass(frozen=True, slots=True)
class Digest:
    """Step: the digest of a part of the file, by hashlib's name. Event: bytes."""

    span: Span
    algorithm: str


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Step: see that the file is still the one that the upload began with; FileTrouble is thrown if not. Event:
    None."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """Step: send a request. Event: :class:`Answer` or :class:`Broken`."""

    request: Request


@dataclass(frozen=True, slots=True)
class Pause:
    """Step: wait so many seconds. Event: None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Save:
    """Step: write down how to go on, durably; None: forget it. Event: None."""

    record: Record | None


@dataclass(frozen=True, slots=True)
class Together:
    """Step: go through several flows, at the same time where the driver can. Event: None, when all have ended;
    the first failure ends the others and is thrown."""

    flows: "tuple[Flow[None], ...]"


Step: TypeAlias = Digest | Unchanged | Exchange | Pause | Save | Together
Flow: TypeAlias = Generator[Step, Any, T]


def ask(request: Request) -> Flow[Answer | Broken]:
    """Send a request."""
    outcome: Answer | Broken = yield Exchange(request)
    return outcome


def hashed(span: Span, algorithm: str) -> Flow[bytes]:
    """The digest of a part of the file."""
    value: bytes = yield Digest(span, algorithm)
    return value
