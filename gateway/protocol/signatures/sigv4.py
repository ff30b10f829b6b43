"""AWS Signature Version 4 as S3 uses it: what is signed with what, and how it is compared.

:mod:`.authorization` and :mod:`.presign` read a :class:`Claim` off a request head, one for each place
a signature can stand in. The caller looks up the claim's key and calls :func:`verify`. Between the
two there is nothing to decide, so the gate and the extraction of a credential cannot disagree.

Source: "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API reference.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise
from typing import Final

from gateway.errors import (
    BadRequest,
    InvalidDigest,
    InvalidToken,
    MalformedCredential,
    NotImplementedHere,
    SignatureMismatch,
    UnsignedHeader,
)
from gateway.model import Digest
from gateway.protocol.commands import RequestHead
from gateway.protocol.names import listed
from gateway.protocol.signatures.canonical import canonical_path, canonical_request, select_headers
from gateway.protocol.signatures.keyed import KeyedHash

ALGORITHM: Final = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD: Final = "UNSIGNED-PAYLOAD"
EMPTY_SHA256: Final = sha256(b"").hexdigest()
#: Payloads that are framed and verified chunk by chunk, or end in a checksum trailer.
STREAMING: Final = frozenset(
    {
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    }
)
#: Longest access key id, as in AWS's IAM.
MAX_KEY_ID: Final = 128

#: Another method than the signed one, where a dialect heeds it: the holder of a presigned POST is not to choose DELETE.
_OVERRIDE: Final = b"x-http-method-override"
_TIMESTAMP: Final = re.compile(r"(\d{8})T([01]\d|2[0-3])([0-5]\d)([0-5]\d)Z", re.ASCII).fullmatch
_HEX_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}").fullmatch
_NAMES: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+(;[!#$%&'*+.^_`|~0-9a-z-]+)*").fullmatch


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signing key is good for: one day (``YYYYMMDD``), one region, one service."""

    date: str
    region: str
    service: str = "s3"

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a request says about its signature, read and checked for form, date and scope.

    ``timestamp`` is ``YYYYMMDDTHHMMSSZ``; ``payload`` is the last line of the canonical request.
    """

    key_id: str
    scope: Scope
    timestamp: str
    signature: str
    payload: str
    canonical: bytes

    def signed_names(self) -> list[bytes]:
        """The headers that are signed, in lower case."""
        return self.canonical.rsplit(b"\n", 2)[1].split(b";")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A signature that holds. ``payload`` is the digest that the body must have; None: the signature
    says nothing about the body (``UNSIGNED-PAYLOAD``)."""

    payload: Digest | None


def signing_key(secret: str, date: str, region: str, service: str = "s3") -> bytes:
    """The key for one day, region and service."""
    key = hmac.digest(b"AWS4" + secret.encode(), date.encode(), "sha256")
    key = hmac.digest(key, region.encode(), "sha256")
    key = hmac.digest(key, service.encode(), "sha256")
    return hmac.digest(key, b"aws4_request", "sha256")


@lru_cache(maxsize=1024)
def signing_hash(secret: str, date: str, region: str, service: str = "s3") -> KeyedHash:
    """What signs with that key; its four HMACs are remembered."""
    return KeyedHash(signing_key(secret, date, region, service))


def string_to_sign(timestamp: str, scope: Scope, canonical: bytes) -> str:
    """The four lines that are signed: algorithm, time, scope, SHA-256 of the canonical request."""
    return f"{ALGORITHM}\n{timestamp}\n{scope}\n{sha256(canonical).hexdigest()}"


def signature(secret: str, timestamp: str, scope: Scope, canonical: bytes) -> str:
    """The signature of a canonical request, in lower-case hex."""
    key = signing_hash(secret, scope.date, scope.region, scope.service)
    return key.hexdigest(string_to_sign(timestamp, scope, canonical).encode())


def verify(claim: Claim, secret: str) -> Verdict:
    """Compare the claim's signature with the one that this secret gives.

    Raises:
        SignatureMismatch: they differ. ``members`` hold what a client needs to find out why, as AWS
            sends it back: never the expected signature.
        NotImplementedHere: it holds, and the body is framed in signed or trailed chunks.
    """
    expected = signature(secret, claim.timestamp, claim.scope, claim.canonical)
    if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
        raise SignatureMismatch(
            "The signature is not the one this request gives with this key's secret. Compare"
            " StringToSign and CanonicalRequest with your own; check the secret, and that no proxy"
            " changed the path, the query or a signed header.",
            aws_access_key_id=claim.key_id,
            signature_provided=claim.signature,
            string_to_sign=string_to_sign(claim.timestamp, claim.scope, claim.canonical),
            canonical_request=claim.canonical.decode("utf-8", "backslashreplace"),
        )
    if claim.payload in STREAMING:
        raise NotImplementedHere(
            f"Bodies framed as {claim.payload} are not taken here; send the whole body's SHA-256 or"
            f" {UNSIGNED_PAYLOAD} in x-amz-content-sha256."
        )
    if claim.payload == UNSIGNED_PAYLOAD:
        return Verdict(None)
    return Verdict(Digest("sha-256", bytes.fromhex(claim.payload)))


