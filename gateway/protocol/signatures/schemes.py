"""Which credential a request carries: exactly one, or none.

This is the only place that decides it. Detection is wider than any reader is strict: a parameter in
another case, or half of a presigned URL, counts as a credential and is then refused by its reader,
and never passes as "no credential".
"""

from enum import StrEnum
from typing import Final

from gateway.errors import AmbiguousCredentials, MalformedCredential
from gateway.protocol.commands import RequestHead
from gateway.protocol.signatures import slot_token
from gateway.protocol.signatures.canonical import CanonicalQuery


class Scheme(StrEnum):
    """A way to prove who asks. The values name it in logs and grants."""

    SIGV4 = "sigv4"
    PRESIGNED = "sigv4-query"
    FORM = "sigv4-form"
    SIGV2 = "sigv2"
    BEARER = "jwt"
    SLOT = "slot-token"
    UNKNOWN = "unknown"


_V4_PARAMETERS: Final = frozenset({b"x-amz-algorithm", b"x-amz-credential", b"x-amz-signature"})
_V2_PARAMETERS: Final = frozenset({b"awsaccesskeyid"})


def find(
    head: RequestHead, query: CanonicalQuery, *, on_slot: bool, ignore_foreign_bearer: bool
) -> Scheme | None:
    """The scheme of the request's only credential.

    Args:
        on_slot: whether the path is a slot's; elsewhere ``?v=`` is a parameter like any other.
        ignore_foreign_bearer: let a presigned URL count where a bearer token stands beside it.

    Raises:
        AmbiguousCredentials: more than one credential.
        BadRequest: two Authorization headers.
    """
    found = _in_query(query, on_slot)
    in_header = _in_header(head.get(b"authorization"))
    foreign = in_header is Scheme.BEARER and found == [Scheme.PRESIGNED]
    if in_header is not None and not (foreign and ignore_foreign_bearer):
        found.append(in_header)
    if len(found) > 1:
        raise AmbiguousCredentials(
            f"The request carries more than one credential ({', '.join(found)}); send one."
        )
    return found[0] if found else None


def bearer_token(head: RequestHead) -> str:
    """The token of an ``Authorization: Bearer`` header (RFC 6750, 2.1).

    Raises:
        MalformedCredential: there is no token, or more than one word.
    """
    words = (head.get(b"authorization") or "").split()
    if len(words) != 2:
        raise MalformedCredential("The Authorization header must read 'Bearer TOKEN'.")
    return words[1]


def _in_query(query: CanonicalQuery, on_slot: bool) -> list[Scheme]:
    names = {name.lower() for name in query.names()}
    found = []
    if not names.isdisjoint(_V4_PARAMETERS):
        found.append(Scheme.PRESIGNED)
    if not names.isdisjoint(_V2_PARAMETERS):
        found.append(Scheme.SIGV2)
    if on_slot and slot_token.presented(query):
        found.append(Scheme.SLOT)
    return found


def _in_header(value: str | None) -> Scheme | None:
    if value is None:
        return None
    scheme = value.lstrip().partition(" ")[0].lower()
    if scheme.startswith("aws4-"):
        return Scheme.SIGV4
    return {"aws": Scheme.SIGV2, "bearer": Scheme.BEARER}.get(scheme, Scheme.UNKNOWN)
