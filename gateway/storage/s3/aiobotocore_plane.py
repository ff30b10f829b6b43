"""The data plane over aiobotocore: works with every store and through egress proxies, at botocore's price."""

from collections.abc import Mapping, Sequence
from typing import Any

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
from gateway.protocol.ranges import format_range
from gateway.storage.s3 import checksums, fields
from gateway.storage.s3.body import UNSIGNED, ViewsBody, sha256_of
from gateway.storage.s3.connection import Connection, more_headers
from gateway.storage.s3.errors import map_s3_errors
from gateway.storage.s3.source import BodySource


class AiobotocorePlane:
    """A :class:`~gateway.storage.s3.plane.DataPlane` that uses the control plane's connections."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._client = connection.client
        self._endpoint = connection.endpoint

    @property
    def passages(self) -> None:
        """None: a body of botocore's is whole."""
        return None

    @property
    def prompt(self) -> None:
        """None: botocore's calls always go the long way."""
        return None

    async def aclose(self) -> None:
        """The connections belong to the control plane."""

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
        """PutObject."""
        body = await self._body(views, digests)
        parameters = (
            checksums.parameters(sent)
            | fields.put_parameters(attributes)
            | fields.condition_parameters(condition, bare_etags=self._connection.bare_etags)
        )
        on_etag = condition.etag is not None
        with (
            map_s3_errors("PutObject", condition_on_etag=on_etag),
            more_headers(fields.put_headers(attributes)),
        ):
            async with body.watched():
                answer = await self._client.put_object(
                    Bucket=key.bucket,
                    Key=key.name,
                    Body=body,
                    ContentLength=body.size,
                    **parameters,
                )
            fields.expect("PutObject", _status(answer), fields.STORED)
            return Stored(
                etag=fields.etag_of(answer), size=body.size, version=fields.version_of(answer)
            )

    async def upload_part(
        self, ref: MultipartRef, part: Part, *, sent: Sequence[Digest]
    ) -> PartReceipt:
        """UploadPart."""
        body = await self._body(part.views, part.digests)
        with map_s3_errors("UploadPart"):
            async with body.watched():
                answer = await self._client.upload_part(
                    Bucket=ref.key.bucket,
                    Key=ref.key.name,
                    UploadId=ref.upload_id,
                    PartNumber=part.number,
                    Body=body,
                    ContentLength=body.size,
                    **checksums.parameters(sent),
                )
            fields.expect("UploadPart", _status(answer), fields.STORED)
            return PartReceipt(
                part.number, part.offset, part.size, fields.etag_of(answer), tuple(sent)
            )

    async def get(
        self, key: ObjectKey, *, range: RangeRequest | None, if_match: str | None
    ) -> Opened:
        """GetObject."""
        parameters = {} if if_match is None else {"IfMatch": f'"{if_match}"'}
        if range is not None:
            parameters["Range"] = format_range(range)
        with map_s3_errors("GetObject"):
            answer = await self._client.get_object(Bucket=key.bucket, Key=key.name, **parameters)
        try:
            fields.expect_object(_status(answer), answer.get("ContentRange"))
            delivered, size = fields.range_of(answer, range)
            info = fields.info_of(key, answer, size)
        except BaseException:
            await answer["Body"].aclose()
            raise
        length = delivered.size if delivered else 0
        return Opened(info, delivered, BodySource(answer["Body"], length))

    async def head(self, key: ObjectKey) -> ObjectInfo:
        """HeadObject."""
        with map_s3_errors("HeadObject"):
            answer: dict[str, Any] = await self._client.head_object(Bucket=key.bucket, Key=key.name)
        fields.expect("HeadObject", _status(answer))
        return fields.info_of(key, answer, fields.length_of(answer))

    async def _body(self, views: Views, digests: Sequence[Digest]) -> ViewsBody:
        """The body, its payload hash taken from a digest at hand where there is one."""
        payload_hash = UNSIGNED
        if self._endpoint.hash_payload:
            known = next((d.value for d in digests if d.algorithm == "sha-256"), None)
            payload_hash = (known or await sha256_of(views)).hex()
        return ViewsBody(views, payload_hash, idle_timeout=self._endpoint.idle_timeout)


def _status(answer: Mapping[str, Any]) -> int:
    """Of what botocore took for a success, which is anything below 301."""
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])
