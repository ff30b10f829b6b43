"""S3's additional checksums: names, values, and which one a part carries.

Source: AmazonS3/latest/userguide/checking-object-integrity.html. Names are those of
:class:`~gateway.model.Digest` everywhere (``sha-256``); S3's own (``SHA256``) appear only on its wire.
"""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from gateway.errors import DigestMismatch, GatewayError, StorageUnavailable
from gateway.model import Digest, Part, Views
from gateway.storage.checksums import compute, verify

#: Cheapest first: CRC64NVME and CRC32C run at memory speed, SHA-256 is what the client may have sent.
PREFERENCE: Final = ("crc64nvme", "crc32c", "crc32", "sha-256", "sha1")

#: Those cheap enough for the event loop.
INLINE: Final = frozenset({"crc64nvme", "crc32c"})

_PARAMETERS: Final[Mapping[str, str]] = {
    "crc32": "ChecksumCRC32",
    "crc32c": "ChecksumCRC32C",
    "crc64nvme": "ChecksumCRC64NVME",
    "sha1": "ChecksumSHA1",
    "sha-256": "ChecksumSHA256",
}


def named(names: Iterable[str]) -> frozenset[str]:
    """Names of algorithms as people write them in a configuration, made those of Digest."""
    return frozenset(
        "sha-256" if name.lower() == "sha256" else name.lower().replace("sha-1", "sha1")
        for name in names
    )


def s3_name(algorithm: str) -> str:
    """The value of x-amz-checksum-algorithm."""
    return algorithm.replace("-", "").upper()


def chosen(verified: Iterable[str]) -> str | None:
    """The algorithm that parts carry, of those that the store verifies; None: none."""
    known = frozenset(verified)
    return next((name for name in PREFERENCE if name in known), None)


def to_send(digests: Sequence[Digest], verified: Iterable[str]) -> tuple[Digest, ...]:
    """Of the digests at hand, what a PutObject carries: the cheapest checksum that the store verifies (S3 takes
    one at a time), and Content-MD5, which every store verifies."""
    if not digests:
        return ()
    at_hand = {digest.algorithm: digest for digest in digests}
    wanted = (chosen(set(verified) & at_hand.keys()), "md5")
    return tuple(at_hand[name] for name in wanted if name is not None and name in at_hand)


def parameters(digests: Iterable[Digest]) -> dict[str, str]:
    """botocore's parameters for these digests; those that S3 has no header for are left out."""
    names = {**_PARAMETERS, "md5": "ContentMD5"}
    return {
        names[digest.algorithm]: b64encode(digest.value).decode()
        for digest in digests
        if digest.algorithm in names
    }


def of_part(digests: Iterable[Digest]) -> dict[str, str]:
    """What CompleteMultipartUpload repeats of a part's checksums."""
    return parameters(digest for digest in digests if digest.algorithm in _PARAMETERS)


def of_listed_part(part: Mapping[str, Any]) -> tuple[Digest, ...]:
    """The checksums that ListParts shows of a part."""
    return tuple(
        Digest(name, b64decode(part[parameter]))
        for name, parameter in _PARAMETERS.items()
        if parameter in part
    )


async def carried_by(part: Part, name: str | None) -> tuple[Digest, ...]:
    """What a part carries: the announced checksum, computed here where nobody has it, and an MD5 at hand."""
    at_hand = to_send(part.digests, () if name is None else (name,))
    if name is None or any(digest.algorithm == name for digest in at_hand):
        return at_hand
    if name in INLINE:
        return (compute(name, part.views), *at_hand)
    return (await asyncio.to_thread(compute, name, part.views), *at_hand)


def damage_told_from_mistakes(
    error: DigestMismatch, views: Views, digests: Sequence[Digest]
) -> GatewayError:
    """When a store finds that bytes and digest differ: either the digest we were given is wrong, or the bytes were
    damaged on their way, and then sending them again helps. Answer which it is: DigestMismatch or
    StorageUnavailable."""
    try:
        verify(views, digests)
    except DigestMismatch:
        return error
    return StorageUnavailable("The bytes were damaged on their way to the store.")