def make_claim(
    head: RequestHead,
    *,
    credential: tuple[str, Scope],
    timestamp: str,
    signed_names: str,
    signature: str,
    payload: str,
    query: bytes,
    stand_ins: Mapping[bytes, bytes],
) -> Claim:
    """Put a claim together from the pieces of either place, with the rules that both share.

    Args:
        credential: the access key id and scope, see :func:`read_credential`.
        query: the canonical query, without the signature itself.
        stand_ins: ``x-amz-*`` query parameters of a presigned URL, by lower-case name.

    Raises:
        MalformedCredential: the list of signed headers is malformed.
        SignatureMismatch: a signed header was not sent.
        GatewayError: as :func:`_check_sent`.
    """
    names = read_signed_names(signed_names)
    _check_sent(head, names, payload, stand_ins)
    key_id, scope = credential
    return Claim(
        key_id=key_id,
        scope=scope,
        timestamp=timestamp,
        signature=signature,
        payload=payload,
        canonical=canonical_request(
            head.method,
            canonical_path(head.raw_path),
            query,
            select_headers(head.index, names, stand_ins),
            payload.encode(),
        ),
    )


def _check_sent(
    head: RequestHead, names: Sequence[bytes], payload: str, stand_ins: Mapping[bytes, bytes]
) -> None:
    """Hold what was sent against the rules of what may be signed, and has to be.

    Raises:
        BadRequest: a streaming payload on a method that takes none (security case 6).
        InvalidDigest: ``payload`` is neither a SHA-256 in hex nor a known constant.
        UnsignedHeader: ``host``, an ``x-amz-*`` header or ``x-http-method-override`` was sent and not signed.
        InvalidToken: a session token was sent.
    """
    _check_payload(head.method, payload)
    _check_all_signed(head, names)
    if head.has(b"x-amz-security-token") or b"x-amz-security-token" in stand_ins:
        raise InvalidToken("No key here has a session token; sign with the access key alone.")


def read_credential(text: str, timestamp: str, region: str) -> tuple[str, Scope]:
    """Read ``KEYID/YYYYMMDD/REGION/s3/aws4_request``.

    Raises:
        MalformedCredential: not of that form, or of another day than ``timestamp``, another region,
            service or terminal (security case 13). ``members`` name the right region.
    """
    pieces = text.rsplit("/", 4)
    if len(pieces) != 5 or not 0 < len(pieces[0]) <= MAX_KEY_ID:
        raise MalformedCredential("The credential must read KEYID/YYYYMMDD/REGION/s3/aws4_request.")
    key_id, date, given, service, terminal = pieces
    if date != timestamp[:8]:
        raise MalformedCredential("The credential's date is not the day of the request's date.")
    if service != "s3" or terminal != "aws4_request":
        raise MalformedCredential("The credential's scope must end in /s3/aws4_request.")
    if given != region:
        raise MalformedCredential(
            f"The credential is for another region; sign for '{region}'.", region=region
        )
    return key_id, Scope(date, region)


def read_signed_names(text: str) -> list[bytes]:
    """Read ``SignedHeaders``: lower-case names, sorted, each once, joined by semicolons.

    Raises:
        MalformedCredential: it is not such a list.
        UnsignedHeader: ``host`` is not in it.
    """
    names = text.split(";")
    if not _NAMES(text) or any(a >= b for a, b in pairwise(names)):
        raise MalformedCredential(
            "SignedHeaders must list lower-case header names, sorted, each once, joined by"
            " semicolons."
        )
    if "host" not in names:
        raise UnsignedHeader("The host header must be signed.", headers_not_signed="host")
    return [name.encode() for name in names]


@lru_cache(maxsize=256)  # the URLs of one moment, and those that are used again, have the same
def read_timestamp(text: str) -> float:
    """Read ``YYYYMMDDTHHMMSSZ`` as Unix seconds.

    Raises:
        MalformedCredential: it is no such time.
    """
    match = _TIMESTAMP(text)
    if match is not None:
        day, hour, minute, second = match.groups()
        with suppress(ValueError):
            return _midnight(day) + int(hour) * 3600 + int(minute) * 60 + int(second)
    raise MalformedCredential("The request's date must read YYYYMMDDTHHMMSSZ, in UTC.")


@lru_cache(maxsize=16)
def _midnight(day: str) -> float:
    """When a day (``YYYYMMDD``) begins, Unix seconds; ValueError if there is none such."""
    return datetime(int(day[:4]), int(day[4:6]), int(day[6:]), tzinfo=UTC).timestamp()


@lru_cache(maxsize=4)
def write_timestamp(second: int) -> str:
    """Write Unix seconds as ``YYYYMMDDTHHMMSSZ``."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y%m%dT%H%M%SZ")


def _check_payload(method: str, payload: str) -> None:
    if payload in STREAMING:
        if method != "PUT":
            raise BadRequest(f"A streaming payload belongs to PUT, not to {method}.")
    elif payload != UNSIGNED_PAYLOAD and not _HEX_SHA256(payload):
        raise InvalidDigest(
            "x-amz-content-sha256 must be the body's SHA-256 in hex, UNSIGNED-PAYLOAD or a"
            " STREAMING form."
        )


def _check_all_signed(head: RequestHead, names: Sequence[bytes]) -> None:
    signed = frozenset(names)
    unsigned = [
        name
        for name in head.index
        if (name.startswith(b"x-amz-") or name == _OVERRIDE) and name not in signed
    ]
    if unsigned:
        shown = listed(name.decode("latin-1") for name in unsigned)
        raise UnsignedHeader(
            f"These headers were sent but not signed: {shown}. Sign every x-amz-* header and"
            " X-HTTP-Method-Override, or leave it out.",
            headers_not_signed=shown,
        )
