"""Multipart uploads as folders. Everything here blocks and may raise OSError.

``.multipart/<upload id>/`` appears with one rename, complete: ``upload.json`` (key, attributes, time),
``data`` (the bytes of all parts) and ``parts`` (the journal, see ``part_table``). Its own lock (flock)
guards the journal and is held for moments, never while bytes are written. A folder without ``data``
is a completed upload that a crash left behind: to everybody it does not exist.
"""

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cachetools import LRUCache

from gateway.errors import MultipartLost
from gateway.model import (
    Attributes,
    MultipartListing,
    MultipartRef,
    ObjectKey,
    Part,
    PartLimits,
    PartReceipt,
    Stored,
    WriteCondition,
)
from gateway.storage import checksums
from gateway.storage.local import part_table
from gateway.storage.local.disk import FOLDER_MODE, Disk, locked, opened, opened_folder, write_all
from gateway.storage.local.layout import Layout
from gateway.storage.local.objects import Objects
from gateway.storage.local.part_table import Entry, Kept, PartTable
from gateway.storage.local.record import attributes_from_json, attributes_to_json
from gateway.storage.local.scratch import Scratch
from gateway.storage.rules import check_part, in_order, new_etag, new_name, settle

_ABOUT: Final = "upload.json"
_DATA: Final = "data"
_JOURNAL: Final = "parts"
#: Uploads whose replayed journal is kept in memory; others are replayed again when asked for.
_REMEMBERED: Final = 1024


@dataclass(frozen=True, slots=True)
class _About:
    key: ObjectKey
    attributes: Attributes
    initiated: datetime


