"""What the plane asks of botocore. What stores answer to it: test_store, for both planes."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.errors import PreconditionFailed, StorageCorrupt, StorageUnavailable
from gateway.model import (
    Attributes,
    ByteRange,
    Digest,
    From,
    MultipartRef,
    ObjectKey,
    Part,
    WriteCondition,
)
from gateway.storage.s3.aiobotocore_plane import AiobotocorePlane
from gateway.storage.s3.body import UNSIGNED, ViewsBody
from gateway.storage.s3.connection import Connection
from tests.storage.contract_base import views
from tests.storage.s3.test_listing import refused

KEY = ObjectKey("photos", "k")
REF = MultipartRef("main", KEY, "u")
SHA = Digest("sha-256", hashlib.sha256(b"hello").digest())
CRC = Digest("crc32c", b"\0\0\0\1")


class Stream:
    """A response body that remembers whether it was given up."""

    def __init__(self) -> None:
        self.closed = 0

    async def aclose(self) -> None:
        self.closed += 1


@dataclass
class Client:
    """Takes any call, answers with ``answer`` or raises it."""

    answer: Any = field(default_factory=lambda: {"ETag": '"e"', "VersionId": "v1"})
    status: int = 200
    asked: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        async def call(**parameters: Any) -> Any:
            self.asked = {"operation": name, **parameters}
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer | {"ResponseMetadata": {"HTTPStatusCode": self.status}}

        return call


def plane(client: Client, *, hash_payload: bool = False, bare: bool = False) -> AiobotocorePlane:
    endpoint = SimpleNamespace(hash_payload=hash_payload, idle_timeout=5.0)
    connection = SimpleNamespace(client=client, endpoint=endpoint, bare_etags=bare)
    return AiobotocorePlane(cast("Connection", connection))


async def put(one: AiobotocorePlane, condition: WriteCondition = WriteCondition()) -> Any:
    return await one.put(
        KEY, views(b"hel", b"lo"), Attributes(), condition=condition, digests=[SHA], sent=[CRC]
    )


async def test_a_put_has_an_exact_length_and_the_checksums_to_send() -> None:
    client = Client()
    stored = await put(plane(client))
    assert (stored.etag, stored.size, stored.version) == ("e", 5, "v1")
    assert client.asked["operation"] == "put_object"
    assert client.asked["ContentLength"] == 5
    assert client.asked["ChecksumCRC32C"] == "AAAAAQ=="
    body = client.asked["Body"]
    assert isinstance(body, ViewsBody)
    assert body.payload_hash == UNSIGNED


@pytest.mark.parametrize("known", [[SHA], [CRC], []], ids=["at_hand", "another", "none"])
async def test_a_payload_to_be_hashed_is_hashed_unless_it_was(known: list[Digest]) -> None:
    client = Client()
    one = plane(client, hash_payload=True)
    await one.put(
        KEY, views(b"hello"), Attributes(), condition=WriteCondition(), digests=known, sent=[]
    )
    assert client.asked["Body"].payload_hash == SHA.value.hex()


async def test_a_digest_at_hand_is_believed() -> None:
    client = Client()
    claimed = Digest("sha-256", bytes(32))
    part = Part(1, 0, 5, tuple(views(b"hello")), (CRC, claimed))
    await plane(client, hash_payload=True).upload_part(REF, part, sent=[])
    assert client.asked["Body"].payload_hash == bytes(32).hex()


@pytest.mark.parametrize(("bare", "sent"), [(False, '"e"'), (True, "e")])
async def test_conditions_are_spelled_as_the_store_wants_them(bare: bool, sent: str) -> None:
    client = Client()
    await put(plane(client, bare=bare), WriteCondition(etag="e"))
    assert client.asked["IfMatch"] == sent


async def test_a_missing_object_fails_a_condition_on_its_etag_only() -> None:
    one = plane(Client(refused("NoSuchKey", 404)))
    with pytest.raises(PreconditionFailed):
        await put(one, WriteCondition(etag="e"))


async def test_a_part_goes_to_its_number_and_its_receipt_is_of_it() -> None:
    client = Client()
    part = Part(7, 100, 5, tuple(views(b"hello")))
    receipt = await plane(client).upload_part(REF, part, sent=[CRC])
    asked = client.asked
    assert (asked["UploadId"], asked["PartNumber"], asked["ContentLength"]) == ("u", 7, 5)
    assert (receipt.number, receipt.offset, receipt.size) == (7, 100, 5)
    assert (receipt.etag, receipt.digests) == ("e", (CRC,))


def opened(**more: Any) -> dict[str, Any]:
    return {
        "Body": Stream(),
        "ETag": '"e"',
        "ContentLength": 5,
        "LastModified": datetime(2026, 1, 2, tzinfo=UTC),
        **more,
    }


async def test_a_get_asks_for_its_range_of_its_version() -> None:
    client = Client(opened(ContentRange="bytes 2-6/9"), 206)
    got = await plane(client).get(KEY, range=From(2, 7), if_match="e")
    assert (client.asked["Range"], client.asked["IfMatch"]) == ("bytes=2-6", '"e"')
    assert (got.range, got.info.size, got.source.length) == (ByteRange(2, 7), 9, 5)


async def test_a_plain_get_says_nothing_of_ranges() -> None:
    client = Client(opened())
    got = await plane(client).get(KEY, range=None, if_match=None)
    assert client.asked == {"operation": "get_object", "Bucket": "photos", "Key": "k"}
    assert (got.range, got.source.length) == (ByteRange(0, 5), 5)


async def test_an_empty_object_has_no_range() -> None:
    got = await plane(Client(opened(ContentLength=0))).get(KEY, range=None, if_match=None)
    assert (got.range, got.source.length) == (None, 0)


async def test_an_answer_that_cannot_be_used_gives_its_connection_up() -> None:
    answer = opened()  # the range was ignored
    with pytest.raises(StorageCorrupt):
        await plane(Client(answer)).get(KEY, range=From(2, 7), if_match=None)
    assert answer["Body"].closed == 1


@pytest.mark.parametrize("status", [201, 204])
async def test_what_a_put_stores_may_be_created_or_have_nothing_said_of_it(status: int) -> None:
    part = Part(7, 100, 5, tuple(views(b"hello")))
    assert (await put(plane(Client(status=status)))).etag == "e"
    assert (await plane(Client(status=status)).upload_part(REF, part, sent=[])).etag == "e"
    for call in (
        plane(Client(opened(ContentLength=0), status)).get(KEY, range=None, if_match=None),
        plane(Client(opened(), status)).head(KEY),
    ):
        with pytest.raises(StorageCorrupt, match=str(status)):
            await call


@pytest.mark.parametrize("status", [202, 203, 300])
async def test_another_success_than_was_asked_for_is_none(status: int) -> None:
    got = opened(ContentLength=0)
    with pytest.raises(StorageCorrupt, match=str(status)):
        await plane(Client(got, status)).get(KEY, range=None, if_match=None)
    assert got["Body"].closed == 1
    with pytest.raises(StorageCorrupt, match=str(status)):
        await plane(Client(opened(), status)).head(KEY)
    with pytest.raises(StorageCorrupt, match=str(status)):
        await put(plane(Client(status=status)))
    part = Part(7, 100, 5, tuple(views(b"hello")))
    with pytest.raises(StorageCorrupt, match=str(status)):
        await plane(Client(status=status)).upload_part(REF, part, sent=[])


async def test_a_part_that_does_not_say_which_is_none() -> None:
    with pytest.raises(StorageCorrupt, match="which"):
        await plane(Client(opened(), 206)).get(KEY, range=None, if_match=None)


async def test_a_head_without_a_body_tells_the_size() -> None:
    info = await plane(Client(opened())).head(KEY)
    assert (info.size, info.etag, info.key) == (5, "e", KEY)


async def test_failures_are_the_trees() -> None:
    one = plane(Client(ConnectionResetError()))
    with pytest.raises(StorageUnavailable):
        await put(one)
    with pytest.raises(StorageUnavailable):
        await one.head(KEY)
    await one.aclose()  # the connections are the control plane's
    with pytest.raises(StorageUnavailable):
        await one.get(KEY, range=None, if_match=None)
