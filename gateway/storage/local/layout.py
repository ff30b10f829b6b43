"""Where files lie in the store's folder. Keys never become paths.

    .format                                  version of this layout
    .tmp/<process>/<name>                    unfinished files of one process; the folder is locked while it lives
    .multipart/<upload id>/                  upload.json, data, parts
    <bucket>/<first 2 of hash>/<rest>-<end of key>      one object

The hash is the SHA-256 of the key's bytes, in hex: exact for keys that differ in case, in Unicode
form or in slashes, the same length for all, and never a path. What follows it is for people who
look into the folder; letters a file system may dislike are replaced.
"""

import hashlib
import os
import re
from pathlib import Path
from typing import Final

from gateway.errors import InvalidBucketName
from gateway.model import ObjectKey

FORMAT: Final = "sluice local store 1\n"

_BUCKET: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?", re.ASCII)
_UPLOAD_ID: Final = re.compile(r"[a-z2-7]{26}", re.ASCII)
_UNREADABLE: Final = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)
_SLUG: Final = 64


class Layout:
    """Paths under ``root``."""

    def __init__(self, root: Path) -> None:
        self.root: Final = root
        self.format: Final = root / ".format"
        self.scratch: Final = root / ".tmp"
        self.uploads: Final = root / ".multipart"

    def bucket(self, name: str) -> Path:
        """A bucket's folder.

        Raises:
            InvalidBucketName: the name would be no single, visible folder.
        """
        if not _BUCKET.fullmatch(name) or ".." in name:
            raise InvalidBucketName(
                f"{name!r} is no bucket name: 1 to 63 of a-z, 0-9, dot, dash and underscore, "
                "a letter or digit at both ends, no two dots in a row."
            )
        return self.root / name

    def buckets(self) -> list[str]:
        """The buckets that have a folder. Blocks."""
        return sorted(
            entry.name
            for entry in os.scandir(self.root)
            if entry.is_dir() and _BUCKET.fullmatch(entry.name) and ".." not in entry.name
        )

    def object(self, key: ObjectKey) -> Path:
        """An object's file.

        Raises:
            InvalidBucketName: see :meth:`bucket`.
        """
        digest = hashlib.sha256(key.name.encode()).hexdigest()
        slug = _UNREADABLE.sub("_", key.name)[-_SLUG:]
        return self.bucket(key.bucket) / digest[:2] / f"{digest[2:]}-{slug}"

    def upload(self, upload_id: str) -> Path | None:
        """An upload's folder; None where the id is none that we ever gave."""
        return self.uploads / upload_id if _UPLOAD_ID.fullmatch(upload_id) else None