@dataclass(frozen=True, slots=True)
class _Upload:
    """An upload's open folder with its table; the table is used only under the folder's lock."""

    path: Path
    folder: int
    about: _About
    table: PartTable

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Exclude all others, with the table up to date.

        Raises:
            MultipartLost: it was completed or aborted meanwhile.
        """
        with locked(self.folder):
            if not _is_at(self.folder, self.path):
                raise _lost()
            with opened(_JOURNAL, os.O_RDONLY, self.folder) as journal:
                size = os.fstat(journal).st_size - self.table.position
                if size:
                    self.table.replay(os.pread(journal, size, self.table.position))
            yield

    def append(self, entry: Entry, disk: Disk | None = None) -> None:
        """Write an entry into the journal; with ``disk``, durably. Only under the lock."""
        line = part_table.encode(entry)
        with opened(_JOURNAL, os.O_RDWR, self.folder) as journal:
            end = os.fstat(journal).st_size
            if end > self.table.position:
                line = b"\n" + line  # the last line was torn by a crash: leave it behind
            write_all(journal, [memoryview(line)], end, lambda: None)
            self.table.replay(os.pread(journal, end + len(line), self.table.position))
            if disk is not None:
                disk.settle(journal)


class Uploads:
    """Create, fill, complete, abort and list multipart uploads of the store called ``store``."""

    def __init__(
        self,
        store: str,
        layout: Layout,
        scratch: Scratch,
        disk: Disk,
        objects: Objects,
        limits: PartLimits,
    ) -> None:
        self._store = store
        self._layout = layout
        self._scratch = scratch
        self._disk = disk
        self._objects = objects
        self._limits = limits
        self._tables: LRUCache[str, PartTable] = LRUCache(_REMEMBERED)
        self._tables_lock = threading.Lock()

    def create(self, key: ObjectKey, attributes: Attributes) -> MultipartRef:
        """Begin an upload. Raises BucketNotFound."""
        self._objects.prepare(key)
        about = {
            "bucket": key.bucket,
            "key": key.name,
            "attributes": attributes_to_json(attributes),
            "initiated": datetime.now(UTC).timestamp(),
        }
        ref = MultipartRef(self._store, key, new_name())
        draft = self._scratch.path()
        try:
            self._draft(draft, json.dumps(about).encode("ascii"))
            draft.rename(self._layout.uploads / ref.upload_id)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        self._disk.settle_folder(self._layout.uploads)
        return ref

    def write_part(self, ref: MultipartRef, part: Part, check: Callable[[], None]) -> PartReceipt:
        """Store one part. ``check`` may raise between batches, and before it counts.

        Raises:
            MultipartLost: no such upload, or it ended while the part was written.
            DigestMismatch: a digest of the part is another.
        """
        size = sum(len(view) for view in part.views)
        check_part(part, size, self._limits)
        with self._opened(ref) as upload, opened(_DATA, os.O_WRONLY, upload.folder) as data:
            checksums.verify(part.views, part.digests)
            with upload.locked():
                taken = upload.table.place(part.offset, size)
                upload.append(taken)
            write_all(data, part.views, taken.at, check)
            self._disk.settle(data)
            check()
            kept = Kept(part.number, taken.at, size, new_etag())
            with upload.locked():
                upload.append(kept, self._disk)
        return PartReceipt(part.number, part.offset, size, kept.etag, part.digests)

    def complete(
        self, ref: MultipartRef, receipts: Sequence[PartReceipt], condition: WriteCondition
    ) -> Stored:
        """Publish the object: write its record behind the parts, and rename the data file.

        Raises:
            MultipartLost: no such upload.
            InvalidPart: a receipt is none of its parts.
            PreconditionFailed: the condition does not hold; the upload stays.
        """
        self._objects.prepare(ref.key)
        with self._opened(ref) as upload, upload.locked():
            chosen = settle(receipts, upload.table.receipts, self._limits)
            self._objects.check(ref.key, condition)
            extents = tuple(upload.table.extent(receipt.number) for receipt in chosen)
            with opened(_DATA, os.O_RDWR, upload.folder) as data:
                attributes = upload.about.attributes
                info = self._objects.seal(data, ref.key, attributes, extents, end=upload.table.end)
            stored = self._objects.publish(upload.path / _DATA, info, condition)
            # Whatever happens from here on, the upload without its data file is lost to all.
            with suppress(OSError):
                self._scratch.discard(upload.path)
        self._forget(ref)
        return stored

    def abort(self, ref: MultipartRef) -> None:
        """Drop an upload; an unknown one is no error."""
        with suppress(MultipartLost):
            with self._opened(ref) as upload, upload.locked():
                self._scratch.discard(upload.path)
            self._disk.settle_folder(self._layout.uploads)
        self._forget(ref)

    def parts(self, ref: MultipartRef) -> list[PartReceipt]:
        """The parts that are on the disk. Raises MultipartLost."""
        with self._opened(ref) as upload, upload.locked():
            return in_order(upload.table.receipts)

    def all(self, bucket: str, prefix: str) -> list[MultipartListing]:
        """The unfinished uploads of a bucket, oldest first. Raises BucketNotFound."""
        self._objects.check_bucket(bucket)
        found: list[MultipartListing] = []
        for path in self._layout.uploads.iterdir():
            about = self._about(path)
            if about and about.key.bucket == bucket and about.key.name.startswith(prefix):
                ref = MultipartRef(self._store, about.key, path.name)
                found.append(MultipartListing(ref, about.initiated))
        return sorted(found, key=lambda listing: listing.initiated)

    def clean_completed(self) -> None:
        """Remove what a crash left of uploads after their object was published."""
        for path in self._layout.uploads.iterdir():
            with suppress(FileNotFoundError), opened_folder(path) as folder, locked(folder):
                if _is_at(folder, path) and not (path / _DATA).exists():
                    self._scratch.discard(path)

    def _draft(self, folder: Path, about: bytes) -> None:
        """An upload's folder as it is at the beginning, durably."""
        folder.mkdir(mode=FOLDER_MODE)
        for name, text in ((_ABOUT, about), (_DATA, b""), (_JOURNAL, b"")):
            with opened(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as file:
                write_all(file, [memoryview(text)], 0, lambda: None)
                self._disk.settle(file)
        self._disk.settle_folder(folder)

    @contextmanager
    def _opened(self, ref: MultipartRef) -> Iterator[_Upload]:
        path = self._layout.upload(ref.upload_id)
        about = None if path is None else self._about(path)
        if path is None or about is None or about.key != ref.key:
            raise _lost()
        try:
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            raise _lost() from None
        try:
            yield _Upload(path, folder, about, self._table(ref.upload_id))
        except FileNotFoundError:
            # Completed or aborted between our look and our touch.
            raise _lost() from None
        finally:
            os.close(folder)

    def _about(self, path: Path) -> _About | None:
        """What an upload is; None where it is none (any more)."""
        try:
            text = (path / _ABOUT).read_bytes()
            (path / _DATA).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        data = json.loads(text)
        return _About(
            ObjectKey(data["bucket"], data["key"]),
            attributes_from_json(data["attributes"]),
            datetime.fromtimestamp(data["initiated"], UTC),
        )

    def _table(self, upload_id: str) -> PartTable:
        with self._tables_lock:
            table = self._tables.get(upload_id)
            if table is None:
                table = self._tables[upload_id] = PartTable()
            return table

    def _forget(self, ref: MultipartRef) -> None:
        with self._tables_lock:
            self._tables.pop(ref.upload_id, None)


def _is_at(folder: int, path: Path) -> bool:
    """Whether an open folder is still the one of this name."""
    try:
        return os.path.samestat(os.fstat(folder), path.stat())
    except FileNotFoundError:
        return False


def _lost() -> MultipartLost:
    return MultipartLost("The upload was completed, aborted, or never begun.")
