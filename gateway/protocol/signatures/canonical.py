"""The canonical form of a request in AWS Signature Version 4, with S3's rules.

Source: "Create a signed AWS API request" (AWS IAM guide) and "Authenticating Requests" (Amazon S3
API reference). S3 differs from every other service in the path: its segments are never normalised
(``//``, ``.`` and ``..`` stay) and it is encoded once. What two clients may spell differently on the
wire (``%2f`` and ``%2F``, ``(`` and ``%28``, ``?uploads`` and ``?uploads=``) has one canonical form:
decoded once, encoded again. Everything here is bytes: header values and keys need not be text.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from gateway.errors import BadRequest, InvalidUri, SignatureMismatch
from gateway.protocol.names import shown
from gateway.protocol.query import check_count

_PLAIN: Final = re.compile(rb"[A-Za-z0-9._~-]*").fullmatch
_PLAIN_PATH: Final = re.compile(rb"[A-Za-z0-9._~/-]*").fullmatch
#: A whole query in which every piece is spelled canonically already: as presigners write it.
_CANONICAL_QUERY: Final = re.compile(
    rb"[A-Za-z0-9._~=&-]*"
    rb"(?:%(?!2[DE]|3[0-9]|4[1-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9AE])[0-9A-F]{2}[A-Za-z0-9._~=&-]*)*"
).fullmatch
_BROKEN_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})").search


def decode_once(raw: bytes) -> bytes:
    """Percent-decode exactly once; ``+`` is a plus.

    Raises:
        InvalidUri: a ``%`` that two hexadecimal digits don't follow.
    """
    if b"%" not in raw:
        return raw
    if _BROKEN_ESCAPE(raw):
        raise InvalidUri(
            "A % in the request's target is not followed by two hexadecimal digits;"
            " write a literal % as %25."
        )
    return unquote_to_bytes(raw)


def encode(value: bytes, *, safe: str = "") -> bytes:
    """Percent-encode all but RFC 3986's unreserved characters, and those in ``safe``."""
    plain = _PLAIN_PATH if safe == "/" else _PLAIN
    return value if plain(value) else quote_from_bytes(value, safe=safe).encode("ascii")


def canonical_path(raw: bytes) -> bytes:
    """The path in its canonical spelling, all segments as they were sent.

    Raises:
        InvalidUri: it does not begin with a slash, or holds a broken escape.
    """
    if not raw.startswith(b"/"):
        raise InvalidUri("The request's target must begin with a slash.")
    return raw if _PLAIN_PATH(raw) else encode(decode_once(raw), safe="/")


class CanonicalQuery:
    """A query string read once: every parameter at most once, in canonical spelling.

    Decoded once, with ``+`` a plus and not a space: a dialect reads parameters by the same rule, so
    what was verified and what is done cannot differ. Names are case-sensitive.
    """

    __slots__ = ("_pairs",)

    def __init__(self, raw: bytes) -> None:
        """Read a raw query, without its question mark.

        Raises:
            BadRequest: a parameter occurs twice.
            InvalidUri: a broken percent escape, or too many parameters.
        """
        check_count(raw)
        pairs: dict[bytes, bytes] = {}
        canonical = _CANONICAL_QUERY(raw)
        for piece in raw.split(b"&"):
            if not piece:
                continue
            name, _, value = piece.partition(b"=")
            if not canonical or b"=" in value:
                name, value = _respell(name), _respell(value)
            if name in pairs:
                raise BadRequest(
                    f"The query parameter {shown(name.decode())} was sent more than once; send it once."
                )
            pairs[name] = value
        self._pairs: Final = pairs

    def __contains__(self, name: str) -> bool:
        return _spelled(name) in self._pairs

    def get(self, name: str) -> str | None:
        """A parameter's decoded value (empty for ``?name``), or None where it was not sent.

        Raises:
            InvalidUri: the value is not UTF-8.
        """
        value = self._pairs.get(_spelled(name))
        if value is None:
            return None
        try:
            return (_unescaped(value) if b"%" in value else value).decode()
        except UnicodeDecodeError:
            raise InvalidUri("A query parameter is not UTF-8.") from None

    def names(self) -> Iterable[bytes]:
        """The names in the order they were sent, in canonical spelling: for the letters, digits and
        hyphens of every known parameter that is the plain one."""
        return self._pairs.keys()

    def starting_with(self, prefix: bytes) -> dict[bytes, bytes]:
        """The decoded bytes of the parameters whose names begin with ``prefix`` (lower case) in any spelling, by
        lower-case name.

        Raises:
            BadRequest: one was sent in two spellings.
        """
        found: dict[bytes, bytes] = {}
        for name, value in self._pairs.items():
            lowered = name.lower()
            if not lowered.startswith(prefix):
                continue
            if lowered in found:
                raise BadRequest(
                    f"The query parameter {shown(lowered.decode())} was sent in two spellings; send it once."
                )
            found[lowered] = _unescaped(value) if b"%" in value else value
        return found

    def canonical(self, *, without: bytes | None = None) -> bytes:
        """The canonical query string: sorted by name, all with ``=``; ``without`` is left out. A parameter may have
        the empty name: it is one like the others."""
        return b"&".join(
            [name + b"=" + value for name, value in sorted(self._pairs.items()) if name != without]
        )


@lru_cache(maxsize=64)
def _spelled(name: str) -> bytes:
    """The canonical spelling of a name that is asked for: the same few with every request."""
    return encode(name.encode())


def _respell(raw: bytes) -> bytes:
    return raw if _PLAIN(raw) else _respelled(raw)


# What needs escapes in a signed query (the credential's scope, the list of signed headers) is the same for many
# requests of a signer.
@lru_cache(maxsize=64)
def _respelled(raw: bytes) -> bytes:
    return encode(decode_once(raw))


@lru_cache(maxsize=64)
def _unescaped(value: bytes) -> bytes:
    return unquote_to_bytes(value)


def canonical_value(values: Sequence[bytes]) -> bytes:
    """A header's value: trimmed, runs of white space one space; repeats joined by commas in order."""
    if len(values) == 1:
        return b" ".join(values[0].split())
    return b",".join([b" ".join(value.split()) for value in values])


def canonical_request(
    method: str,
    path: bytes,
    query: bytes,
    headers: Iterable[tuple[bytes, bytes]],
    payload: bytes,
) -> bytes:
    """The text whose SHA-256 is signed. ``headers`` are canonical and sorted; ``payload`` is the
    body's SHA-256 in hex, or the constant that stands for it."""
    pairs = tuple(headers)
    lines = [name + b":" + value + b"\n" for name, value in pairs]
    names = b";".join([name for name, _ in pairs])
    return b"\n".join((method.encode(), path, query, b"".join(lines), names, payload))


def select_headers(
    index: Mapping[bytes, Sequence[bytes]],
    names: Iterable[bytes],
    stand_ins: Mapping[bytes, bytes],
) -> list[tuple[bytes, bytes]]:
    """The signed headers in canonical form. ``stand_ins`` speak for ``x-amz-*`` headers that were not
    sent: a presigned URL may carry them in its query, which is signed too.

    Raises:
        SignatureMismatch: a header was signed and neither it nor a stand-in was sent. It never
            counts as empty.
    """
    selected = []
    for name in names:
        values = index.get(name)
        if values is not None:
            selected.append((name, canonical_value(values)))
        elif name in stand_ins:
            selected.append((name, canonical_value((stand_ins[name],))))
        else:
            known = shown(name.decode("latin-1"))
            raise SignatureMismatch(
                f"The header {known} is listed in SignedHeaders but was not sent; a proxy may have"
                " removed it."
            )
    return selected
