"""Signature Version 4 in the query: presigned URLs, read and made.

Source: "Authenticating Requests: Using CanonicalQuery Parameters", Amazon S3 API reference.
"""

from collections.abc import Sequence
from typing import Final

from gateway.errors import (
    BadRequest,
    Forbidden,
    MalformedCredential,
    MalformedPresignedUrl,
    RequestExpired,
)
from gateway.protocol.commands import RequestHead
from gateway.protocol.signatures.authorization import Credentials
from gateway.protocol.signatures.canonical import (
    CanonicalQuery,
    canonical_path,
    canonical_request,
    canonical_value,
    encode,
)
from gateway.protocol.signatures.sigv4 import (
    ALGORITHM,
    UNSIGNED_PAYLOAD,
    Claim,
    Scope,
    make_claim,
    read_credential,
    read_timestamp,
    signature,
    write_timestamp,
)

#: Longest life of a presigned URL in seconds: seven days.
MAX_EXPIRES: Final = 604_800
#: Without any of these a query was never meant as a presigned URL's: a key's name proves nothing.
_PROOF: Final = frozenset({b"x-amz-algorithm", b"x-amz-signature"})


def read_query(
    head: RequestHead, query: CanonicalQuery, *, region: str, now: float, max_skew: float
) -> Claim:
    """Read the claim of a presigned request. Arguments as for :func:`~.authorization.read_header`.

    The life of the URL is what was signed and nothing else: no leeway at its end.

    Raises:
        Forbidden: it names a credential and nothing that would prove it (security case 4).
        MalformedPresignedUrl: a parameter of the signature is missing or malformed.
        RequestExpired: past its expiry, or dated in the future beyond the skew.
        GatewayError: as :func:`~.sigv4.make_claim`.
    """
    if _PROOF.isdisjoint(name.lower() for name in query.names()):
        raise Forbidden("The URL names a credential but is not signed; presign it.")
    try:
        return _read(head, query, region=region, now=now, max_skew=max_skew)
    except MalformedCredential as error:
        refused = MalformedPresignedUrl(error.detail)
        refused.members = error.members
        raise refused from None


def _read(
    head: RequestHead, query: CanonicalQuery, *, region: str, now: float, max_skew: float
) -> Claim:
    if _required(query, "X-Amz-Algorithm") != ALGORITHM:
        raise MalformedCredential(f"X-Amz-Algorithm must be {ALGORITHM}; no other is taken.")
    timestamp = _required(query, "X-Amz-Date")
    credential = read_credential(_required(query, "X-Amz-Credential"), timestamp, region)
    _check_life(timestamp, _required(query, "X-Amz-Expires"), now, max_skew)
    # The parameters that speak for headers.
    stand_ins = query.starting_with(b"x-amz-")
    return make_claim(
        head,
        credential=credential,
        timestamp=timestamp,
        signed_names=_required(query, "X-Amz-SignedHeaders"),
        signature=_required(query, "X-Amz-Signature"),
        payload=_payload(head, stand_ins),
        query=query.canonical(without=b"X-Amz-Signature"),
        stand_ins=stand_ins,
    )


def _required(query: CanonicalQuery, name: str) -> str:
    value = query.get(name)
    if not value:
        raise MalformedCredential(f"The presigned URL lacks the query parameter {name}.")
    return value


def _check_life(timestamp: str, expires: str, now: float, max_skew: float) -> None:
    life = read_expires(expires)
    begins = read_timestamp(timestamp)
    if begins - now > max_skew:
        raise RequestExpired("The presigned URL is not valid yet; set the signer's clock.")
    if now > begins + life:
        raise RequestExpired("The presigned URL has expired; make a new one.")


def read_expires(text: str) -> int:
    """Read ``X-Amz-Expires``: for how many seconds a URL is good.

    Raises:
        MalformedCredential: it is no number, or out of bounds.
    """
    if (
        not (text.isascii() and text.isdigit() and len(text) <= 6)
        or not 0 < int(text) <= MAX_EXPIRES
    ):
        raise MalformedCredential(
            f"X-Amz-Expires must be a number of seconds from 1 to {MAX_EXPIRES}."
        )
    return int(text)


def life_of(query: CanonicalQuery) -> int:
    """For how many seconds the URL of a claim that was read is good."""
    return read_expires(_required(query, "X-Amz-Expires"))


def _payload(head: RequestHead, stand_ins: dict[bytes, bytes]) -> str:
    """What the URL, or a signed header beside it, says about the body."""
    header = head.get(b"x-amz-content-sha256")
    pinned = stand_ins.get(b"x-amz-content-sha256")
    if pinned is None:
        return UNSIGNED_PAYLOAD if header is None else header
    if header is not None and header.encode("latin-1") != pinned:
        raise BadRequest("The header x-amz-content-sha256 contradicts the presigned URL.")
    return pinned.decode("latin-1")


def presign(
    method: str,
    raw_path: bytes,
    raw_query: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    credentials: Credentials,
    *,
    expires: int,
    now: float,
) -> bytes:
    """Sign a request in its query; answer the whole query, signature included.

    Args:
        raw_path, raw_query: percent-encoded, as they will be sent.
        headers: what the request must be sent with, lower-case names; at least ``host``.
        expires: seconds from ``now`` that the URL is good for.
        now: Unix seconds.

    Raises:
        BadRequest: the path or the query cannot be signed, or ``expires`` is out of bounds.
    """
    if not 0 < expires <= MAX_EXPIRES:
        raise BadRequest(f"A presigned URL lives from 1 to {MAX_EXPIRES} seconds.")
    timestamp = write_timestamp(int(now))
    scope = Scope(timestamp[:8], credentials.region)
    signed = sorted((name, canonical_value((value,))) for name, value in headers)
    names = b";".join(name for name, _ in signed)
    pieces = [raw_query] if raw_query else []
    pieces += _parameters(credentials, scope, timestamp, expires, names)
    query = CanonicalQuery(b"&".join(pieces))
    payload = query.get("X-Amz-Content-Sha256") or UNSIGNED_PAYLOAD
    canonical = canonical_request(
        method, canonical_path(raw_path), query.canonical(), signed, payload.encode()
    )
    made = signature(credentials.secret, timestamp, scope, canonical)
    return b"&".join((*pieces, b"X-Amz-Signature=" + made.encode()))


def _parameters(
    credentials: Credentials, scope: Scope, timestamp: str, expires: int, names: bytes
) -> list[bytes]:
    """What stands in the query of a presigned URL before its signature. ``names`` of the signed headers."""
    own = {
        b"X-Amz-Algorithm": ALGORITHM.encode(),
        b"X-Amz-Credential": f"{credentials.key_id}/{scope}".encode(),
        b"X-Amz-Date": timestamp.encode(),
        b"X-Amz-Expires": str(expires).encode(),
        b"X-Amz-SignedHeaders": names,
    }
    if credentials.token is not None:
        own[b"X-Amz-Security-Token"] = credentials.token.encode()
    return [name + b"=" + encode(value) for name, value in own.items()]
