"""Whole objects as files. Everything here blocks and may raise OSError.

A write is: unfinished file in scratch → bytes and record → fsync → under the lock of the key's
folder: look at the condition, rename → fsync of the folder. The lock is the folder's own (flock), held
only for the look and the rename, and excludes writers in other processes too. Readers take no lock:
a name always leads to one whole version, and an open file stays what it was.
"""

import io
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.errors import BucketNotFound, ObjectNotFound, StorageCorrupt
from gateway.model import Attributes, Digest, ObjectInfo, ObjectKey, Stored, Views, WriteCondition
from gateway.storage import checksums
from gateway.storage.local import record
from gateway.storage.local.disk import Disk, locked, opened, opened_folder, write_all
from gateway.storage.local.layout import Layout
from gateway.storage.local.record import Extent, Record
from gateway.storage.local.scratch import Scratch
from gateway.storage.rules import check_condition, check_match, new_etag


@dataclass(frozen=True, slots=True)
class OpenObject:
    """One version of an object, open for reading."""

    file: io.FileIO
    record: Record


class Objects:
    """Open, put, delete, and publish what an upload has put together.

    ``create``: whether a bucket's folder is made at its first write.
    """

    def __init__(self, layout: Layout, scratch: Scratch, disk: Disk, *, create: bool) -> None:
        self._layout = layout
        self._scratch = scratch
        self._disk = disk
        self._create = create

    def open(self, key: ObjectKey) -> OpenObject:
        """Open the present version.

        Raises:
            ObjectNotFound: there is none.
            BucketNotFound: nor is there the bucket, and none will be made.
        """
        path = self._layout.object(key)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            self.check_bucket(key.bucket)
            raise ObjectNotFound("There is no object with this key.") from None
        file = io.FileIO(descriptor)
        try:
            found = record.read(descriptor)
            if found.info.key != key:
                raise StorageCorrupt("The object's file was moved or renamed by somebody else.")
        except BaseException:
            file.close()
            raise
        return OpenObject(file, found)

    def describe(self, key: ObjectKey) -> ObjectInfo:
        """The present version's description. Raises as :meth:`open`."""
        found = self.open(key)
        found.file.close()
        return found.record.info

    def put(
        self,
        key: ObjectKey,
        views: Views,
        attributes: Attributes,
        condition: WriteCondition,
        digests: Sequence[Digest],
        check: Callable[[], None],
    ) -> Stored:
        """Write a whole object. ``check`` may raise between batches, and before it becomes visible."""
        self.prepare(key)
        self.check(key, condition)
        checksums.verify(views, digests)
        path = self._scratch.path()
        try:
            with opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
                size = write_all(descriptor, views, 0, check)
                info = self.seal(descriptor, key, attributes, ((0, size),), end=size)
            check()
            return self.publish(path, info, condition)
        finally:
            with suppress(FileNotFoundError):
                path.unlink()

    def seal(
        self,
        descriptor: int,
        key: ObjectKey,
        attributes: Attributes,
        extents: tuple[Extent, ...],
        *,
        end: int,
    ) -> ObjectInfo:
        """Write the record behind the bytes, at ``end``, and settle the file on the disk."""
        info = ObjectInfo(
            key=key,
            size=sum(size for _, size in extents),
            etag=new_etag(),
            modified=datetime.now(UTC),
            attributes=attributes,
        )
        os.ftruncate(descriptor, end)
        text = memoryview(record.encode(Record(info, record.joined(extents))))
        write_all(descriptor, [text], end, lambda: None)
        self._disk.settle(descriptor)
        return info

    def publish(self, path: Path, info: ObjectInfo, condition: WriteCondition) -> Stored:
        """Make the sealed file at ``path`` the object, atomically.

        Raises:
            PreconditionFailed: the condition does not hold; the file is where it was.
        """
        target = self._layout.object(info.key)
        with opened_folder(target.parent) as folder:
            with locked(folder):
                before = self._etag(info.key)
                check_condition(condition, before)
                path.rename(target)
            self._disk.settle_folder(target.parent)
        return Stored(etag=info.etag, size=info.size, replaced=before is not None)

    def delete(self, key: ObjectKey, if_match: str | None) -> None:
        """Remove an object; a missing one is no error.

        Raises:
            PreconditionFailed: ``if_match`` is another version's ETag.
        """
        target = self._layout.object(key)
        try:
            with opened_folder(target.parent) as folder:
                with locked(folder):
                    if if_match is not None:
                        check_match(if_match, self._etag(key))
                    target.unlink()
                self._disk.settle_folder(target.parent)
        except FileNotFoundError:
            self.check_bucket(key.bucket)
            check_match(if_match, None)

    def delete_many(self, keys: Sequence[ObjectKey]) -> None:
        """Remove objects; missing ones are no error."""
        for key in keys:
            self.delete(key, None)

    def check(self, key: ObjectKey, condition: WriteCondition) -> None:
        """Look at a condition early, so that a write in vain is not begun.

        Raises:
            PreconditionFailed: it does not hold now.
        """
        if condition:
            check_condition(condition, self._etag(key))

    def prepare(self, key: ObjectKey) -> None:
        """Make the folders that a write needs.

        Raises:
            BucketNotFound: the bucket does not exist, and none is made.
        """
        target = self._layout.object(key)
        if target.parent.is_dir():
            return
        self.check_bucket(key.bucket)
        self._disk.make_folder(self._layout.bucket(key.bucket))
        self._disk.make_folder(target.parent)

    def check_bucket(self, name: str) -> None:
        """Raises:
        BucketNotFound: the bucket does not exist, and none is made.
        """
        folder = self._layout.bucket(name)
        if not self._create and not folder.is_dir():
            raise BucketNotFound(f"There is no bucket {name!r}.")

    def _etag(self, key: ObjectKey) -> str | None:
        """The present version's ETag; None where there is no object.

        A damaged file counts as an object that no condition matches: a plain write replaces it.
        """
        try:
            return self.describe(key).etag
        except ObjectNotFound:
            return None
        except StorageCorrupt:
            return ""
