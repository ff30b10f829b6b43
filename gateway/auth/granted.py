"""Presigned requests of which the like was granted before."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

from gateway.auth.grant import Grant
from gateway.auth.key import Key
from gateway.protocol.commands import RequestHead, Target
from gateway.protocol.forms import FORM
from gateway.protocol.legacy_paths import LEGACY
from gateway.protocol.signatures.canonical import CanonicalQuery
from gateway.protocol.signatures.repeated import Repeated, repeated
from gateway.protocol.signatures.sigv4 import Claim

#: What a presigned URL is no credential for, however well it is signed. A shape does not tell: the path does, which is
#: a request's own.
_NOT_BY_URL: Final = frozenset({FORM, LEGACY})


@dataclass(frozen=True, slots=True)
class Granted:
    """What such requests have in common: the claim that their URLs make, the key that it names, and what they may."""

    claim: Repeated
    key: Key
    grant: Grant

    def again(self, head: RequestHead, key: Key | None, *, now: float, max_skew: float) -> bool:
        """Whether a request of the shape gets the grant too. ``key`` is the one that the claim names now: another
        than before has another secret, or another policy."""
        common = head.common
        return (
            key is self.key
            and common is not None
            and self.claim.holds(head, common, key.secret, now=now, max_skew=max_skew)
        )


def grant_again(
    gate: Hashable,
    head: RequestHead,
    target: Target,
    find: Callable[[str, float], Key | None],
    *,
    now: float,
    max_skew: float,
) -> Grant | None:
    """The grant of the like of a request, where ``gate`` has remembered one and the request holds too; None where the
    ordinary way has to tell. ``find`` finds keys, by their ids, that count now."""
    if head.common is None or target.slot is not None or target.dialect in _NOT_BY_URL:
        return None
    granted: Granted | None = head.common.facts.get(gate)
    if granted is None:
        return None
    key = find(granted.claim.key_id, now)
    return granted.grant if granted.again(head, key, now=now, max_skew=max_skew) else None


def remember(
    gate: Hashable, head: RequestHead, query: CanonicalQuery, claim: Claim, key: Key, grant: Grant
) -> None:
    """Let ``gate`` know the like of a presigned request that was granted, where it has a shape."""
    if head.common is not None:
        again = repeated(head, head.common, query, claim)
        if again is not None:
            head.common.facts[gate] = Granted(again, key, grant)
