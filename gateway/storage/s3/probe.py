"""Find out what a store really does, by doing it.

Documentation and answers lie: Ceph RGW 16 honours a conditional PutObject, ignores a condition on
CompleteMultipartUpload and overwrites, and takes any ``x-amz-checksum-*`` value without looking. So every
check here looks at the effect. What is not probed: uniform parts (unequal parts of the minimum size would
cost 10 MiB of traffic at each start; known by the endpoint's name) and part limits.
"""

import asyncio
import hashlib
import secrets
from base64 import b64encode
from collections.abc import Awaitable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from gateway.errors import StorageTimeout
from gateway.model import Digest
from gateway.storage.base import PROBE_LASTS, PROBE_MARK, Capabilities, ConditionalPut
from gateway.storage.checksums import compute
from gateway.storage.s3 import fields
from gateway.storage.s3.body import ViewsBody
from gateway.storage.s3.checksums import PREFERENCE, parameters
from gateway.storage.s3.connection import Connection, more_headers
from gateway.storage.s3.errors import map_s3_errors

#: Seconds for the whole probe.
LIMIT: Final = 30.0

#: Seconds for removing what the probe made.
CLEAN_UP_LIMIT: Final = 10.0

_BODY: Final = b"What does this store do?"
_WRONG_ETAG: Final = "00000000000000000000000000000000"


