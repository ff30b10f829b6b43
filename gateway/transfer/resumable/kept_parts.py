"""The parts of an upload that the sessions know: the receipts that complete it, and what follows from them."""

from collections.abc import Iterable, Sequence
from contextlib import suppress

from gateway.errors import GatewayError, StorageCorrupt
from gateway.model import Digest, PartReceipt
from gateway.sessions.uploads import UploadSession
from gateway.transfer.resumable.proof import crc_of_parts
from gateway.transfer.resumable.site import Site
from gateway.transfer.resumable.whole_digests import Running


def receipts_of(session: UploadSession) -> list[PartReceipt]:
    """The committed parts in order, each byte once.

    Raises:
        StorageCorrupt: they have a hole.
    """
    receipts: list[PartReceipt] = []
    at = 0
    for extent in session.extents:
        if not extent.number or extent.offset < at:
            continue
        if extent.offset > at:
            raise StorageCorrupt("The kept parts of this upload have a hole.")
        receipts.append(
            PartReceipt(extent.number, extent.offset, extent.size, extent.etag, extent.digests)
        )
        at = extent.stop
    return receipts


def digests_of(
    names: Iterable[str], receipts: Sequence[PartReceipt], running: Running | None
) -> dict[str, Digest]:
    """Of the algorithms ``names``, the digests of the whole that are known: ``running`` has seen all bytes, or the
    parts' own make them up."""
    computed: dict[str, Digest] = {}
    for name in names:
        if running is not None and name in running:
            computed[name] = running[name].digest()
        elif (composed := crc_of_parts(receipts, name)) is not None:
            computed[name] = composed
    return computed


async def lost(session: UploadSession, site: Site, receipts: Sequence[PartReceipt]) -> GatewayError:
    """Why the parts can't become an object."""
    ref, kept = site.ref(session), {receipt.number for receipt in receipts}
    assert ref is not None
    with suppress(GatewayError):
        held = await site.retrier.call("ListParts", lambda: site.store.list_parts(ref))
        if not site.store.capabilities.unlisted_parts and not kept.issuperset(
            part.number for part in held
        ):
            return StorageCorrupt(
                "The upload ends before parts that were sent and did not count, and this store takes all"
                " parts or none; send it again."
            )
    return StorageCorrupt("The store has lost parts of this upload; send it again.")
