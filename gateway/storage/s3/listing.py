"""ListBuckets, ListParts and ListMultipartUploads, all pages of them."""

from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import unquote_plus

from botocore.exceptions import ClientError

from gateway.errors import StorageRejected
from gateway.model import MultipartListing, MultipartRef, ObjectKey, PartReceipt
from gateway.storage.s3 import checksums, fields
from gateway.storage.s3.errors import map_s3_errors

#: botocore turns a 200 that is no XML into a 500, whose code it makes of the status.
_UNREADABLE: Final = "500"


def target(ref: MultipartRef) -> dict[str, str]:
    """The parameters that name an upload."""
    return {"Bucket": ref.key.bucket, "Key": ref.key.name, "UploadId": ref.upload_id}


async def buckets(client: Any) -> list[str] | None:
    """The account's buckets; None where our credential is good but may not list them.

    Raises:
        StorageError: there is no answer, or another refusal.
    """
    try:
        with map_s3_errors("ListBuckets"):
            answer = await client.list_buckets()
    except StorageRejected as error:
        if isinstance(error.__cause__, ClientError) and _code(error.__cause__) == "AccessDenied":
            return None
        raise
    return [bucket["Name"] for bucket in answer.get("Buckets", ())]


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


async def parts(client: Any, ref: MultipartRef) -> list[PartReceipt]:
    """The parts the store has, ascending.

    Raises:
        MultipartLost: the store does not know the upload.
    """
    receipts: list[PartReceipt] = []
    offset, marker = 0, 0
    while True:
        with map_s3_errors("ListParts"):
            page = await client.list_parts(**target(ref), PartNumberMarker=marker)
        for part in page.get("Parts", ()):
            number, size = int(part["PartNumber"]), int(part["Size"])
            digests = checksums.of_listed_part(part)
            receipts.append(PartReceipt(number, offset, size, fields.etag_of(part), digests))
            offset += size
        following = int(page.get("NextPartNumberMarker") or 0)
        if not page.get("IsTruncated") or following <= marker:
            return receipts
        marker = following


async def multiparts(
    client: Any, store: str, bucket: str, prefix: str
) -> AsyncIterator[MultipartListing]:
    """The unfinished uploads whose key begins with ``prefix``."""
    marker: dict[str, str] = {}
    while True:
        page = await _page_of_multiparts(client, {"Bucket": bucket, "Prefix": prefix, **marker})
        for upload in page.get("Uploads", ()):
            ref = MultipartRef(store, ObjectKey(bucket, upload["Key"]), upload["UploadId"])
            yield MultipartListing(ref, upload["Initiated"])
        following = {
            "KeyMarker": page.get("NextKeyMarker") or "",
            "UploadIdMarker": page.get("NextUploadIdMarker") or "",
        }
        if not page.get("IsTruncated") or following == marker:
            return
        marker = following


async def _page_of_multiparts(client: Any, request: dict[str, str]) -> dict[str, Any]:
    """One page, its keys plain.

    Keys are asked for URL-encoded only where the plain answer cannot be parsed (XML 1.0 has no control
    characters): Ceph RGW encodes without saying so, and only some of the fields; others ignore the wish.
    """
    with map_s3_errors("ListMultipartUploads"):
        try:
            page: dict[str, Any] = await client.list_multipart_uploads(**request)
            return page
        except ClientError as error:
            if error.response["Error"]["Code"] != _UNREADABLE:
                raise
            page = await client.list_multipart_uploads(**request, EncodingType="url")
    for upload in page.get("Uploads", ()):
        upload["Key"] = unquote_plus(upload["Key"])
    page["NextKeyMarker"] = unquote_plus(page.get("NextKeyMarker") or "")
    return page
