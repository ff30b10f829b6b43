"""The store's folder, opened: made ready, cleaned, with the threads that work in it."""

import os
from dataclasses import dataclass
from typing import Final

from gateway.errors import StorageRejected
from gateway.model import PartLimits
from gateway.settings import LocalStorage
from gateway.storage.local.disk import (
    Disk,
    locked,
    map_os_errors,
    opened,
    opened_folder,
    write_all,
)
from gateway.storage.local.layout import FORMAT, Layout
from gateway.storage.local.objects import Objects
from gateway.storage.local.scratch import Scratch
from gateway.storage.local.threads import Threads
from gateway.storage.local.uploads import Uploads

#: Reads have threads of their own, so that they never wait behind writers in fsync.
_READERS: Final = 8
_WRITERS: Final = 16


@dataclass(frozen=True, slots=True)
class Folder:
    """What lives from start to close."""

    layout: Layout
    objects: Objects
    uploads: Uploads
    scratch: Scratch
    readers: Threads
    writers: Threads

    @staticmethod
    def open(name: str, section: LocalStorage, limits: PartLimits) -> "Folder":
        """Make the folder where it is missing, and remove what dead processes left. Blocks.

        Raises:
            StorageRejected: it cannot be used, or was written by a newer Sluice.
            StorageError: the disk fails.
        """
        with map_os_errors():
            layout = Layout(section.path.absolute())
            disk = Disk(section.durability)
            _make_ready(layout, disk)
            scratch = Scratch(layout.scratch)
            objects = Objects(layout, scratch, disk, create=section.buckets == "create")
            uploads = Uploads(name, layout, scratch, disk, objects, limits)
            scratch.clean_dead()
            uploads.clean_completed()
        readers = Threads(f"{name}-read", _READERS)
        return Folder(
            layout, objects, uploads, scratch, readers, Threads(f"{name}-write", _WRITERS)
        )

    def check(self, bucket: str) -> None:
        """Raises:
        BucketNotFound: the bucket does not exist.
        StorageRejected: the folder cannot be written any more.
        """
        self.objects.check_bucket(bucket)
        if not os.access(self.layout.scratch, os.W_OK | os.X_OK):
            raise StorageRejected("The store's folder cannot be written.")

    def close(self) -> None:
        """Wait for what was begun, then give up the folder. Blocks."""
        self.readers.close()
        self.writers.close()
        self.scratch.close()


def _make_ready(layout: Layout, disk: Disk) -> None:
    for folder in reversed((layout.root, *layout.root.parents)):
        disk.make_folder(folder)
    with opened_folder(layout.root) as root, locked(root):
        if layout.format.exists():
            found = layout.format.read_text()
            if found != FORMAT:
                raise StorageRejected(
                    f"The store's folder is in the format {found[:60]!r}, this Sluice writes {FORMAT!r}: "
                    "use the Sluice that made it."
                )
        else:
            draft = layout.format.with_suffix(".new")
            with opened(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as file:
                write_all(file, [memoryview(FORMAT.encode())], 0, lambda: None)
                disk.settle(file)
            draft.rename(layout.format)
        disk.make_folder(layout.scratch)
        disk.make_folder(layout.uploads)
        disk.settle_folder(layout.root)
