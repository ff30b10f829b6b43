"""The seam to object storage: one protocol, a record of what a store really does.

A store moves views and answers sources; it knows no pipeline, no HTTP and no retry of parts
(retries exist once, in :mod:`gateway.storage.retry`, used by who calls a store). It raises only
:class:`~gateway.errors.GatewayError`, through one ``map_*_errors`` seam of its own. Every store runs
``tests/storage/contract.py``.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from gateway.model import (
    Attributes,
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
from gateway.storage.passages import Passages
from gateway.storage.prompt import Prompt

#: What a store does with a write condition: nothing, honours it on PutObject only, or on
#: CompleteMultipartUpload too. Ceph RGW 16 is "put": it ignores a conditional Complete silently.
ConditionalPut = Literal["none", "put", "complete"]

#: What the last segment of a key begins with that a probe wrote. Only probes write such keys, so what one of them
#: could not remove may be removed by anybody once it is older than a probe lasts.
PROBE_MARK: Final = ".sluice-probe-"
PROBE_LASTS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a store was seen to do. Filled by :meth:`ObjectStore.probe`, overridable by configuration."""

    parts: PartLimits = PartLimits()
    conditional_put: ConditionalPut = "none"
    #: Checksum algorithms (names of Digest: ``crc64nvme``, ``sha-256``) that the store was seen to *verify*.
    checksums: frozenset[str] = frozenset()
    #: Whether it understands unsigned aws-chunked trailers.
    trailers: bool = False
    #: Whether ``Stored.replaced`` is known, so that no HEAD is needed to answer 201 or 204.
    tells_replaced: bool = False
    #: Whether an upload can be completed without parts that were uploaded, and with gaps between the numbers of those
    #: that count. Ceph RGW 16 refuses to: there a part that does not count has to be replaced.
    unlisted_parts: bool = False


class ObjectStore(Protocol):
    """Object storage. Keys here are the store's own (bucket and prefix already mapped)."""

    @property
    def name(self) -> str:
        """The section's name in the configuration: ``[storage.<name>]``."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What the store does; the defaults of its kind until :meth:`probe` has run."""
        ...

    @property
    def passages(self) -> Passages | None:
        """How it takes bodies that are still coming; None: it does not, or not without what only a whole body
        tells (a hash, a checksum). Known after :meth:`start`."""
        ...

    @property
    def prompt(self) -> Prompt | None:
        """Its calls that need no waiting; None: it has none such. Known after :meth:`start`."""
        ...

    async def start(self) -> None:
        """Open clients and directories. Called once, in the event loop that will use the store."""
        ...

    async def aclose(self) -> None:
        """Release everything. Running calls fail."""
        ...

    async def probe(self, bucket: str, prefix: str) -> Capabilities:
        """Find out what the store really does by doing it under ``prefix`` of ``bucket``; clean up; remember and
        answer it.

        Raises:
            StorageError: the store cannot be probed (unreachable, refuses our credentials).
        """
        ...

    async def ping(self, bucket: str) -> None:
        """Answer if the store is reachable and ``bucket`` usable.

        Raises:
            StorageError: it is not.
            BucketNotFound: the bucket does not exist.
        """
        ...

    async def list_buckets(self) -> list[str] | None:
        """The names of the buckets there are; None where our credential may use buckets but not list them.

        Raises:
            StorageError: the store is not reachable, or refuses us altogether.
        """
        ...

    async def head(self, key: ObjectKey) -> ObjectInfo:
        """Describe an object.

        Raises:
            ObjectNotFound: there is none.
        """
        ...

    async def get(
        self, key: ObjectKey, *, range: RangeRequest | None = None, if_match: str | None = None
    ) -> Opened:
        """Open an object for reading, from one consistent version of it.

        A range past the end is clamped. ``if_match`` is an ETag without quotes.

        Raises:
            ObjectNotFound: there is none.
            InvalidRange: no byte of it lies in the range.
            PreconditionFailed: its ETag is another.
        """
        ...

    async def put(
        self,
        key: ObjectKey,
        views: Views,
        attributes: Attributes,
        *,
        condition: WriteCondition = WriteCondition(),
        digests: Sequence[Digest] = (),
    ) -> Stored:
        """Store a whole object atomically.

        Raises:
            PreconditionFailed: the condition does not hold.
            ConcurrentWrite: another writer won while this one ran.
            BucketNotFound: the bucket does not exist.
        """
        ...

    async def delete(self, key: ObjectKey, *, if_match: str | None = None) -> None:
        """Remove an object; a missing one is no error.

        Raises:
            PreconditionFailed: ``if_match`` was given and the object's ETag is another (or it is missing).
        """
        ...

    async def delete_many(self, keys: Sequence[ObjectKey]) -> None:
        """Remove objects of one bucket, however many; missing ones are no error. Some may be gone when it fails.

        Raises:
            StorageError: one of them, or more, could not be removed.
        """
        ...

    async def create_multipart(self, key: ObjectKey, attributes: Attributes) -> MultipartRef:
        """Begin an object that comes in parts. Nothing is visible before it is completed."""
        ...

    async def upload_part(self, ref: MultipartRef, part: Part) -> PartReceipt:
        """Store one part; the same number again replaces it.

        Raises:
            MultipartLost: the store does not know the upload (any more).
        """
        ...

    async def complete_multipart(
        self,
        ref: MultipartRef,
        receipts: Sequence[PartReceipt],
        *,
        condition: WriteCondition = WriteCondition(),
    ) -> Stored:
        """Publish the object made of ``receipts`` (ascending by number), atomically.

        Raises:
            MultipartLost: the store does not know the upload: it was aborted, or completed already.
            InvalidPart: a receipt does not match what the store has.
            PreconditionFailed: the condition does not hold.
        """
        ...

    async def abort_multipart(self, ref: MultipartRef) -> None:
        """Drop an upload and its parts; an unknown one is no error."""
        ...

    async def list_parts(self, ref: MultipartRef) -> list[PartReceipt]:
        """The parts that the store has, ascending. ``offset`` is the sum of the sizes before, which is right only
        for an unbroken run.

        Raises:
            MultipartLost: the store does not know the upload.
        """
        ...

    def list_multiparts(self, bucket: str, prefix: str) -> AsyncIterator[MultipartListing]:
        """All unfinished multipart uploads whose key begins with ``prefix``."""
        ...
