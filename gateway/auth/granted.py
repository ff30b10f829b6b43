"""Signed requests of which the like was granted before."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Final

from gateway.auth.grant import Grant
from gateway.auth.key import Key
from gateway.model import Digest
from gateway.protocol.commands import RequestHead, Target
from gateway.protocol.forms import FORM
from gateway.protocol.legacy_paths import LEGACY
from gateway.protocol.signatures.repeated import Repeated, repeated
from gateway.protocol.signatures.sigv4 import Claim

#: What a signature alone is no credential for, however well it is made. A shape does not tell: the path does, which is
#: a request's own.
_NOT_BY_SHAPE: Final = frozenset({FORM, LEGACY})


@dataclass(frozen=True, slots=True)
class Granted:
    """What such requests have in common: the claim that they make, the key that it names, and what they may. Where they
    sign their bodies' digests, that of the grant is the first request's."""

    claim: Repeated
    key: Key
    grant: Grant

    def again(
        self, head: RequestHead, key: Key | None, *, now: float, max_skew: float
    ) -> Grant | None:
        """The grant of a request of the shape; None where it has none. ``key`` is the one that the claim names now:
        another than before has another secret, or another policy."""
        common = head.common
        if (
            key is not self.key
            or common is None
            or not self.claim.holds(head, common, key.secret, now=now, max_skew=max_skew)
        ):
            return None
        return _with_digest(self.grant, common.payload) if common.payload else self.grant


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
    if head.common is None or target.slot is not None or target.dialect in _NOT_BY_SHAPE:
        return None
    granted: Granted | None = head.common.facts.get(gate)
    if granted is None:
        return None
    return granted.again(head, find(granted.claim.key_id, now), now=now, max_skew=max_skew)


def remember(
    gate: Hashable, head: RequestHead, claim: Claim, life: int | None, key: Key, grant: Grant
) -> None:
    """Let ``gate`` know the like of a signed request that was granted, where it has a shape. ``life`` as of
    :func:`~gateway.protocol.signatures.repeated.repeated`."""
    if head.common is not None:
        again = repeated(head, head.common, claim, life=life)
        if again is not None:
            head.common.facts[gate] = Granted(again, key, grant)


def _with_digest(grant: Grant, payload: bytes) -> Grant | None:
    """The same for a body with this SHA-256 in hex; None where it is none."""
    try:
        digest = Digest("sha-256", bytes.fromhex(payload.decode()))
    except ValueError:
        return None
    return replace(grant, digests=(digest,))
