"""Presigned requests of a shape that came before: verified with what was read of the first.

Of such a request only the path, the date and the signature are new (:mod:`gateway.protocol.shapes`). All else was
read and checked by :mod:`.presign` and :mod:`.sigv4`, so what is left is to put the canonical request together, to
look at the dates, and to compare. This never refuses: whoever does not pass here goes the ordinary way, and is told
there what is wrong.
"""

import hmac
from hashlib import sha256
from typing import Final

from gateway.errors import GatewayError
from gateway.protocol.commands import RequestHead
from gateway.protocol.shapes import Common
from gateway.protocol.signatures.canonical import CanonicalQuery, canonical_path
from gateway.protocol.signatures.presign import read_expires
from gateway.protocol.signatures.sigv4 import (
    ALGORITHM,
    STREAMING,
    Claim,
    read_timestamp,
    signing_hash,
)

#: Signed headers that are not part of a shape.
_OWN: Final = frozenset({b"content-length", b"x-amz-date", b"x-amz-signature"})


class Repeated:
    """What the claims of all requests of one shape say."""

    __slots__ = ("_after", "_before", "_expires", "_scope", "_scope_text", "_start", "key_id")

    def __init__(
        self, claim: Claim, expires: int, start: bytes, before: bytes, after: bytes
    ) -> None:
        self.key_id: Final = claim.key_id
        self._scope = claim.scope
        self._scope_text = f"\n{claim.scope}\n"
        self._expires = expires
        self._start = start
        self._before = before
        self._after = after

    def holds(
        self, head: RequestHead, common: Common, secret: str, *, now: float, max_skew: float
    ) -> bool:
        """Whether a request is signed with this secret, and in time. ``now`` in Unix seconds, ``max_skew`` in
        seconds."""
        scope, timestamp = self._scope, common.date.decode()
        try:
            path, begins = canonical_path(head.raw_path), read_timestamp(timestamp)
        except GatewayError:
            return False
        if timestamp[:8] != scope.date or not begins - max_skew <= now <= begins + self._expires:
            return False
        canonical = b"".join((self._start, path, self._before, common.date, self._after))
        text = f"{ALGORITHM}\n{timestamp}{self._scope_text}{sha256(canonical).hexdigest()}"
        key = signing_hash(secret, scope.date, scope.region, scope.service)
        made = key.hexdigest(text.encode())
        return hmac.compare_digest(made.encode(), common.signature)


def repeated(
    head: RequestHead, common: Common, query: CanonicalQuery, claim: Claim
) -> Repeated | None:
    """What can be used again of a presigned request's claim; None where that is too little."""
    if claim.payload in STREAMING or not common.date:
        return None
    if not _OWN.isdisjoint(claim.signed_names()):
        return None
    start = f"{head.method}\n".encode()
    path = canonical_path(head.raw_path)
    signed = query.canonical(without=b"X-Amz-Signature")
    # The algorithm stands before it, and no name or value in canonical spelling holds an ampersand.
    before, dated, after = signed.partition(b"&X-Amz-Date=")
    rest = claim.canonical.removeprefix(start + path + b"\n" + signed)
    expires = read_expires(query.get("X-Amz-Expires") or "")
    return Repeated(
        claim, expires, start, b"\n" + before + dated, after.removeprefix(common.date) + rest
    )