class Probe:
    """One run against one bucket. Its objects are called ``<prefix>.sluice-probe-<random>-*`` and are removed."""

    def __init__(self, connection: Connection, bucket: str, prefix: str) -> None:
        self._connection = connection
        self._client = connection.client
        self._bucket = bucket
        self._mark = f"{prefix}{PROBE_MARK}"
        self._stem = f"{self._mark}{secrets.token_hex(8)}-"
        self._keys: set[str] = set()
        self._uploads: list[dict[str, str]] = []

    async def run(self) -> Capabilities:
        """All checks, side by side.

        Raises:
            StorageError: the store is unreachable, refuses us, or has no such bucket.
        """
        try:
            async with asyncio.timeout(LIMIT):
                await self._check_access()
                conditional, trailers, unlisted, *verified = await _all(
                    self._conditional(),
                    self._trailers(),
                    self._unlisted(),
                    *(self._verifies(name) for name in PREFERENCE),
                )
        except TimeoutError:
            raise StorageTimeout(f"The store could not be probed within {LIMIT:g} s.") from None
        finally:
            await self._clean_up()
        return Capabilities(
            conditional_put=conditional,
            checksums=frozenset(
                name for name, yes in zip(PREFERENCE, verified, strict=True) if yes
            ),
            trailers=trailers,
            tells_replaced=False,  # no S3 answer says it
            unlisted_parts=unlisted,
        )

    async def _check_access(self) -> None:
        """A plain write must work; what it raises is what is wrong with the store."""
        with map_s3_errors("PutObject"):
            await self._put("access", {})

    async def _conditional(self) -> ConditionalPut:
        """Conditions count as honoured only when both kinds are, and let through what they should."""
        unless_there = {"IfNoneMatch": "*"}
        if await self._status("PutObject", self._put("condition", unless_there)) != 200:
            return "none"
        if await self._status("PutObject", self._put("condition", unless_there)) != 412:
            return "none"
        if not await self._on_etag():
            return "none"
        for condition in (unless_there, {"IfMatch": f'"{_WRONG_ETAG}"'}):
            if await self._complete("condition", condition) != 412:
                return "put"
        return "complete"

    async def _on_etag(self) -> bool:
        """Whether If-Match lets the right writes through only; finds out whether it wants quotes (RFC 9110 does;
        Ceph RGW 16 compares what stands between its own quotes with all of the header)."""
        with map_s3_errors("PutObject"):
            etag = fields.etag_of(await self._put("condition", {}))
        for bare in (False, True):
            form = "{}" if bare else '"{}"'
            right, wrong = ({"IfMatch": form.format(one)} for one in (etag, _WRONG_ETAG))
            taken = await self._status("PutObject", self._put("condition", right)) == 200
            if taken and await self._status("PutObject", self._put("condition", wrong)) == 412:
                self._connection.bare_etags = bare
                return True
        return False

    async def _complete(self, suffix: str, condition: dict[str, str]) -> int:
        """Status of completing a one-part upload of an existing object under a condition that does not hold."""
        target = await self._create_multipart(suffix)
        return await self._complete_with(target, await self._part(target, 1), condition)

    async def _unlisted(self) -> bool:
        """Whether an upload can be completed without a part that was uploaded, and becomes what was listed."""
        target = await self._create_multipart("unlisted")
        self._keys.add(target["Key"])
        await self._part(target, 1, _BODY[::-1])
        if await self._complete_with(target, await self._part(target, 2), {}) != 200:
            return False
        with map_s3_errors("GetObject"):
            answer = await self._client.get_object(Bucket=self._bucket, Key=target["Key"])
            return bool(await answer["Body"].read() == _BODY)

    async def _create_multipart(self, suffix: str) -> dict[str, str]:
        target = {"Bucket": self._bucket, "Key": self._stem + suffix}
        with map_s3_errors("CreateMultipartUpload"):
            created = await self._client.create_multipart_upload(**target)
        target["UploadId"] = created["UploadId"]
        self._uploads.append(target)
        return target

    async def _part(
        self, target: dict[str, str], number: int, data: bytes = _BODY
    ) -> dict[str, object]:
        """Upload a part; answers how it is listed."""
        with map_s3_errors("UploadPart"):
            part = await self._client.upload_part(
                **target, PartNumber=number, Body=self._body(data), ContentLength=len(data)
            )
        return {"PartNumber": number, "ETag": part["ETag"]}

    async def _complete_with(
        self, target: dict[str, str], part: dict[str, object], condition: dict[str, str]
    ) -> int:
        return await self._status(
            "CompleteMultipartUpload",
            self._client.complete_multipart_upload(
                **target, MultipartUpload={"Parts": [part]}, **condition
            ),
        )

    async def _verifies(self, name: str) -> bool:
        """Whether a right checksum is taken and a wrong one refused."""
        right = compute(name, (memoryview(_BODY),))
        wrong = Digest(right.algorithm, bytes(byte ^ 0xFF for byte in right.value))
        taken = await self._status("PutObject", self._put(name, parameters((right,))))
        refused = await self._status("PutObject", self._put(name, parameters((wrong,))))
        return taken == 200 and refused != 200

    async def _trailers(self) -> bool:
        """Whether an unsigned aws-chunked body with a trailer is stored as what it frames."""
        crc = b64encode(compute("crc32", (memoryview(_BODY),)).value)
        framed = b"%x\r\n%b\r\n0\r\nx-amz-checksum-crc32:%b\r\n\r\n" % (len(_BODY), _BODY, crc)
        headers = {
            "Content-Encoding": "aws-chunked",
            "X-Amz-Trailer": "x-amz-checksum-crc32",
            "X-Amz-Decoded-Content-Length": str(len(_BODY)),
        }
        body = self._body(framed, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        with more_headers(headers):
            if await self._status("PutObject", self._put("trailer", {}, body)) != 200:
                return False
        with map_s3_errors("GetObject"):
            answer = await self._client.get_object(Bucket=self._bucket, Key=f"{self._stem}trailer")
            kept = "aws-chunked" in answer.get("ContentEncoding", "")
            return bool(await answer["Body"].read() == _BODY) and not kept

    async def _put(self, suffix: str, more: dict[str, str], body: ViewsBody | None = None) -> Any:
        key = self._stem + suffix
        self._keys.add(key)
        body = body or self._body()
        return await self._client.put_object(
            Bucket=self._bucket, Key=key, Body=body, ContentLength=body.size, **more
        )

    def _body(self, data: bytes = _BODY, payload_hash: str | None = None) -> ViewsBody:
        return ViewsBody(
            (memoryview(data),),
            payload_hash or hashlib.sha256(data).hexdigest(),
            idle_timeout=LIMIT,
        )

    async def _status(self, operation: str, call: Awaitable[Any]) -> int:
        """The status of a call's answer.

        Raises:
            StorageUnavailable: no answer, or one that says nothing about the question: 429 or 503.
        """
        with map_s3_errors(operation):
            try:
                await call
            except ClientError as error:
                status = int(error.response["ResponseMetadata"]["HTTPStatusCode"])
                if status in (429, 503):
                    raise
                return status
        return 200

    async def _clean_up(self) -> None:
        """Remove what was made, and objects of probes that were killed. What fails here is left to the next probe, and
        multiparts to the sweep; the probe's finding counts."""
        with suppress(TimeoutError, ClientError, BotoCoreError):
            async with asyncio.timeout(CLEAN_UP_LIMIT):
                self._keys |= await self._left_behind()
        calls = [self._client.abort_multipart_upload(**target) for target in self._uploads]
        calls += [self._client.delete_object(Bucket=self._bucket, Key=key) for key in self._keys]
        with suppress(TimeoutError):
            async with asyncio.timeout(CLEAN_UP_LIMIT):
                await asyncio.gather(*calls, return_exceptions=True)

    async def _left_behind(self) -> set[str]:
        """Objects of probes that can't be running any more."""
        listed = await self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._mark)
        oldest = datetime.now(UTC) - timedelta(seconds=PROBE_LASTS)
        return {
            entry["Key"] for entry in listed.get("Contents", ()) if entry["LastModified"] < oldest
        }


async def _all(*calls: Awaitable[Any]) -> list[Any]:
    """Results of all, side by side; the first failure is raised when all have ended, so that cleaning up sees
    everything that was made."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
