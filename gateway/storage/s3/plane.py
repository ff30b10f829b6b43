"""The data plane: the four operations that carry bodies or are as frequent as those that do.

Behind this protocol the road of the bytes can be swapped; create, complete, abort, list and delete stay
with aiobotocore. A plane is built from a :class:`~gateway.storage.s3.connection.Connection`: its
``endpoint`` and ``credentials`` are all that a plane with connections of its own needs. It maps its
failures with :mod:`gateway.storage.s3.errors`, raises only GatewayErrors, and never retries.
"""

from collections.abc import Sequence
from typing import Protocol

from gateway.model import (
    Attributes,
    Digest,
    MultipartRef,
    ObjectInfo,
    ObjectKey,
    Opened,
    Part,
    PartReceipt,
    RangeRequest,
    Stored,
    Views,
    WriteCondition,
)
from gateway.storage.passages import Passage
from gateway.storage.prompt import Begun


class PlanePassages(Protocol):
    """As :class:`~gateway.storage.passages.Passages`; ``trailer`` is the checksum to send behind the body."""

    async def open_put(
        self,
        key: ObjectKey,
        size: int,
        attributes: Attributes,
        *,
        condition: WriteCondition,
        trailer: str | None,
    ) -> Passage[Stored]:
        """PutObject."""
        ...

    async def open_part(
        self, ref: MultipartRef, number: int, offset: int, size: int, *, trailer: str | None
    ) -> Passage[PartReceipt]:
        """UploadPart."""
        ...


class PlanePrompt(Protocol):
    """As :class:`~gateway.storage.prompt.Prompt`; ``sent`` as for :meth:`DataPlane.put`."""

    def begin_put(
        self,
        key: ObjectKey,
        views: Views,
        attributes: Attributes,
        *,
        condition: WriteCondition,
        digests: Sequence[Digest],
        sent: Sequence[Digest],
    ) -> Begun[Stored] | None:
        """PutObject."""
        ...

    def begin_get(
        self, key: ObjectKey, *, range: RangeRequest | None, if_match: str | None
    ) -> Begun[Opened] | None:
        """GetObject."""
        ...


class DataPlane(Protocol):
    """PutObject, UploadPart, GetObject, HeadObject. Errors as :class:`~gateway.storage.base.ObjectStore`."""

    @property
    def passages(self) -> PlanePassages | None:
        """How bodies are sent that are still coming; None: they are not, or must be hashed first."""
        ...

    @property
    def prompt(self) -> PlanePrompt | None:
        """Its calls that need no waiting; None: it has none such."""
        ...

    async def aclose(self) -> None:
        """Close the connections of its own."""
        ...

    async def put(
        self,
        key: ObjectKey,
        views: Views,
        attributes: Attributes,
        *,
        condition: WriteCondition,
        digests: Sequence[Digest],
        sent: Sequence[Digest],
    ) -> Stored:
        """PutObject with an exact Content-Length.

        ``digests`` are all that is known of the body (a SHA-256 among them saves hashing for the signature);
        ``sent`` are those to send as checksum headers.
        """
        ...

    async def upload_part(
        self, ref: MultipartRef, part: Part, *, sent: Sequence[Digest]
    ) -> PartReceipt:
        """UploadPart; the receipt carries ``sent``."""
        ...

    async def get(
        self, key: ObjectKey, *, range: RangeRequest | None, if_match: str | None
    ) -> Opened:
        """GetObject. The source raises StorageUnavailable or StorageTimeout where the body breaks off."""
        ...

    async def head(self, key: ObjectKey) -> ObjectInfo:
        """HeadObject."""
        ...
