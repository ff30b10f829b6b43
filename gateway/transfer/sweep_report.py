"""Where a sweep looks, and what it tells."""

from dataclasses import dataclass, field

from gateway.errors import GatewayError
from gateway.model import MultipartListing, MultipartRef
from gateway.sessions.base import Intent


@dataclass(frozen=True, slots=True)
class SweepTarget:
    """Where to look for foreign multiparts: a store's name, a bucket and a prefix as the store calls them.

    ``bucket`` None: every bucket that the store lists, but those in ``without``. ``listed``: found that way.
    """

    store: str
    bucket: str | None
    prefix: str = ""
    without: frozenset[str] = frozenset()
    listed: bool = False


@dataclass(frozen=True, slots=True)
class SweepFailure:
    """Something that could not be swept, and why; its intent is kept for the next sweep."""

    what: Intent | SweepTarget
    error: GatewayError


@dataclass(slots=True)
class SweepReport:
    """What a sweep did. ``aborted`` were ours and are gone; ``foreign`` nobody here explains; ``kept`` are intents of
    processes that live, or may; ``failed`` is for the next sweep."""

    aborted: list[MultipartRef] = field(default_factory=list)
    foreign: list[MultipartListing] = field(default_factory=list)
    kept: list[Intent] = field(default_factory=list)
    failed: list[SweepFailure] = field(default_factory=list)
