"""Signed requests of a shape that came before: verified with what was read of the first.

Of such a request only the path, the date, the signature and perhaps the body's hash and length are new
(:mod:`gateway.protocol.shapes`). All else was read and checked by :mod:`.presign` or :mod:`.authorization`, and
:mod:`.sigv4`, so what is left is to put the canonical request together, to look at the dates, and to compare. This
never refuses: whoever does not pass here goes the ordinary way, and is told there what is wrong.
"""

import hmac
from hashlib import sha256
from typing import Final

from gateway.errors import GatewayError
from gateway.protocol.commands import RequestHead
from gateway.protocol.shapes import Common
from gateway.protocol.signatures.canonical import canonical_path
from gateway.protocol.signatures.sigv4 import (
    ALGORITHM,
    STREAMING,
    Claim,
    read_timestamp,
    signing_hash,
)


class Repeated:
    """What the claims of all requests of one shape say."""

    __slots__ = ("_life", "_scope", "_scope_text", "_template", "key_id")

    def __init__(self, claim: Claim, template: bytes, life: int | None) -> None:
        """``template`` makes a canonical request (:func:`_filled_in`). ``life``: seconds that a URL is good for; None:
        it is no URL, and as long as its date may differ."""
        self.key_id: Final = claim.key_id
        self._scope = claim.scope
        self._scope_text = f"\n{claim.scope}\n"
        self._life = life
        self._template = template

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
        life = max_skew if self._life is None else self._life
        if timestamp[:8] != scope.date or not begins - max_skew <= now <= begins + life:
            return False
        canonical = sha256(_filled_in(self._template, path, common)).hexdigest()
        key = signing_hash(secret, scope.date, scope.region, scope.service)
        made = key.hexdigest(f"{ALGORITHM}\n{timestamp}{self._scope_text}{canonical}".encode())
        return hmac.compare_digest(made.encode(), common.signature)


def repeated(
    head: RequestHead, common: Common, claim: Claim, *, life: int | None
) -> Repeated | None:
    """What can be used again of a request's claim, that of a presigned URL with its ``life`` in seconds (None: of
    signed header lines); None where that is too little."""
    if claim.payload in STREAMING or claim.timestamp.encode() != common.date:
        return None
    template = _template(claim.canonical, common, in_query=life is not None)
    if template is None:
        return None
    if _filled_in(template, canonical_path(head.raw_path), common) != claim.canonical:
        return None
    return Repeated(claim, template, life)


def _filled_in(template: bytes, path: bytes, common: Common) -> bytes:
    """The canonical request of one of a shape."""
    return template % {
        b"path": path,
        b"date": common.date,
        b"length": common.length,
        b"payload": common.payload,
        b"call": common.call,
    }


def _template(canonical: bytes, common: Common, *, in_query: bool) -> bytes | None:
    """A canonical request with places for what is a request's own; None where a signed header's value is more than
    that. No line of it holds a line's end."""
    method, _, query, *lines, names, payload = canonical.replace(b"%", b"%%").split(b"\n")
    own = {}
    if common.length is not None:
        own[b"content-length"] = b"%d" % common.length, b"%(length)d"
    if in_query:
        # The algorithm stands before it, and no name or value in canonical spelling holds an ampersand.
        query = query.replace(b"&X-Amz-Date=" + common.date, b"&X-Amz-Date=%(date)b", 1)
    else:
        own[b"x-amz-date"] = common.date, b"%(date)b"
    if common.payload:
        own[b"x-amz-content-sha256"] = common.payload, b"%(payload)b"
        payload = b"%(payload)b"
    if common.call:
        own[b"amz-sdk-invocation-id"] = common.call, b"%(call)b"
    for at, line in enumerate(lines):
        name, _, value = line.partition(b":")
        if name in own:
            mine, place = own[name]
            if value != mine:
                return None
            lines[at] = name + b":" + place
    return b"\n".join((method, b"%(path)b", query, *lines, names, payload))
