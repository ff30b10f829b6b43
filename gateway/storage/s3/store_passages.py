"""Bodies that are still coming, on their way to S3: which checksum trails them."""

from collections.abc import Callable

from gateway.model import (
    Attributes,
    MultipartRef,
    ObjectKey,
    PartReceipt,
    Stored,
    WriteCondition,
)
from gateway.storage.base import Capabilities
from gateway.storage.passages import Passage
from gateway.storage.s3 import checksums
from gateway.storage.s3.plane import DataPlane, PlanePassages


class S3Passages:
    """The :class:`~gateway.storage.passages.Passages` of an S3Store. ``announced`` tells the checksum that the parts of
    an upload carry."""

    def __init__(
        self,
        plane: PlanePassages,
        trailer: str | None,
        announced: Callable[[MultipartRef], str | None],
    ) -> None:
        self._plane = plane
        self._trailer = trailer
        self._announced = announced

    async def open_put(
        self, key: ObjectKey, size: int, attributes: Attributes, *, condition: WriteCondition
    ) -> Passage[Stored]:
        """PutObject."""
        return await self._plane.open_put(
            key, size, attributes, condition=condition, trailer=self._trailer
        )

    async def open_part(
        self, ref: MultipartRef, number: int, offset: int, size: int
    ) -> Passage[PartReceipt]:
        """UploadPart."""
        trailer = self._announced(ref)
        return await self._plane.open_part(ref, number, offset, size, trailer=trailer)


def passages(
    plane: DataPlane, capabilities: Capabilities, announced: Callable[[MultipartRef], str | None]
) -> S3Passages | None:
    """How an S3 takes bodies that are still coming. It does not where a checksum that it verifies would have to be
    known beforehand: nothing goes there with less care because its client is slow."""
    chosen = checksums.chosen(capabilities.checksums)
    trailed = capabilities.trailers and chosen in checksums.INLINE
    if plane.passages is None or not (chosen is None or trailed):
        return None
    return S3Passages(plane.passages, chosen, announced)
