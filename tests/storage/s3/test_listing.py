"""Pages of lists, from a client that has them ready."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from gateway.errors import MultipartLost, StorageRejected
from gateway.model import Digest, MultipartRef, ObjectKey
from gateway.storage.s3 import listing

REF = MultipartRef("main", ObjectKey("photos", "a/b c"), "upload-1")
THEN = datetime(2026, 1, 2, tzinfo=UTC)


class Client:
    """Answers each call with the next page, or raises it."""

    def __init__(self, *pages: Any) -> None:
        self.pages = list(pages)
        self.asked: list[dict[str, Any]] = []

    async def list_parts(self, **request: Any) -> Any:
        self.asked.append(request)
        page = self.pages.pop(0)
        if isinstance(page, Exception):
            raise page
        return page

    list_multipart_uploads = list_parts
    list_buckets = list_parts


def refused(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}},
        "List",
    )


def listed(number: int, size: int, **more: Any) -> dict[str, Any]:
    return {"PartNumber": number, "Size": size, "ETag": f'"e{number}"', **more}


async def found(client: Client, prefix: str = "p/") -> list[tuple[str, str]]:
    return [
        (one.ref.key.name, one.ref.upload_id)
        async for one in listing.multiparts(client, "main", "photos", prefix)
    ]


async def test_no_parts_is_an_empty_list() -> None:
    client = Client({"IsTruncated": False})
    assert await listing.parts(client, REF) == []
    assert client.asked == [
        {"Bucket": "photos", "Key": "a/b c", "UploadId": "upload-1", "PartNumberMarker": 0}
    ]


async def test_offsets_run_on_over_pages_and_gaps() -> None:
    client = Client(
        {"Parts": [listed(1, 5), listed(3, 7)], "IsTruncated": True, "NextPartNumberMarker": 3},
        {"Parts": [listed(9, 2, ChecksumCRC32C="AAAAAQ==")], "NextPartNumberMarker": 9},
    )
    receipts = await listing.parts(client, REF)
    assert [(one.number, one.offset, one.size, one.etag) for one in receipts] == [
        (1, 0, 5, "e1"),
        (3, 5, 7, "e3"),
        (9, 12, 2, "e9"),
    ]
    assert receipts[2].digests == (Digest("crc32c", b"\0\0\0\1"),)
    assert [one["PartNumberMarker"] for one in client.asked] == [0, 3]


@pytest.mark.parametrize("marker", [3, 2, None, ""], ids=["same", "back", "none", "empty"])
async def test_a_store_that_never_gets_on_is_not_asked_for_ever(marker: object) -> None:
    page = {"Parts": [listed(3, 1)], "IsTruncated": True, "NextPartNumberMarker": 3}
    again = {"Parts": [listed(3, 1)], "IsTruncated": True, "NextPartNumberMarker": marker}
    client = Client(page, again)
    assert len(await listing.parts(client, REF)) == 2
    assert client.pages == []


async def test_an_upload_that_the_store_forgot_is_lost() -> None:
    with pytest.raises(MultipartLost):
        await listing.parts(Client(refused("NoSuchUpload", 404)), REF)


async def test_uploads_come_page_by_page_with_both_markers() -> None:
    def page(key: str, upload: str, **more: Any) -> dict[str, Any]:
        return {"Uploads": [{"Key": key, "UploadId": upload, "Initiated": THEN}], **more}

    client = Client(
        page("p/a", "1", IsTruncated=True, NextKeyMarker="p/a", NextUploadIdMarker="1"),
        page("p/a", "2", IsTruncated=True, NextKeyMarker="p/a", NextUploadIdMarker="2"),
        page("p/b+%20", "3", IsTruncated=False),
    )
    assert await found(client) == [("p/a", "1"), ("p/a", "2"), ("p/b+%20", "3")]
    assert client.asked == [
        {"Bucket": "photos", "Prefix": "p/"},
        {"Bucket": "photos", "Prefix": "p/", "KeyMarker": "p/a", "UploadIdMarker": "1"},
        {"Bucket": "photos", "Prefix": "p/", "KeyMarker": "p/a", "UploadIdMarker": "2"},
    ]


async def test_the_time_an_upload_began_is_the_stores() -> None:
    client = Client({"Uploads": [{"Key": "k", "UploadId": "u", "Initiated": THEN}]})
    (one,) = [one async for one in listing.multiparts(client, "main", "photos", "")]
    assert (one.initiated, one.ref.store, one.ref.key.bucket) == (THEN, "main", "photos")


async def test_a_list_that_repeats_its_last_page_ends() -> None:
    same = {"IsTruncated": True, "NextKeyMarker": "k", "NextUploadIdMarker": None}
    client = Client(dict(same), dict(same))
    assert await found(client) == []
    assert client.pages == []


async def test_keys_are_asked_for_encoded_only_when_the_plain_list_cannot_be_read() -> None:
    upload = {"Key": "a%01+%2B", "UploadId": "u", "Initiated": THEN}
    client = Client(
        refused("500", 500),
        {"Uploads": [upload], "IsTruncated": True, "NextKeyMarker": "a%01+%2B"},
        {"Uploads": [], "IsTruncated": False},
    )
    assert await found(client) == [("a\x01 +", "u")]
    assert client.asked[1] == {"Bucket": "photos", "Prefix": "p/", "EncodingType": "url"}
    assert client.asked[2]["KeyMarker"] == "a\x01 +"
    assert "EncodingType" not in client.asked[2]  # each page is tried plain first


async def test_another_error_is_not_taken_for_an_unreadable_list() -> None:
    client = Client(refused("AccessDenied", 403))
    with pytest.raises(StorageRejected):
        await found(client)
    assert len(client.asked) == 1


async def test_buckets_are_named_where_we_may_know_them() -> None:
    client = Client({"Buckets": [{"Name": "a"}, {"Name": "b"}]}, {}, refused("AccessDenied", 403))
    assert await listing.buckets(client) == ["a", "b"]
    assert await listing.buckets(client) == []
    assert await listing.buckets(client) is None


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch"])
async def test_a_store_that_does_not_know_us_is_an_error(code: str) -> None:
    with pytest.raises(StorageRejected):
        await listing.buckets(Client(refused(code, 403)))
