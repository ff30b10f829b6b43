"""Uploading a file: signed with the SHA-256 of its bytes, so what is stored is what was read.

The file is read twice: once for the digest, which stands in the signature (``x-amz-content-sha256``), once
for sending. The first pass costs about 0.6 CPU-seconds a GiB, and buys three things that a trailer does
not: the gateway refuses other bytes *before* anything is visible, also when the file changes between the
passes; a proxy on the way cannot alter them; and any S3 server understands it. The digest is also kept
with the object (``x-amz-meta-sha256``), so a later download can be verified whatever the store does.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from gateway.client.failures import FileTrouble
from gateway.client.link import Link
from gateway.model import ObjectKey
from gateway.units import KiB, MiB

#: Called with the bytes done and the total; done goes back when an attempt starts again.
Progress: TypeAlias = Callable[[int, int], None]
#: Where the digest is kept with the object.
DIGEST_HEADER: Final = "x-amz-meta-sha256"
_SENT_AT_ONCE: Final = 256 * KiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """A finished upload. ``sha256`` is in hex, as the gateway verified it."""

    etag: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file to be stored under ``key``."""

    file: Path
    key: ObjectKey
    content_type: str

    def digest(self) -> tuple[str, int]:
        """SHA-256 in hex, and how many bytes it covers.

        Raises:
            FileTrouble: the file cannot be read.
        """
        state, size = hashlib.sha256(), 0
        with _opened(self.file) as stream:
            while block := stream.read(MiB):
                state.update(block)
                size += len(block)
        return state.hexdigest(), size

    def send(self, link: Link, sha256: str, size: int, progress: Progress) -> Uploaded:
        """One attempt.

        Raises:
            TransferFailed: see :mod:`gateway.client.failures`.
        """
        headers = {
            "content-length": str(size),
            "content-type": self.content_type,
            DIGEST_HEADER: sha256,
        }
        with _opened(self.file) as stream:
            body = self._blocks(stream, size, progress)
            with link.request(
                "PUT", self.key, headers, payload_sha256=sha256, content=body
            ) as response:
                response.read()
                etag = response.headers.get("etag", "").strip('"')
        return Uploaded(etag=etag, size=size, sha256=sha256)

    def _blocks(self, stream: BinaryIO, size: int, progress: Progress) -> Iterator[bytes]:
        """The first ``size`` bytes: a file that grew meanwhile is still the one that was signed."""
        done = 0
        progress(0, size)
        while done < size:
            block = stream.read(min(_SENT_AT_ONCE, size - done))
            if not block:
                raise FileTrouble(f"{self.file}: it shrank while it was sent")
            yield block
            done += len(block)
            progress(done, size)


def _opened(file: Path) -> BinaryIO:
    try:
        if not file.is_dir():
            return file.open("rb", buffering=0)
    except OSError as error:
        raise FileTrouble(f"{file}: {error.strerror}") from None
    raise FileTrouble(f"{file}: {os.strerror(21)}")
