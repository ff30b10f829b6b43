"""Objects in this process's memory: a whole, honest store for trying things out and for tests.

All of it happens in the event loop without an await in between, so every call is atomic.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from gateway.errors import BucketNotFound, MultipartLost, ObjectNotFound
from gateway.model import (
    Attributes,
    ByteRange,
    Digest,
    MultipartListing,
    MultipartRef,
    ObjectInfo,
    ObjectKey,
    Opened,
    Part,
    PartLimits,
    PartReceipt,
    RangeRequest,
    Stored,
    Views,
    WriteCondition,
)
from gateway.storage import checksums
from gateway.storage.base import Capabilities
from gateway.storage.held import HeldSource
from gateway.storage.memory_passage import MemoryPassage
from gateway.storage.rules import (
    check_condition,
    check_match,
    check_part,
    clamp,
    in_order,
    new_etag,
    new_name,
    settle,
)

_NO_CONDITION: Final = WriteCondition()


@dataclass(frozen=True, slots=True)
class _Object:
    info: ObjectInfo
    data: bytes


@dataclass(slots=True)
class _Upload:
    ref: MultipartRef
    attributes: Attributes
    initiated: datetime
    parts: dict[int, tuple[PartReceipt, bytes]] = field(default_factory=dict)

    def receipts(self) -> dict[int, PartReceipt]:
        return {number: receipt for number, (receipt, _) in self.parts.items()}


class MemoryStore:
    """An :class:`~gateway.storage.base.ObjectStore` that forgets everything at the end.

    ``buckets``: the buckets there are; None: every bucket exists.
    """

    def __init__(
        self,
        name: str,
        *,
        parts: PartLimits = PartLimits(min_size=1),
        buckets: Iterable[str] | None = None,
    ) -> None:
        self.name: Final = name
        self.capabilities = Capabilities(
            parts=parts,
            conditional_put="complete",
            checksums=checksums.ALGORITHMS,
            tells_replaced=True,
            unlisted_parts=True,
        )
        self._buckets = None if buckets is None else frozenset(buckets)
        self._objects: dict[ObjectKey, _Object] = {}
        self._uploads: dict[str, _Upload] = {}

    @property
    def passages(self) -> "MemoryStore":
        """Itself."""
        return self

    @property
    def prompt(self) -> None:
        """None: here no call waits for anything."""
        return None

    async def start(self) -> None:
        """Nothing to open."""

    async def aclose(self) -> None:
        """Forget everything."""
        self._objects.clear()
        self._uploads.clear()

    async def probe(self, bucket: str, prefix: str) -> Capabilities:
        """What it does is known without trying.

        Raises:
            BucketNotFound: the bucket does not exist.
        """
        self._check_bucket(bucket)
        return self.capabilities

    async def ping(self, bucket: str) -> None:
        """Answer if ``bucket`` exists.

        Raises:
            BucketNotFound: it does not.
        """
        self._check_bucket(bucket)

    async def list_buckets(self) -> list[str] | None:
        """The given buckets; where every bucket exists, those that hold something."""
        if self._buckets is not None:
            return sorted(self._buckets)
        used = {key.bucket for key in self._objects}
        return sorted(used | {upload.ref.key.bucket for upload in self._uploads.values()})

    async def head(self, key: ObjectKey) -> ObjectInfo:
        """See ObjectStore."""
        return self._find(key).info

    async def get(
        self, key: ObjectKey, *, range: RangeRequest | None = None, if_match: str | None = None
    ) -> Opened:
        """See ObjectStore."""
        found = self._find(key)
        check_match(if_match, found.info.etag)
        selected = clamp(range, found.info.size)
        inside = selected or ByteRange(0, 0)
        source = HeldSource(memoryview(found.data)[inside.start : inside.stop])
        return Opened(found.info, selected, source)

    async def put(
        self,
        key: ObjectKey,
        views: Views,
        attributes: Attributes,
        *,
        condition: WriteCondition = _NO_CONDITION,
        digests: Sequence[Digest] = (),
    ) -> Stored:
        """See ObjectStore."""
        self._check_bucket(key.bucket)
        checksums.verify(views, digests)
        return self._publish(key, b"".join(views), attributes, condition)

    async def delete(self, key: ObjectKey, *, if_match: str | None = None) -> None:
        """See ObjectStore."""
        self._check_bucket(key.bucket)
        check_match(if_match, self._etag(key))
        self._objects.pop(key, None)

    async def delete_many(self, keys: Sequence[ObjectKey]) -> None:
        """See ObjectStore."""
        for key in keys:
            await self.delete(key)

    async def create_multipart(self, key: ObjectKey, attributes: Attributes) -> MultipartRef:
        """See ObjectStore."""
        self._check_bucket(key.bucket)
        ref = MultipartRef(self.name, key, new_name())
        self._uploads[ref.upload_id] = _Upload(ref, attributes, datetime.now(UTC))
        return ref

    async def upload_part(self, ref: MultipartRef, part: Part) -> PartReceipt:
        """See ObjectStore."""
        return self._keep(ref, part)

    def _keep(self, ref: MultipartRef, part: Part) -> PartReceipt:
        upload = self._upload(ref)
        data = b"".join(part.views)
        check_part(part, len(data), self.capabilities.parts)
        checksums.verify(part.views, part.digests)
        receipt = PartReceipt(part.number, part.offset, len(data), new_etag(), part.digests)
        upload.parts[part.number] = receipt, data
        return receipt

    async def open_put(
        self, key: ObjectKey, size: int, attributes: Attributes, *, condition: WriteCondition
    ) -> MemoryPassage[Stored]:
        """See Passages."""
        self._check_bucket(key.bucket)
        check_condition(condition, self._etag(key))
        return MemoryPassage(size, lambda data: self._publish(key, data, attributes, condition))

    async def open_part(
        self, ref: MultipartRef, number: int, offset: int, size: int
    ) -> MemoryPassage[PartReceipt]:
        """See Passages."""
        self._upload(ref)
        return MemoryPassage(
            size,
            lambda data: self._keep(ref, Part(number, offset, len(data), (memoryview(data),))),
        )

    async def complete_multipart(
        self,
        ref: MultipartRef,
        receipts: Sequence[PartReceipt],
        *,
        condition: WriteCondition = _NO_CONDITION,
    ) -> Stored:
        """See ObjectStore."""
        upload = self._upload(ref)
        chosen = settle(receipts, upload.receipts(), self.capabilities.parts)
        data = b"".join(upload.parts[receipt.number][1] for receipt in chosen)
        stored = self._publish(ref.key, data, upload.attributes, condition)
        del self._uploads[ref.upload_id]
        return stored

    async def abort_multipart(self, ref: MultipartRef) -> None:
        """See ObjectStore."""
        upload = self._uploads.get(ref.upload_id)
        if upload is not None and upload.ref == ref:
            del self._uploads[ref.upload_id]

    async def list_parts(self, ref: MultipartRef) -> list[PartReceipt]:
        """See ObjectStore."""
        return in_order(self._upload(ref).receipts())

    async def list_multiparts(self, bucket: str, prefix: str) -> AsyncIterator[MultipartListing]:
        """See ObjectStore."""
        self._check_bucket(bucket)
        for upload in list(self._uploads.values()):
            key = upload.ref.key
            if key.bucket == bucket and key.name.startswith(prefix):
                yield MultipartListing(upload.ref, upload.initiated)

    def _publish(
        self, key: ObjectKey, data: bytes, attributes: Attributes, condition: WriteCondition
    ) -> Stored:
        before = self._etag(key)
        check_condition(condition, before)
        info = ObjectInfo(
            key=key,
            size=len(data),
            etag=new_etag(),
            modified=datetime.now(UTC),
            attributes=attributes,
        )
        self._objects[key] = _Object(info, data)
        return Stored(etag=info.etag, size=info.size, replaced=before is not None)

    def _etag(self, key: ObjectKey) -> str | None:
        found = self._objects.get(key)
        return None if found is None else found.info.etag

    def _find(self, key: ObjectKey) -> _Object:
        self._check_bucket(key.bucket)
        found = self._objects.get(key)
        if found is None:
            raise ObjectNotFound("There is no object with this key.")
        return found

    def _upload(self, ref: MultipartRef) -> _Upload:
        upload = self._uploads.get(ref.upload_id)
        if upload is None or upload.ref != ref:
            raise MultipartLost("The upload was completed, aborted, or never begun.")
        return upload

    def _check_bucket(self, bucket: str) -> None:
        if self._buckets is not None and bucket not in self._buckets:
            raise BucketNotFound(f"There is no bucket {bucket!r}.")
