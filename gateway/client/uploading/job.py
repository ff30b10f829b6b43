"""What is to be sent, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from gateway.client.account import raw_path
from gateway.client.uploading.record import Identity
from gateway.model import ObjectKey

#: Called with the bytes done and the total; done goes back when an attempt starts again.
Progress: TypeAlias = Callable[[int, int], None]
#: Where the digest is kept with the object.
DIGEST_HEADER: Final = "x-amz-meta-sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """A finished upload. ``sha256`` in hex. ``verified_by`` says how the gateway's bytes are known to be the file's:
    ``signature`` (of all), ``chunks`` (each by its digest), ``sha-256`` (of the object) or ``reading`` it back."""

    etag: str
    size: int
    sha256: str
    verified_by: str = "signature"
    continued_from: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A file to be stored under ``key``, in ``parallel`` requests at a time where it is large."""

    file: Identity
    key: ObjectKey
    content_type: str
    parallel: int = 1

    @property
    def size(self) -> int:
        """Of the file, in bytes."""
        return self.file.size

    def path(self, base: bytes = b"") -> bytes:
        """The object's raw path, under a base like ``/-/uploads``."""
        return base + raw_path(self.key)
