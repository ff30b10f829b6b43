"""Whether an object is the one that an upload made: asked when a process died between publishing and saying so.

An ETag that is computed from the bytes is proof. Where ETags are not, the object is read back and its CRC-64/NVME
compared with the one that was noted. Only where neither is known, size and time must do.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from gateway.errors import ObjectNotFound, PreconditionFailed
from gateway.model import Digest, ObjectInfo, PartReceipt
from gateway.pipeline.publish import Fingerprint
from gateway.storage.checksums import Checksum
from gateway.storage.etags import is_computed
from gateway.transfer.resumable.site import Site
from gateway.units import KiB

CRC: Final = "crc64nvme"
_STEP: Final = 64 * KiB


async def find_ours(
    site: Site, size: int, etag: str | None, crc: Digest | None, since: float
) -> ObjectInfo | None:
    """The object at the upload's key, if it is the upload's own: of ``size`` bytes, with the ETag or the CRC that its
    bytes give (None: not known), or else not older than ``since`` (Unix seconds).

    Raises:
        StorageError: nobody can tell.
    """
    try:
        info = await site.retrier.call("HeadObject", lambda: site.store.head(site.key))
    except ObjectNotFound:
        return None
    if info.size != size:
        return None
    if (etag is None or not is_computed(info.etag)) and crc is not None:
        return info if await _crc_of(site, info) == crc else None
    fingerprint = Fingerprint(size, etag, datetime.fromtimestamp(since, UTC))
    return info if fingerprint.matches(info) else None


async def _crc_of(site: Site, info: ObjectInfo) -> Digest | None:
    """The CRC of an object's bytes; None when it is replaced meanwhile."""

    async def attempt() -> Digest:
        checksum, view = Checksum(CRC), memoryview(bytearray(_STEP))
        opened = await site.store.get(site.key, if_match=info.etag)
        try:
            while count := await opened.source.read_into(view):
                checksum.update(view[:count])
        finally:
            await opened.source.aclose()
        return checksum.digest()

    try:
        return await site.retrier.call("GetObject", attempt)
    except (PreconditionFailed, ObjectNotFound):
        return None


def crc_of_parts(receipts: Sequence[PartReceipt], algorithm: str = CRC) -> Digest | None:
    """The CRC of a whole whose parts have it; None where one has not, or the algorithm cannot be composed."""
    from awscrt import checksums

    combine = {
        "crc64nvme": checksums.combine_crc64nvme,
        "crc32c": checksums.combine_crc32c,
        "crc32": checksums.combine_crc32,
    }.get(algorithm)
    if combine is None:
        return None
    total, width = 0, 8 if algorithm == CRC else 4
    for receipt in receipts:
        found = next((each for each in receipt.digests if each.algorithm == algorithm), None)
        if found is None:
            return None
        total = combine(total, int.from_bytes(found.value, "big"), receipt.size)
    return Digest(algorithm, total.to_bytes(width, "big"))
