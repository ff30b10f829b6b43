"""Signature Version 4 in the Authorization header: read it, write it.

Source: "Authenticating Requests: Using the Authorization Header", Amazon S3 API reference.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.errors import BadRequest, ClockSkew, InvalidToken, MalformedCredential
from gateway.protocol.commands import RequestHead
from gateway.protocol.dates import parse_date
from gateway.protocol.signatures.canonical import (
    CanonicalQuery,
    canonical_path,
    canonical_request,
    canonical_value,
)
from gateway.protocol.signatures.sigv4 import (
    ALGORITHM,
    Claim,
    Scope,
    make_claim,
    read_credential,
    read_timestamp,
    signature,
    write_timestamp,
)

_FORM: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^\s,]+), ?SignedHeaders=([^\s,]+), ?Signature=([^\s,]+)"
).fullmatch

_ZERO_ZONE: Final = re.compile(r" [+-]0000\Z")


def read_header(
    head: RequestHead, query: CanonicalQuery, *, region: str, now: float, max_skew: float
) -> Claim:
    """Read the claim of a request whose Authorization header begins with ``AWS4-``.

    Args:
        region: the region that clients must sign for.
        now, max_skew: Unix seconds; seconds that the request's date may differ from now.

    Raises:
        MalformedCredential: the header is not of the form above, its algorithm is another one, or
            its scope is wrong.
        ClockSkew: the request's date is too far from now. Members: request_time, server_time.
        InvalidToken: the query holds a session token.
        BadRequest: ``x-amz-content-sha256`` is missing, or a header that must be single is not.
        GatewayError: as :func:`~.sigv4.make_claim`.
    """
    match = _FORM(head.get(b"authorization") or "")
    if match is None:
        raise MalformedCredential(
            f"The Authorization header must read '{ALGORITHM} Credential=..., SignedHeaders=...,"
            " Signature=...'; no other algorithm is taken."
        )
    credential, signed_names, given = match.groups()
    if any(name.lower() == b"x-amz-security-token" for name in query.names()):
        raise InvalidToken("No key here has a session token; sign with the access key alone.")
    timestamp = _request_time(head)
    _check_clock(timestamp, now, max_skew)
    return make_claim(
        head,
        credential=read_credential(credential, timestamp, region),
        timestamp=timestamp,
        signed_names=signed_names,
        signature=given,
        payload=_payload(head),
        query=query.canonical(),
        stand_ins={},
    )


def _check_clock(timestamp: str, now: float, max_skew: float) -> None:
    if abs(read_timestamp(timestamp) - now) > max_skew:
        raise ClockSkew(
            f"The request's date is more than {max_skew:.0f} seconds away from the server's clock;"
            " set the client's clock.",
            request_time=timestamp,
            server_time=write_timestamp(int(now)),
        )


def _payload(head: RequestHead) -> str:
    payload = head.get(b"x-amz-content-sha256")
    if payload is None:
        raise BadRequest(
            "The header x-amz-content-sha256 is missing; send the body's SHA-256 in hex or"
            " UNSIGNED-PAYLOAD."
        )
    return payload


def _request_time(head: RequestHead) -> str:
    """The time that was signed: ``x-amz-date``, else ``Date`` in either of its two forms."""
    given = head.get(b"x-amz-date")
    if given is not None:
        return given
    given = head.get(b"date")
    if given is None:
        raise MalformedCredential("A signed request needs an x-amz-date header.")
    # botocore writes the zone as RFC 5322 does: -0000.
    date = parse_date(_ZERO_ZONE.sub(" GMT", given))
    return given if date is None else write_timestamp(int(date.timestamp()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a client signs with. ``token`` is a session token, for temporary credentials of a store."""

    key_id: str
    secret: str = field(repr=False)
    region: str
    token: str | None = field(default=None, repr=False)


def sign_headers(
    method: str,
    raw_path: bytes,
    raw_query: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    credentials: Credentials,
    *,
    payload: str,
    now: float,
) -> list[tuple[bytes, bytes]]:
    """Sign a request in its headers; answer the headers to add to those given.

    Args:
        raw_path, raw_query: percent-encoded, as they will be sent.
        headers: everything to sign, lower-case names, each once; ``host`` among them.
        payload: the body's SHA-256 in hex, ``UNSIGNED-PAYLOAD`` or a streaming constant.
        now: Unix seconds.

    Raises:
        BadRequest: the path or the query cannot be signed.
    """
    timestamp = write_timestamp(int(now))
    scope = Scope(timestamp[:8], credentials.region)
    added = [(b"x-amz-content-sha256", payload.encode()), (b"x-amz-date", timestamp.encode())]
    if credentials.token is not None:
        added.append((b"x-amz-security-token", credentials.token.encode()))
    signed = sorted((name, canonical_value((value,))) for name, value in (*headers, *added))
    canonical = canonical_request(
        method,
        canonical_path(raw_path),
        CanonicalQuery(raw_query).canonical(),
        signed,
        payload.encode(),
    )
    names = ";".join(name.decode("latin-1") for name, _ in signed)
    made = signature(credentials.secret, timestamp, scope, canonical)
    value = f"{ALGORITHM} Credential={credentials.key_id}/{scope}, SignedHeaders={names}, Signature={made}"
    return [*added, (b"authorization", value.encode("latin-1"))]
