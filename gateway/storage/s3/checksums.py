"""S3's additional checksums: names, values, and which one a part carries.

Sources: AmazonS3/latest/userguide/checking-object-integrity.html. Names in configuration and capabilities
are S3's in lower case (``sha256``); in :class:`~gateway.model.Digest` SHA-256 is RFC 9530's ``sha-256``.
"""

import hashlib
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from awscrt import checksums as crt

from gateway.model import Digest, Views

#: Cheapest first: CRC64NVME and CRC32C run at memory speed, SHA-256 is what the client may have sent.
PREFERENCE: Final = ("crc64nvme", "crc32c", "crc32", "sha256", "sha1")

_PARAMETERS: Final[Mapping[str, str]] = {
    "crc32": "ChecksumCRC32",
    "crc32c": "ChecksumCRC32C",
    "crc64nvme": "ChecksumCRC64NVME",
    "sha1": "ChecksumSHA1",
    "sha256": "ChecksumSHA256",
}

_CRCS: Final[Mapping[str, tuple[Callable[..., int], int]]] = {
    "crc32": (zlib.crc32, 4),
    "crc32c": (crt.crc32c, 4),
    "crc64nvme": (crt.crc64nvme, 8),
}


def s3_name(algorithm: str) -> str:
    """S3's lower-case name of a Digest's algorithm."""
    return "sha256" if algorithm == "sha-256" else algorithm


def digest_of(name: str, views: Views) -> Digest:
    """Compute the checksum with S3's ``name`` over all views.

    Raises:
        KeyError: not one of :data:`PREFERENCE`.
    """
    if name in _CRCS:
        function, width = _CRCS[name]
        value = 0
        for view in views:
            value = function(view, value)
        return Digest(name, value.to_bytes(width, "big"))
    running = {"sha1": hashlib.sha1, "sha256": hashlib.sha256}[name](usedforsecurity=False)
    for view in views:
        running.update(view)
    return Digest("sha-256" if name == "sha256" else name, running.digest())


def chosen(verified: Iterable[str]) -> str | None:
    """The algorithm that parts carry, of those that the store verifies; None: none."""
    known = set(verified)
    return next((name for name in PREFERENCE if name in known), None)


def to_send(digests: Sequence[Digest], verified: Iterable[str]) -> tuple[Digest, ...]:
    """Of the digests at hand, what a PutObject carries: the cheapest checksum that the store verifies (S3 takes
    one at a time), and Content-MD5, which every store verifies."""
    at_hand = {s3_name(digest.algorithm): digest for digest in digests}
    name = chosen(set(verified) & at_hand.keys())
    found = [at_hand[name]] if name is not None else []
    if "md5" in at_hand:
        found.append(at_hand["md5"])
    return tuple(found)


def parameters(digests: Sequence[Digest]) -> dict[str, str]:
    """botocore's parameters for these digests; those that S3 has no header for are left out."""
    names = {**_PARAMETERS, "md5": "ContentMD5"}
    return {
        names[s3_name(digest.algorithm)]: b64encode(digest.value).decode()
        for digest in digests
        if s3_name(digest.algorithm) in names
    }


def of_listed_part(part: Mapping[str, Any]) -> tuple[Digest, ...]:
    """The checksums that ListParts shows of a part."""
    return tuple(
        Digest("sha-256" if name == "sha256" else name, b64decode(part[parameter]))
        for name, parameter in _PARAMETERS.items()
        if parameter in part
    )


def of_part(digests: Sequence[Digest]) -> dict[str, str]:
    """What CompleteMultipartUpload repeats of a part's checksums."""
    return parameters([digest for digest in digests if s3_name(digest.algorithm) in _PARAMETERS])
