"""S3Store: an :class:`~gateway.storage.base.ObjectStore` over anything that speaks S3."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError
from cachetools import LRUCache

from gateway.errors import (
    ConcurrentWrite,
    DigestMismatch,
    InvalidRange,
    MultipartLost,
    ObjectNotFound,
    PreconditionFailed,
    StorageCorrupt,
    StorageRejected,
)
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
    Suffix,
    Views,
    WriteCondition,
)
from gateway.settings import S3Storage
from gateway.storage.base import Capabilities
from gateway.storage.etags import multipart_etag
from gateway.storage.rules import check_match
from gateway.storage.s3 import checksums, deleting, fields, listing
from gateway.storage.s3.aiobotocore_plane import AiobotocorePlane
from gateway.storage.s3.connection import Connection, more_headers
from gateway.storage.s3.errors import map_s3_errors
from gateway.storage.s3.plane import DataPlane
from gateway.storage.s3.probe import Probe
from gateway.storage.s3.store_passages import S3Passages, passages
from gateway.storage.s3.store_prompt import S3Prompt
from gateway.storage.s3.wire_plane import WirePlane

#: Cloudflare's R2 wants all parts but the last to have one size.
_UNIFORM_HOSTS: Final = (".r2.cloudflarestorage.com",)
#: Uploads of which we remember what was announced; of others, today's choice is taken.
_REMEMBERED: Final = 10_000


class S3Store:
    """See :class:`~gateway.storage.base.ObjectStore` for what each method does.

    A store's section of the configuration wins over what :meth:`probe` finds.
    """

    def __init__(self, name: str, section: S3Storage) -> None:
        #: The section's name.
        self.name: Final = name
        #: What configuration says, and after :meth:`probe` what was seen.
        self.capabilities = _configured(section, Capabilities())
        #: See :class:`gateway.storage.s3.store_prompt.S3Prompt`.
        self.prompt: S3Prompt | None = None
        self._section = section
        self._connection: Connection | None = None
        self._plane: DataPlane | None = None
        # Checksum announced by upload id: a probe may end while an upload runs, and its parts must still
        # carry what was announced.
        self._announced: LRUCache[str, str | None] = LRUCache(_REMEMBERED)

    @property
    def passages(self) -> S3Passages | None:
        """See :func:`gateway.storage.s3.store_passages.passages`."""
        return passages(self._data, self.capabilities, self._announced_for)

    async def start(self) -> None:
        """Read the AWS configuration and open the client.

        Raises:
            StorageRejected: that configuration is broken.
        """
        try:
            self._connection = await Connection.open(self._section)
        except (BotoCoreError, ValueError) as error:
            raise StorageRejected(
                f"Store {self.name}: its configuration cannot be used: {error}"
            ) from error
        plane = WirePlane if self._section.data_plane == "wire" else AiobotocorePlane
        self._plane = plane(self._connection)
        if self._plane.prompt is not None:
            self.prompt = S3Prompt(self._plane.prompt, lambda: self.capabilities.checksums)

    async def aclose(self) -> None:
        """Close all connections."""
        plane, self._plane, self.prompt = self._plane, None, None
        connection, self._connection = self._connection, None
        if plane is not None:
            await plane.aclose()
        if connection is not None:
            await connection.aclose()

    async def probe(self, bucket: str, prefix: str) -> Capabilities:
        """See :mod:`gateway.storage.s3.probe`."""
        with map_s3_errors("Probe"):
            found = await Probe(self._open, bucket, prefix).run()
        self.capabilities = _configured(self._section, found)
        return self.capabilities

    async def ping(self, bucket: str) -> None:
        """HeadBucket."""
        with map_s3_errors("HeadBucket"):
            await self._client.head_bucket(Bucket=bucket)

    async def list_buckets(self) -> list[str] | None:
        """ListBuckets."""
        return await listing.buckets(self._client)

    async def head(self, key: ObjectKey) -> ObjectInfo:
        """HeadObject."""
        return await self._data.head(key)

    async def get(
        self, key: ObjectKey, *, range: RangeRequest | None = None, if_match: str | None = None
    ) -> Opened:
        """GetObject. ``Suffix(0)`` is answered here: some stores send the whole object then."""
        if isinstance(range, Suffix) and range.size == 0:
            found = await self.head(key)
            check_match(if_match, found.etag)
            raise InvalidRange("The last zero bytes are no range.", size=found.size)
        return await self._data.get(key, range=range, if_match=if_match)

    async def put(
        self,
        key: ObjectKey,
        views: Views,
        attributes: Attributes,
        *,
        condition: WriteCondition = WriteCondition(),
        digests: Sequence[Digest] = (),
    ) -> Stored:
        """PutObject."""
        sent = checksums.to_send(digests, self.capabilities.checksums)
        try:
            return await self._data.put(
                key, views, attributes, condition=condition, digests=digests, sent=sent
            )
        except DigestMismatch as error:
            raise checksums.damage_told_from_mistakes(error, views, digests) from error

    async def delete(self, key: ObjectKey, *, if_match: str | None = None) -> None:
        """DeleteObject. With ``if_match`` a HEAD decides first: not all stores know conditional deletes, and those
        that don't ignore the header silently; those that do decide once more, atomically."""
        parameters = {}
        if if_match is not None:
            try:
                found = await self.head(key)
            except ObjectNotFound:
                raise PreconditionFailed("The object does not exist.") from None
            check_match(if_match, found.etag)
            parameters["IfMatch"] = f'"{if_match}"'
        with map_s3_errors("DeleteObject", condition_on_etag=if_match is not None):
            await self._client.delete_object(Bucket=key.bucket, Key=key.name, **parameters)

    async def delete_many(self, keys: Sequence[ObjectKey]) -> None:
        """DeleteObjects, a thousand keys a call."""
        await deleting.delete_many(self._client, keys)

    async def create_multipart(self, key: ObjectKey, attributes: Attributes) -> MultipartRef:
        """CreateMultipartUpload, naming the checksum that its parts will carry: S3 refuses parts with another
        one than was announced here."""
        parameters = fields.put_parameters(attributes)
        if (name := self._chosen()) is not None:
            parameters["ChecksumAlgorithm"] = checksums.s3_name(name)
        with map_s3_errors("CreateMultipartUpload"):
            with more_headers(fields.put_headers(attributes)):
                answer = await self._client.create_multipart_upload(
                    Bucket=key.bucket, Key=key.name, **parameters
                )
            if not answer.get("UploadId"):
                raise StorageCorrupt("CreateMultipartUpload: the answer has no upload id.")
        self._announced[answer["UploadId"]] = name
        return MultipartRef(self.name, key, answer["UploadId"])

    async def upload_part(self, ref: MultipartRef, part: Part) -> PartReceipt:
        """UploadPart. Of the part's digests the store is sent the announced one, and an MD5."""
        name = self._announced_for(ref)
        sent = await checksums.carried_by(part, name)
        try:
            return await self._data.upload_part(ref, part, sent=sent)
        except DigestMismatch as error:
            raise checksums.damage_told_from_mistakes(error, part.views, part.digests) from error

    async def complete_multipart(
        self,
        ref: MultipartRef,
        receipts: Sequence[PartReceipt],
        *,
        condition: WriteCondition = WriteCondition(),
    ) -> Stored:
        """CompleteMultipartUpload. An error in the body of a 200 raises like any other (botocore turns it into a
        500). When no answer came, the object may be there: look before you try again."""
        parts = [
            {"PartNumber": receipt.number, "ETag": f'"{receipt.etag}"'}
            | checksums.of_part(receipt.digests)
            for receipt in receipts
        ]
        on_etag = condition.etag is not None
        try:
            with map_s3_errors("CompleteMultipartUpload", condition_on_etag=on_etag):
                answer = await self._client.complete_multipart_upload(
                    **listing.target(ref),
                    MultipartUpload={"Parts": parts},
                    **fields.condition_parameters(condition, bare_etags=self._open.bare_etags),
                )
        except ConcurrentWrite:
            await self.list_parts(ref)  # an upload that is gone says so here
            raise
        return Stored(
            etag=await self._etag_of_completed(answer, ref, receipts),
            size=sum(receipt.size for receipt in receipts),
            version=fields.version_of(answer),
        )

    async def abort_multipart(self, ref: MultipartRef) -> None:
        """AbortMultipartUpload."""
        try:
            with map_s3_errors("AbortMultipartUpload"):
                await self._client.abort_multipart_upload(**listing.target(ref))
        except MultipartLost:
            return

    async def list_parts(self, ref: MultipartRef) -> list[PartReceipt]:
        """ListParts, all pages."""
        return await listing.parts(self._client, ref)

    def list_multiparts(self, bucket: str, prefix: str) -> AsyncIterator[MultipartListing]:
        """ListMultipartUploads, page by page."""
        return listing.multiparts(self._client, self.name, bucket, prefix)

    # ---

    async def _etag_of_completed(
        self, answer: dict[str, Any], ref: MultipartRef, receipts: Sequence[PartReceipt]
    ) -> str:
        """Ceph RGW 16 answers with an empty ETag: then it is computed as S3 does, or asked for."""
        if answer.get("ETag"):
            return fields.etag_of(answer)
        return multipart_etag(receipts) or (await self.head(ref.key)).etag

    def _announced_for(self, ref: MultipartRef) -> str | None:
        return self._announced.get(ref.upload_id, self._chosen())

    def _chosen(self) -> str | None:
        return checksums.chosen(self.capabilities.checksums)

    @property
    def _open(self) -> Connection:
        assert self._connection is not None, "start() comes first"
        return self._connection

    @property
    def _client(self) -> Any:
        return self._open.client

    @property
    def _data(self) -> DataPlane:
        assert self._plane is not None, "start() comes first"
        return self._plane


def _configured(section: S3Storage, found: Capabilities) -> Capabilities:
    """What was found, under what configuration says."""
    host = urlsplit(section.endpoint_url or "").hostname or ""
    uniform = section.uniform_parts
    if uniform == "auto":
        uniform = host.endswith(_UNIFORM_HOSTS)
    conditional = section.conditional_put
    return replace(
        found,
        parts=replace(PartLimits(), uniform=uniform),
        conditional_put=found.conditional_put if conditional == "auto" else conditional,
        checksums=checksums.named(section.checksums)
        if section.checksums != "auto"
        else found.checksums,
    )
