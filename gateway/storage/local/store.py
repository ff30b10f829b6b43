"""The embedded store, in the event loop: every call is one piece of work for a thread."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from gateway.errors import StorageRejected, StorageUnavailable
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
from gateway.settings import LocalStorage
from gateway.storage import checksums
from gateway.storage.base import Capabilities
from gateway.storage.local.folder import Folder
from gateway.storage.local.source import FileSource, cut
from gateway.storage.rules import check_match, clamp, new_name

_NO_CONDITION: Final = WriteCondition()


class LocalStore:
    """An :class:`~gateway.storage.base.ObjectStore` in a folder. Several processes may share it."""

    def __init__(self, name: str, section: LocalStorage) -> None:
        self.name: Final = name
        self.capabilities: Final = Capabilities(
            parts=PartLimits(min_size=1),
            conditional_put="complete",
            checksums=checksums.ALGORITHMS,
            tells_replaced=True,
            unlisted_parts=True,
        )
        #: An unfinished part in the spool costs the same disk the same bytes.
        self.passages: Final = None
        self.prompt: Final = None
        self._section = section
        self._opened: Folder | None = None

    async def start(self) -> None:
        """Make the folder ready, and remove what dead processes left unfinished.

        Raises:
            StorageRejected: the folder cannot be used, or was written by a newer Sluice.
            StorageError: the disk fails.
        """
        self._opened = await asyncio.to_thread(
            Folder.open, self.name, self._section, self.capabilities.parts
        )

    async def aclose(self) -> None:
        """Wait for the calls that run, and refuse all others."""
        folder, self._opened = self._opened, None
        if folder is not None:
            await asyncio.to_thread(folder.close)

    async def probe(self, bucket: str, prefix: str) -> Capabilities:
        """Write, read and remove an object; what else it does is the same on every disk.

        Raises:
            StorageError: the folder cannot be written.
            BucketNotFound: the bucket does not exist.
        """
        key = ObjectKey(bucket, f"{prefix}{new_name()}")
        data = memoryview(b"probe")
        stored = await self.put(key, [data], Attributes(), condition=WriteCondition(absent=True))
        info = await self.head(key)
        await self.delete(key, if_match=stored.etag)
        if info.size != len(data):
            raise StorageRejected("The store's folder does not keep what is written to it.")
        return self.capabilities

    async def ping(self, bucket: str) -> None:
        """See ObjectStore."""
        folder = self._folder
        await folder.readers.run(lambda _: folder.check(bucket))

    async def list_buckets(self) -> list[str] | None:
        """See ObjectStore: the folders that are there."""
        folder = self._folder
        return await folder.readers.run(lambda _: folder.layout.buckets())

    async def head(self, key: ObjectKey) -> ObjectInfo:
        """See ObjectStore."""
        folder = self._folder
        return await folder.readers.run(lambda _: folder.objects.describe(key))

    async def get(
        self, key: ObjectKey, *, range: RangeRequest | None = None, if_match: str | None = None
    ) -> Opened:
        """See ObjectStore."""
        folder = self._folder
        found = await folder.readers.run(
            lambda _: folder.objects.open(key), discard=lambda late: late.file.close()
        )
        try:
            info = found.record.info
            check_match(if_match, info.etag)
            selected = clamp(range, info.size)
        except BaseException:
            found.file.close()
            raise
        pieces = cut(found.record.extents, selected or ByteRange(0, 0))
        return Opened(info, selected, FileSource(found.file, pieces, folder.readers))

    async def put(
        self,
        key: ObjectKey,
        views: Views,
        attributes: Attributes,
        *,
        condition: WriteCondition = _NO_CONDITION,
        digests: Sequence[Digest] = (),
    ) -> Stored:
        """See ObjectStore.

        Raises:
            StorageRejected: encryption is asked for, which a folder does not do.
        """
        _check_attributes(attributes)
        folder = self._folder
        return await folder.writers.run(
            lambda job: folder.objects.put(key, views, attributes, condition, digests, job.check)
        )

    async def delete(self, key: ObjectKey, *, if_match: str | None = None) -> None:
        """See ObjectStore."""
        folder = self._folder
        await folder.writers.run(lambda _: folder.objects.delete(key, if_match))

    async def delete_many(self, keys: Sequence[ObjectKey]) -> None:
        """See ObjectStore."""
        folder = self._folder
        await folder.writers.run(lambda _: folder.objects.delete_many(keys))

    async def create_multipart(self, key: ObjectKey, attributes: Attributes) -> MultipartRef:
        """See ObjectStore, and :meth:`put`."""
        _check_attributes(attributes)
        folder = self._folder
        # Cancelled, it leaves no upload that nobody knows of.
        return await folder.writers.run(
            lambda _: folder.uploads.create(key, attributes), discard=folder.uploads.abort
        )

    async def upload_part(self, ref: MultipartRef, part: Part) -> PartReceipt:
        """See ObjectStore."""
        folder = self._folder
        return await folder.writers.run(lambda job: folder.uploads.write_part(ref, part, job.check))

    async def complete_multipart(
        self,
        ref: MultipartRef,
        receipts: Sequence[PartReceipt],
        *,
        condition: WriteCondition = _NO_CONDITION,
    ) -> Stored:
        """See ObjectStore."""
        folder = self._folder
        return await folder.writers.run(lambda _: folder.uploads.complete(ref, receipts, condition))

    async def abort_multipart(self, ref: MultipartRef) -> None:
        """See ObjectStore."""
        folder = self._folder
        await folder.writers.run(lambda _: folder.uploads.abort(ref))

    async def list_parts(self, ref: MultipartRef) -> list[PartReceipt]:
        """See ObjectStore."""
        folder = self._folder
        return await folder.readers.run(lambda _: folder.uploads.parts(ref))

    async def list_multiparts(self, bucket: str, prefix: str) -> AsyncIterator[MultipartListing]:
        """See ObjectStore."""
        folder = self._folder
        for listing in await folder.readers.run(lambda _: folder.uploads.all(bucket, prefix)):
            yield listing

    @property
    def _folder(self) -> Folder:
        if self._opened is None:
            raise StorageUnavailable("The store is closed.")
        return self._opened


def _check_attributes(attributes: Attributes) -> None:
    if attributes.sse or attributes.sse_kms_key_id:
        raise StorageRejected(
            "A local store does not encrypt: remove sse from the bucket's configuration, or keep the bucket in S3."
        )
