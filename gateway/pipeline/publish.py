"""Making an object visible, and finding out whether it is when the answer was lost.

A call that publishes may take effect although its answer never came. Its repetition then fails
(NoSuchUpload, or a precondition that our own object breaks), which proves nothing either way. So the object
itself is asked: it is ours if it has our size and the ETag that our bytes give; where ETags are no MD5s
(encrypted objects), if it is not older than the upload. Success is never assumed.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.errors import (
    ConcurrentWrite,
    GatewayError,
    InvalidPart,
    MultipartLost,
    PreconditionFailed,
    StorageCorrupt,
    StorageError,
    StorageRejected,
    StorageThrottled,
    StorageUnavailable,
)
from gateway.model import (
    Attributes,
    ObjectInfo,
    ObjectKey,
    PartReceipt,
    Stored,
    Views,
    WriteCondition,
)
from gateway.pipeline.flight import Retry, part_digests
from gateway.storage.base import ObjectStore
from gateway.storage.etags import is_computed, whole_etag

#: Last-Modified counts whole seconds.
_COARSE: Final = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells our object from another's: ``size`` in bytes, the ETag it must have (None: can't be known), and
    when the upload began."""

    size: int
    etag: str | None
    since: datetime

    def matches(self, info: ObjectInfo) -> bool:
        """Whether ``info`` describes our object."""
        if info.size != self.size:
            return False
        if self.etag is not None and is_computed(info.etag):
            return info.etag == self.etag
        return info.modified >= self.since - _COARSE


def check_run(receipts: Sequence[PartReceipt], size: int) -> None:
    """Hold the receipts against what was read: an unbroken run from part 1 that adds up to ``size`` bytes.

    Raises:
        StorageCorrupt: they are not.
    """
    offset = 0
    for number, receipt in enumerate(receipts, start=1):
        if receipt.number != number or receipt.offset != offset:
            raise StorageCorrupt("The acknowledged parts are not an unbroken run.")
        offset += receipt.size
    if offset != size:
        raise StorageCorrupt("The acknowledged parts do not add up to the body.")


async def publish(
    store: ObjectStore,
    key: ObjectKey,
    retry: Retry,
    operation: str,
    call: Callable[[], Awaitable[Stored]],
    fingerprint: Callable[[], Fingerprint],
    *,
    repeat: bool = True,
) -> Stored:
    """Carry out ``call`` by the retry policy, or once if it can't be repeated; when an answer was lost on the way, ask
    the object.

    Raises:
        GatewayError: nothing of ours was published, as far as can be known; the last attempt's error.
    """
    lost = False

    async def attempt() -> Stored:
        nonlocal lost
        try:
            return await call()
        except StorageError as error:
            lost = lost or _may_have_happened(error)
            raise

    try:
        return await (retry(operation, attempt) if repeat else attempt())
    except (
        MultipartLost,
        InvalidPart,
        PreconditionFailed,
        ConcurrentWrite,
        StorageUnavailable,
    ):
        stored = await _ours(store, key, retry, fingerprint()) if lost else None
        if stored is None:
            raise
        return stored


async def publish_whole(
    store: ObjectStore,
    key: ObjectKey,
    views: Views,
    attributes: Attributes,
    condition: WriteCondition,
    retry: Retry,
    since: datetime,
) -> Stored:
    """One PutObject of a body that is all here, with the checksum that the store verifies, if there is one.

    Raises:
        GatewayError: as :func:`publish`.
    """
    digests = part_digests(store, views)
    return await publish(
        store,
        key,
        retry,
        "PutObject",
        lambda: store.put(key, views, attributes, condition=condition, digests=digests),
        lambda: Fingerprint(sum([len(view) for view in views]), whole_etag(views), since),
    )


def _may_have_happened(error: StorageError) -> bool:
    return not isinstance(error, MultipartLost | StorageRejected | StorageThrottled)


async def _ours(
    store: ObjectStore, key: ObjectKey, retry: Retry, fingerprint: Fingerprint
) -> Stored | None:
    try:
        info = await retry("HeadObject", lambda: store.head(key))
    except GatewayError:
        return None  # unknown: the first error is the better answer
    if not fingerprint.matches(info):
        return None
    return Stored(etag=info.etag, size=info.size, version=info.version)
