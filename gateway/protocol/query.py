"""Query strings, read strictly: each name and value decoded once, ``+`` is a plus, order is kept.

No form decoding here: a space is ``%20`` on S3's wire, and a signature covers what was sent.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, TypeAlias
from urllib.parse import unquote_to_bytes

from gateway.errors import BadRequest, InvalidUri
from gateway.protocol.commands import RequestHead
from gateway.protocol.names import shown

#: Name and value of each parameter, decoded, in the order sent; a flag (``?acl``) has the value ``""``.
Query: TypeAlias = tuple[tuple[str, str], ...]

#: More parameters than any operation has; each costs time before the key of a request is known (security case 96).
MAX_PARAMETERS: Final = 256

_BAD: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})|[\x00-\x20\x7f#]")
#: Parameters that only a presigned URL has (version 4 or 2, in AWS's own spelling or any other).
_SIGNATURE_PARAMETERS: Final = frozenset(
    {"x-amz-signature", "x-amz-credential", "x-amz-algorithm", "awsaccesskeyid"}
)


# What needs escapes in a signed query is the same for many requests of a signer.
@lru_cache(maxsize=64)
def _decode(raw: bytes) -> str:
    try:
        return (unquote_to_bytes(raw) if b"%" in raw else raw).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidUri("The query is not UTF-8 once its percent escapes are decoded.") from None


@lru_cache(maxsize=4)  # routing, the dialect and has_signature ask for the same one in a row
def parse_query(raw: bytes) -> Query:
    """Split and decode a raw query (without its ``?``). Empty pieces (``a&&b``) are skipped.

    Raises:
        InvalidUri: a bad escape, a forbidden raw byte, bytes that are not UTF-8, or too many parameters.
    """
    if not raw:
        return ()
    check_count(raw)
    if _BAD.search(raw):
        raise InvalidUri("The query holds a bad percent escape or a byte that must be encoded.")
    if not raw.isascii():
        pairs = [piece.partition(b"=") for piece in raw.split(b"&") if piece]
        return tuple([(_decode(name), _decode(value)) for name, _, value in pairs])
    pieces = [piece.partition("=") for piece in raw.decode("ascii").split("&") if piece]
    if b"%" not in raw:
        return tuple([(name, value) for name, _, value in pieces])
    return tuple(
        [
            (
                _decode(name.encode()) if "%" in name else name,
                _decode(value.encode()) if "%" in value else value,
            )
            for name, _, value in pieces
        ]
    )


def single(query: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The parameters by name, where each may occur once (security case 11).

    Raises:
        BadRequest: one occurs twice.
    """
    values: dict[str, str] = {}
    for name, value in query:
        if name in values:
            raise BadRequest(f"The query parameter {shown(name)} was sent more than once.")
        values[name] = value
    return values


def check_count(raw: bytes) -> None:
    """Refuse a query of more pieces than any request needs, before they are looked at.

    Raises:
        InvalidUri: there are more than :data:`MAX_PARAMETERS`.
    """
    if raw.count(b"&") >= MAX_PARAMETERS:
        raise InvalidUri(f"The query has more than {MAX_PARAMETERS} parameters.")


def refuse_overrides(raw: bytes) -> None:
    """Refuse ``response-*`` parameters, for a read that no AWS signature covers.

    Whoever writes a link could otherwise choose the type and the file name that a stranger's object is
    shown with (security case 29). Dropping them instead would serve another answer than was asked for.

    Raises:
        BadRequest: there is one, in any case.
        InvalidUri: as :func:`parse_query`.
    """
    if b"response-" not in raw.lower() and b"%" not in raw:
        return
    if any(name.lower().startswith("response-") for name, _ in parse_query(raw)):
        raise BadRequest("Response headers can only be set by a request with an AWS signature.")


def has_signature(head: RequestHead, query: Query) -> bool:
    """Whether the request carries an AWS signature (version 2 or 4, in the header or the query).

    It says what was sent, not that it is right: the authenticator has refused it otherwise before a
    dialect parses.
    """
    for value in head.index.get(b"authorization", ()):
        scheme = value.lstrip().partition(b" ")[0].upper()
        if scheme == b"AWS" or scheme.startswith(b"AWS4-"):
            return True
    return not _SIGNATURE_PARAMETERS.isdisjoint([name.lower() for name, _ in query])
