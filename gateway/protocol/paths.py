"""From a raw request path to bucket and key: decoded exactly once, never normalised.

The same decoded key is authorised and acted upon, so nothing here folds, collapses or resolves
anything: ``a//b``, ``a/../b`` and the two Unicode forms of one letter are different keys. What is
dangerous to whoever takes a key for a file name (``.`` and ``..`` segments) is refused where
``strict`` asks for it, which is everywhere but in requests with an AWS signature.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from gateway.errors import InvalidBucketName, InvalidUri, KeyTooLong
from gateway.model import ObjectKey

#: Longest key in bytes of UTF-8, as in Amazon S3.
MAX_KEY: Final = 1024

_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_RAW_FORBIDDEN: Final = re.compile(rb"[\x00-\x20\x7f#]")
#: Control characters, and the two code points that XML 1.0 cannot carry in a listing.
_UNLISTABLE: Final = re.compile("[\x00-\x1f\x7f\ufffe\uffff]")
_BUCKET: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]", re.ASCII)
_IPV4: Final = re.compile(r"[0-9]+(?:\.[0-9]+){3}", re.ASCII)
#: Nothing to decode, and no segment that begins with a dot. No longer than a key may be.
_PLAIN_KEY: Final = re.compile(
    rb"[A-Za-z0-9_~-][A-Za-z0-9._~-]*(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*"
).fullmatch
_RESERVED_PREFIXES: Final = ("xn--", "sthree-")
_RESERVED_SUFFIXES: Final = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
#: What RFC 3986 allows unescaped in a path: a client's URL library leaves these as they are.
_PATH_SAFE: Final = "/!$&'()*+,;=:@~"


def decode_path(raw: bytes) -> str:
    """Decode percent escapes once; ``+`` stays a plus.

    Raises:
        InvalidUri: a bad escape, a forbidden raw byte, or bytes that are not UTF-8.
    """
    if _RAW_FORBIDDEN.search(raw):
        raise InvalidUri("The path holds a byte that must be percent-encoded.")
    if _BAD_ESCAPE.search(raw):
        raise InvalidUri("The path holds a percent sign that two hexadecimal digits must follow.")
    try:
        return (unquote_to_bytes(raw) if b"%" in raw else raw).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidUri("The path is not UTF-8 once its percent escapes are decoded.") from None


def check_bucket(name: str) -> str:
    """Answer ``name`` if it may name a bucket: 3 to 63 of ``a-z 0-9 . -``, as Amazon's rules say.

    Raises:
        InvalidBucketName: it may not.
    """
    if (
        _BUCKET.fullmatch(name) is None
        or ".." in name
        or _IPV4.fullmatch(name)
        or name.startswith(_RESERVED_PREFIXES)
        or name.endswith(_RESERVED_SUFFIXES)
    ):
        raise InvalidBucketName(
            "A bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens, begins and "
            "ends with a letter or digit, and is not an IP address or a reserved name."
        )
    return name


def check_key(name: str, *, strict: bool) -> str:
    """Answer ``name`` if it may name an object. ``strict`` also refuses ``.`` and ``..`` segments.

    Control characters are refused in either case: XML 1.0 cannot carry them, so a listing could
    not show the key.

    Raises:
        KeyTooLong: more than 1,024 bytes of UTF-8.
        InvalidUri: a forbidden character or segment.
    """
    if len(name) > MAX_KEY or len(name.encode("utf-8")) > MAX_KEY:
        raise KeyTooLong(f"The key is longer than {MAX_KEY} bytes of UTF-8.")
    if _UNLISTABLE.search(name):
        raise InvalidUri("The key holds a control character.")
    if strict and any(segment in (".", "..") for segment in name.split("/")):
        raise InvalidUri("The key holds a segment . or .., which is not allowed here.")
    return name


def split_path(raw_path: bytes, *, strict: bool) -> ObjectKey | None:
    """Read ``/{bucket}/{key}``; None for ``/`` alone. ``name`` is empty for the bucket itself.

    The bucket ends at the first raw slash: ``%2F`` never separates bucket from key.

    Raises:
        InvalidUri: it cannot be decoded, or holds what is not allowed.
        InvalidBucketName: the first segment is no bucket's name (an empty one included).
        KeyTooLong: the rest is over 1,024 bytes.
    """
    if raw_path == b"/":
        return None
    bucket, _, key = raw_path[1:].partition(b"/")
    plain = len(key) <= MAX_KEY and _PLAIN_KEY(key)
    name = key.decode("ascii") if plain else check_key(decode_path(key), strict=strict)
    return ObjectKey(_bucket(bucket), name)


@lru_cache(maxsize=256)  # a gateway has few, but their names are anybody's to choose
def _bucket(raw: bytes) -> str:
    return check_bucket(decode_path(raw))


@lru_cache
def _raw_base(base_path: str) -> bytes:
    return quote(base_path, safe=_PATH_SAFE).encode("ascii")


def strip_base(raw_path: bytes, base_path: str) -> bytes | None:
    """What follows a slot's ``base_path`` (which ends with a slash), still raw; None where the path is another's.

    Compared in the raw form, with ``base_path`` as URL libraries write it: an escape that need not be
    there makes another path.
    """
    base = _raw_base(base_path)
    return raw_path[len(base) :] if raw_path.startswith(base) else None


def bucket_of_host(host: str, domains: Sequence[str]) -> str | None:
    """The bucket in a virtual-host name: ``photos`` in ``photos.s3.example.org`` for the domain ``s3.example.org``.

    ``host`` is lower-case and without port. The longest matching domain counts; None where none does.

    Raises:
        InvalidBucketName: what stands before the domain is no bucket's name.
    """
    for domain in sorted(domains, key=len, reverse=True):
        if host == domain.lower():
            return None
        if host.endswith("." + domain.lower()):
            return check_bucket(host[: -len(domain) - 1])
    return None
