"""The contract against moto and against Ceph RGW, and what only S3 has."""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import ClassVar

import pytest
import pytest_asyncio

from gateway.errors import (
    BucketNotFound,
    ConcurrentWrite,
    DigestMismatch,
    GatewayError,
    InvalidPart,
    InvalidRange,
    MultipartLost,
    PreconditionFailed,
    StorageCorrupt,
    StorageRejected,
    StorageThrottled,
    StorageTimeout,
    StorageUnavailable,
)
from gateway.model import (
    Attributes,
    Digest,
    From,
    MultipartRef,
    ObjectKey,
    Part,
    Suffix,
    WriteCondition,
)
from gateway.storage.base import Capabilities, ObjectStore
from gateway.storage.checksums import compute
from gateway.storage.s3 import S3Store
from gateway.storage.s3.probe import Probe
from gateway.units import MiB
from tests.servers.faulty_s3 import Answer, Fault, FaultyS3, Request, answer
from tests.servers.fixtures import create_bucket
from tests.servers.lease import S3Endpoint
from tests.storage.contract import StoreContract
from tests.storage.contract_base import PLAIN, body, part, pattern, views
from tests.storage.contract_objects import ODD_KEYS
from tests.storage.contract_passages import PassageContract
from tests.storage.s3.conftest import BUCKET, opened, section

PLANES = ("wire", "aiobotocore")
NO_CONDITIONAL_COMPLETE = "has no conditional CompleteMultipartUpload"

#: Tests of the contract that moto 5 cannot pass, and why. None of it is the store's doing.
NOT_FOR_MOTO = {
    "test_completing_twice_finds_the_upload_lost": "answers 200 again",
    "test_an_aborted_upload_is_lost": "UploadPart of an unknown upload is a 500",
    "test_an_unknown_upload_is_lost": "the same",
    "test_case_78_an_upload_belongs_to_its_key": "does not compare the key",
    "test_unfinished_uploads_are_listed_by_prefix": "all uploads were initiated in 2010",
    "test_writers_without_conditions_leave_one_whole_object": "is not thread-safe: 500",
    "test_readers_see_whole_objects_while_writers_replace_them": "the same",
    "test_pitfall_08_of_two_writers_if_absent_exactly_one_wins": "checks and writes in two steps",
    "test_of_two_writers_on_one_etag_exactly_one_wins": "the same",
    "test_a_conditional_complete_does_not_overwrite": NO_CONDITIONAL_COMPLETE,
    "test_pitfall_08_of_two_conditional_completes_exactly_one_wins": NO_CONDITIONAL_COMPLETE,
}

#: The same for Ceph RGW 16.
NOT_FOR_RGW = {
    "test_completing_twice_finds_the_upload_lost": "repeats its answer while the object is the upload's",
    "test_parts_that_are_not_named_are_left_out": "wants every uploaded part in the list",
    "test_case_79_completing_at_the_same_time_makes_one_object": "says `in progress`: see below",
    "test_a_conditional_complete_does_not_overwrite": NO_CONDITIONAL_COMPLETE,
    "test_pitfall_08_of_two_conditional_completes_exactly_one_wins": NO_CONDITIONAL_COMPLETE,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=PLANES)
async def moto_store(
    moto_s3: S3Endpoint, request: pytest.FixtureRequest
) -> AsyncIterator[ObjectStore]:
    create_bucket(moto_s3, BUCKET)
    more = {"data_plane": request.param, "sign_payload": "never"}  # so that bodies may come slowly
    async with opened(section(moto_s3, **more)) as store:
        await store.probe(BUCKET, "")
        yield store


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=PLANES)
async def rgw_store(rgw: S3Endpoint, request: pytest.FixtureRequest) -> AsyncIterator[ObjectStore]:
    create_bucket(rgw, BUCKET)
    async with opened(section(rgw, data_plane=request.param, sign_payload="never")) as store:
        await store.probe(BUCKET, "")
        yield store


@pytest.mark.asyncio(loop_scope="module")
class TestMoto(StoreContract):
    missing_bucket = "there-is-no-such-bucket"
    odd_keys: ClassVar[list[str]] = [
        key for key in ODD_KEYS if "\n" not in key
    ]  # moto routes by lines

    @pytest.fixture
    def store(self, moto_store: ObjectStore) -> ObjectStore:
        return moto_store

    @pytest.fixture
    def bucket(self) -> str:
        return BUCKET


@pytest.mark.s3
@pytest.mark.asyncio(loop_scope="module")
class TestCephRgw(StoreContract):
    missing_bucket = "there-is-no-such-bucket"

    @pytest.fixture
    def store(self, rgw_store: ObjectStore) -> ObjectStore:
        return rgw_store

    @pytest.fixture
    def bucket(self) -> str:
        return BUCKET

    async def test_the_probe_finds_what_this_server_does(
        self, store: ObjectStore, bucket: str
    ) -> None:
        seen = await store.probe(bucket, "")
        assert (seen.conditional_put, seen.checksums, seen.trailers) == ("put", frozenset(), False)
        assert not seen.unlisted_parts

    async def test_completing_twice_leaves_the_object(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        ref = await store.create_multipart(key, PLAIN)
        receipts = await self.upload(store, ref, [b"once"])
        first = await store.complete_multipart(ref, receipts)
        assert await store.complete_multipart(ref, receipts) == first
        assert await self.read(store, key) == b"once"

    async def test_a_part_left_out_is_refused(self, store: ObjectStore, key: ObjectKey) -> None:
        ref = await store.create_multipart(key, PLAIN)
        first, _ = await self.upload(store, ref, [self.full_part(store), b"end"])
        with pytest.raises(InvalidPart):
            await store.complete_multipart(ref, [first])

    async def test_case_79_of_completions_at_one_time_the_losers_may_look_again(
        self, store: ObjectStore, key: ObjectKey
    ) -> None:
        ref = await store.create_multipart(key, PLAIN)
        receipts = await self.upload(store, ref, [b"once"])
        outcomes = await asyncio.gather(
            *(store.complete_multipart(ref, receipts) for _ in range(4)), return_exceptions=True
        )
        failed = [one for one in outcomes if isinstance(one, BaseException)]
        assert len(failed) < 4
        assert all(isinstance(one, MultipartLost | ConcurrentWrite) for one in failed), failed
        assert await self.read(store, key) == b"once"

    async def test_a_fault_proxy_in_front_keeps_signatures_right(
        self, rgw: S3Endpoint, store: ObjectStore, key: ObjectKey
    ) -> None:
        async with (
            FaultyS3(rgw.url) as proxy,
            opened(section(rgw, endpoint_url=proxy.url)) as through,
        ):
            proxy.fail("CompleteMultipartUpload", Fault.LOST)
            ref = await through.create_multipart(key, PLAIN)
            receipts = await self.upload(through, ref, [self.full_part(store), b"tail"])
            with pytest.raises(StorageUnavailable):
                await through.complete_multipart(ref, receipts)
            assert (await through.head(key)).size == sum(one.size for one in receipts)
            assert proxy.calls == [
                "CreateMultipartUpload",
                "UploadPart",
                "UploadPart",
                "CompleteMultipartUpload",
                "HeadObject",
            ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def moto_wire(moto_s3: S3Endpoint) -> AsyncIterator[ObjectStore]:
    create_bucket(moto_s3, BUCKET)
    async with opened(section(moto_s3, data_plane="wire", sign_payload="never")) as store:
        await store.probe(BUCKET, "")
        yield store


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rgw_wire(rgw: S3Endpoint) -> AsyncIterator[ObjectStore]:
    create_bucket(rgw, BUCKET)
    async with opened(section(rgw, data_plane="wire", sign_payload="never")) as store:
        await store.probe(BUCKET, "")
        yield store


@pytest.mark.asyncio(loop_scope="module")
class TestMotoPassages(PassageContract):
    missing_bucket = "there-is-no-such-bucket"
    test_a_part_of_no_upload_is_lost = None  # type: ignore[assignment]  # moto answers 500

    @pytest.fixture
    def store(self, moto_wire: ObjectStore) -> ObjectStore:
        return moto_wire

    @pytest.fixture
    def bucket(self) -> str:
        return BUCKET


@pytest.mark.s3
@pytest.mark.asyncio(loop_scope="module")
class TestCephRgwPassages(PassageContract):
    missing_bucket = "there-is-no-such-bucket"

    @pytest.fixture
    def store(self, rgw_wire: ObjectStore) -> ObjectStore:
        return rgw_wire

    @pytest.fixture
    def bucket(self) -> str:
        return BUCKET


for _class, _without in ((TestMoto, NOT_FOR_MOTO), (TestCephRgw, NOT_FOR_RGW)):
    for _name in _without:
        assert hasattr(StoreContract, _name), f"{_name} is not in the contract any more"
        setattr(_class, _name, None)


KEY = ObjectKey(BUCKET, "store/object")


async def everything(store: S3Store) -> dict[str, GatewayError | None]:
    """Every operation once; how each ended."""
    ref = MultipartRef("main", KEY, "unknown")
    piece = part(1, b"x" * 1000, 0)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "HeadBucket": lambda: store.ping(BUCKET),
        "PutObject": lambda: store.put(KEY, piece.views, PLAIN),
        "HeadObject": lambda: store.head(KEY),
        "GetObject": lambda: store.get(KEY),
        "DeleteObject": lambda: store.delete(KEY),
        "CreateMultipartUpload": lambda: store.create_multipart(KEY, PLAIN),
        "UploadPart": lambda: store.upload_part(ref, piece),
        "CompleteMultipartUpload": lambda: store.complete_multipart(ref, []),
        "AbortMultipartUpload": lambda: store.abort_multipart(ref),
        "ListParts": lambda: store.list_parts(ref),
        "ListMultipartUploads": lambda: anext(store.list_multiparts(BUCKET, "")),
    }

    async def end_of(call: Callable[[], Awaitable[object]]) -> GatewayError | None:
        try:
            await call()
        except GatewayError as error:
            return error
        return None

    ends = await asyncio.gather(*(end_of(call) for call in calls.values()))
    return dict(zip(calls, ends, strict=True))


def always(proxy: FaultyS3, behaviour: Fault | Answer) -> None:
    for operation in (
        "HeadBucket", "PutObject", "HeadObject", "GetObject", "DeleteObject", "CreateMultipartUpload",
        "UploadPart", "CompleteMultipartUpload", "AbortMultipartUpload", "ListParts", "ListMultipartUploads",
    ):  # fmt: skip
        proxy.fail(operation, behaviour, times=None)


@pytest.mark.parametrize(
    ("behaviour", "expected", "retry_after"),
    [
        (answer(500, "InternalError"), StorageUnavailable, None),
        (answer(503, "ServiceUnavailable", retry_after=3), StorageUnavailable, 3.0),
        (answer(503, "SlowDown", retry_after=7), StorageThrottled, 7.0),
        (answer(429, "TooManyRequests"), StorageThrottled, None),
        (answer(403, "SignatureDoesNotMatch"), StorageRejected, None),
        (answer(301, "PermanentRedirect"), StorageRejected, None),
        (
            Answer(307, headers=(("Location", "http://127.0.0.1:9/elsewhere"),)),
            StorageRejected,
            None,
        ),
        (Fault.RESET, StorageUnavailable, None),
        (Fault.LOST, StorageUnavailable, None),
        (Fault.SILENCE, StorageTimeout, None),
    ],
    ids=str,
)
async def test_pitfall_33_a_failing_call_is_one_request(
    store: S3Store,
    proxy: FaultyS3,
    behaviour: Fault | Answer,
    expected: type[GatewayError],
    retry_after: float | None,
) -> None:
    always(proxy, behaviour)
    ends = await everything(store)
    assert sorted(proxy.calls) == sorted(ends)
    for operation, error in ends.items():
        if operation.startswith("Head") and isinstance(behaviour, Answer):
            # Answers to HEAD have no body, so no code: a 503 is not known to be a throttle.
            assert isinstance(error, StorageUnavailable | StorageRejected), operation
        else:
            assert type(error) is expected, operation
        assert error is not None
        assert error.retry_after == retry_after


async def test_an_answer_cut_short_is_unavailable(store: S3Store, proxy: FaultyS3) -> None:
    await store.put(KEY, views(b"x" * 1000), PLAIN)
    ref = await store.create_multipart(KEY, PLAIN)
    receipt = await store.upload_part(ref, part(1, b"x", 0))
    proxy.heal()
    always(proxy, Fault.TRUNCATED)
    for call in (
        store.head(KEY),
        store.put(KEY, views(b"x"), PLAIN),
        store.upload_part(ref, part(1, b"x", 0)),
        store.list_parts(ref),
        store.complete_multipart(ref, [receipt]),
        store.create_multipart(KEY, PLAIN),
    ):
        with pytest.raises(StorageUnavailable):
            await call
    assert len(proxy.calls) == 6


async def test_a_slow_answer_is_no_timeout_while_bytes_come(
    store: S3Store, proxy: FaultyS3
) -> None:
    data = pattern(300_000)
    await store.put(KEY, views(data), PLAIN)
    proxy.fail("GetObject", Fault.SLOW)  # a second in all, over a time-out of half of it
    assert await body(await store.get(KEY)) == data


async def test_a_body_that_breaks_off_can_be_continued(store: S3Store, proxy: FaultyS3) -> None:
    data = pattern(3 * MiB)
    await store.put(KEY, views(data), PLAIN)
    proxy.fail("GetObject", Fault.TRUNCATED)
    broken = await store.get(KEY)
    taken, buffer = bytearray(), memoryview(bytearray(100_000))

    async def take() -> None:
        while count := await broken.source.read_into(buffer):
            taken.extend(buffer[:count])

    with pytest.raises(StorageUnavailable):
        await take()
    await broken.source.aclose()
    assert len(taken) > 0
    rest = await store.get(KEY, range=From(len(taken)), if_match=broken.info.etag)
    assert bytes(taken) + await body(rest) == data


async def test_a_body_that_is_given_up_frees_its_connection(
    moto_s3: S3Endpoint, bucket: str
) -> None:
    async with opened(section(moto_s3, max_connections=1)) as store:
        await store.put(KEY, views(pattern(5 * MiB)), PLAIN)
        for _ in range(3):
            half = await store.get(KEY)
            await half.source.read_into(memoryview(bytearray(1000)))
            await half.source.aclose()
        async with asyncio.timeout(5):
            await store.head(KEY)


async def test_a_store_that_stops_reading_is_a_timeout(store: S3Store, proxy: FaultyS3) -> None:
    proxy.fail("PutObject", Fault.DEAF)
    async with asyncio.timeout(5):
        with pytest.raises(StorageTimeout):
            await store.put(KEY, views(bytes(32 * MiB)), PLAIN)


async def test_an_answer_before_the_body_is_out_is_the_answer(
    store: S3Store, proxy: FaultyS3
) -> None:
    xml = b"<Error><Code>AccessDenied</Code></Error>"
    proxy.fail("UploadPart", Answer(403, xml, early=True))
    buffer = bytearray(32 * MiB)
    ref = MultipartRef("main", KEY, "x")
    async with asyncio.timeout(5):
        with pytest.raises(StorageRejected):
            await store.upload_part(ref, Part(1, 0, len(buffer), (memoryview(buffer),)))
    assert [task for task in asyncio.all_tasks() if "write_bytes" in repr(task)] == []


async def test_an_error_inside_a_200_of_complete_is_an_error(
    store: S3Store, proxy: FaultyS3
) -> None:
    ref = MultipartRef("main", KEY, "x")
    xml = b"<?xml version='1.0'?>\n<Error><Code>InternalError</Code><Message>m</Message></Error>"
    proxy.fail("CompleteMultipartUpload", Answer(200, b"   " + xml))
    with pytest.raises(StorageUnavailable):
        await store.complete_multipart(ref, [])
    proxy.fail("CompleteMultipartUpload", answer(200, "SlowDown"))
    with pytest.raises(StorageThrottled):
        await store.complete_multipart(ref, [])


async def test_a_completion_in_progress_of_an_upload_that_is_gone_is_lost(
    store: S3Store, proxy: FaultyS3
) -> None:
    message = b"<Message>This multipart completion is already in progress</Message>"
    words = b"<Error><Code>InternalError</Code>" + message + b"</Error>"
    proxy.fail("CompleteMultipartUpload", Answer(500, words), times=2)
    ref = await store.create_multipart(KEY, PLAIN)
    with pytest.raises(ConcurrentWrite):
        await store.complete_multipart(ref, [])
    await store.abort_multipart(ref)
    with pytest.raises(MultipartLost):
        await store.complete_multipart(ref, [])


async def test_an_empty_etag_of_complete_is_computed(store: S3Store, proxy: FaultyS3) -> None:
    ref = await store.create_multipart(KEY, PLAIN)
    receipts = [await store.upload_part(ref, part(1, b"once", 0))]
    true = (await store.complete_multipart(ref, receipts)).etag
    empty = Answer(
        200, b"<CompleteMultipartUploadResult><ETag></ETag></CompleteMultipartUploadResult>"
    )
    proxy.fail("CompleteMultipartUpload", empty)
    assert (await store.complete_multipart(ref, receipts)).etag == true


async def test_an_answer_without_what_it_must_say_is_corrupt(
    store: S3Store, proxy: FaultyS3
) -> None:
    proxy.fail("PutObject", Answer(200))
    with pytest.raises(StorageCorrupt):
        await store.put(KEY, [], PLAIN)
    proxy.fail("CreateMultipartUpload", Answer(200))
    with pytest.raises(StorageCorrupt):
        await store.create_multipart(KEY, PLAIN)


async def test_a_store_that_ignores_ranges_is_corrupt(store: S3Store, proxy: FaultyS3) -> None:
    proxy.fail("GetObject", Answer(200, b"0123456789", (("ETag", '"e"'),)), times=None)
    with pytest.raises(StorageCorrupt):
        await store.get(KEY, range=From(3))
    assert await body(await store.get(KEY, range=From(0, 100))) == b"0123456789"


async def test_a_range_past_the_end_tells_the_size(store: S3Store) -> None:
    await store.put(KEY, views(b"0123456789"), PLAIN)
    for nothing in (From(10), Suffix(0)):
        with pytest.raises(InvalidRange) as caught:
            await store.get(KEY, range=nothing)
        assert caught.value.size == 10
    with pytest.raises(PreconditionFailed):
        await store.get(KEY, range=Suffix(0), if_match="another")


async def test_a_missing_object_fails_a_condition_on_its_etag(
    store: S3Store, proxy: FaultyS3
) -> None:
    proxy.fail("PutObject", answer(404, "NoSuchKey"))  # as Amazon answers
    with pytest.raises(PreconditionFailed):
        await store.put(KEY, [], PLAIN, condition=WriteCondition(etag="e"))
    proxy.fail("PutObject", answer(404, "NoSuchBucket"))
    with pytest.raises(BucketNotFound):
        await store.put(KEY, [], PLAIN, condition=WriteCondition(etag="e"))


def check_crc64(request: Request) -> Answer | None:
    """A store that verifies CRC64NVME."""
    sent = request.headers.get("x-amz-checksum-crc64nvme")
    right = b64encode(compute("crc64nvme", views(request.body)).value).decode()
    return answer(400, "BadDigest") if sent != right else None


async def test_parts_carry_the_checksum_that_the_store_verifies(
    moto_s3: S3Endpoint, proxy: FaultyS3
) -> None:
    proxy.fail("UploadPart", check_crc64, times=None)
    settings = section(moto_s3, endpoint_url=proxy.url, checksums=["sha256", "crc64nvme"])
    async with opened(settings) as store:
        ref = await store.create_multipart(KEY, PLAIN)
        assert proxy.requests[-1].headers["x-amz-checksum-algorithm"] == "CRC64NVME"
        first = part(1, pattern(5 * MiB), 0)
        receipts = [await store.upload_part(ref, first)]
        assert receipts[0].digests == (compute("crc64nvme", first.views),)
        last = part(2, b"tail", first.size)
        receipts.append(await store.upload_part(ref, last))
        await store.complete_multipart(ref, receipts)
        named = proxy.requests[-1].body.decode()
        for receipt in receipts:
            value = b64encode(receipt.digests[0].value).decode()
            assert f"<ChecksumCRC64NVME>{value}</ChecksumCRC64NVME>" in named


async def test_parts_carry_what_was_announced_though_a_probe_has_ended_since(
    moto_s3: S3Endpoint, proxy: FaultyS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 refuses a checksum of another type than the upload was created with."""
    settings = section(moto_s3, endpoint_url=proxy.url)
    piece = part(1, b"content", 0)

    async def found(self: Probe) -> Capabilities:
        return Capabilities(checksums=frozenset({"crc32c"}))

    monkeypatch.setattr(Probe, "run", found)
    async with opened(settings) as store:
        before = await store.create_multipart(KEY, PLAIN)
        await store.probe(KEY.bucket, "")
        after = await store.create_multipart(KEY, PLAIN)
        crc = compute("crc32c", piece.views)
        known = replace(piece, digests=(crc,))
        assert (await store.upload_part(before, known)).digests == ()
        assert "x-amz-checksum-crc32c" not in proxy.requests[-1].headers
        assert (await store.upload_part(after, known)).digests == (crc,)


async def test_a_checksum_that_costs_much_is_computed_as_well(
    moto_s3: S3Endpoint, proxy: FaultyS3
) -> None:
    settings = section(moto_s3, endpoint_url=proxy.url, checksums="sha256")
    piece = part(1, b"content", 0)
    md5 = compute("md5", piece.views)
    async with opened(settings) as store:
        ref = await store.create_multipart(KEY, PLAIN)
        receipt = await store.upload_part(ref, replace(piece, digests=(md5,)))
    assert receipt.digests == (compute("sha-256", piece.views), md5)
    assert b64decode(proxy.requests[-1].headers["content-md5"]) == md5.value


async def test_a_claim_that_is_signed_and_wrong_is_a_mismatch(
    store: S3Store, proxy: FaultyS3
) -> None:
    proxy.fail("PutObject", answer(400, "XAmzContentSHA256Mismatch"))
    with pytest.raises(DigestMismatch):
        await store.put(KEY, views(b"x"), PLAIN, digests=[compute("sha-256", views(b"y"))])


async def test_a_put_carries_a_digest_at_hand_and_computes_none(
    moto_s3: S3Endpoint, proxy: FaultyS3
) -> None:
    settings = section(moto_s3, endpoint_url=proxy.url, checksums=["sha256", "crc64nvme"])
    data = views(b"content")
    sha, md5 = compute("sha-256", data), compute("md5", data)
    async with opened(settings) as store:
        await store.put(KEY, data, PLAIN, digests=[md5, sha])
        await store.put(KEY, data, PLAIN)
    carrying, plain = (request.headers for request in proxy.requests)
    assert b64decode(carrying["x-amz-checksum-sha256"]) == sha.value
    assert b64decode(carrying["content-md5"]) == md5.value
    assert carrying["x-amz-content-sha256"] == sha.value.hex()
    assert not [name for name in plain if "checksum" in name or name == "content-md5"]


async def test_damage_on_the_way_is_retryable_and_a_wrong_digest_is_not(
    moto_s3: S3Endpoint, proxy: FaultyS3
) -> None:
    proxy.fail("PutObject", answer(400, "BadDigest"), times=None)
    settings = section(moto_s3, endpoint_url=proxy.url, checksums=["crc32c"])
    data = views(b"content")
    right = compute("crc32c", data)
    async with opened(settings) as store:
        with pytest.raises(StorageUnavailable):
            await store.put(KEY, data, PLAIN, digests=[right])
        with pytest.raises(DigestMismatch):
            await store.put(KEY, data, PLAIN, digests=[Digest("crc32c", b"\0" * 4)])


async def test_a_delete_on_an_etag_sends_it_along(store: S3Store, proxy: FaultyS3) -> None:
    etag = (await store.put(KEY, views(b"x"), PLAIN)).etag
    await store.delete(KEY, if_match=etag)
    assert proxy.requests[-1].headers["if-match"] == f'"{etag}"'


async def test_pages_of_parts_and_uploads_are_joined(store: S3Store, proxy: FaultyS3) -> None:
    def parts(request: Request) -> Answer:
        second = "part-number-marker=7" in request.target
        number, more = (9, "false") if second else (7, "true")
        return Answer(
            200,
            f"<ListPartsResult><NextPartNumberMarker>{number}</NextPartNumberMarker><IsTruncated>{more}</IsTruncated>"
            f'<Part><PartNumber>{number}</PartNumber><ETag>"e{number}"</ETag><Size>5</Size>'
            "<ChecksumCRC32C>AAAAAQ==</ChecksumCRC32C></Part></ListPartsResult>".encode(),
        )

    proxy.fail("ListParts", parts, times=None)
    listed = await store.list_parts(MultipartRef("main", KEY, "x"))
    assert [(one.number, one.offset, one.etag) for one in listed] == [(7, 0, "e7"), (9, 5, "e9")]
    assert listed[0].digests == (Digest("crc32c", b"\0\0\0\1"),)

    def uploads(request: Request) -> Answer:
        second = "key-marker=a%2Bb" in request.target
        key, more = ("c", "false") if second else ("a+b", "true")
        return Answer(
            200,
            f"<R><NextKeyMarker>{key}</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>"
            f"<IsTruncated>{more}</IsTruncated><Upload><Key>{key}</Key><UploadId>u</UploadId>"
            "<Initiated>2026-01-02T03:04:05Z</Initiated></Upload></R>".encode(),
        )

    proxy.fail("ListMultipartUploads", uploads, times=None)
    found = [one async for one in store.list_multiparts(BUCKET, "")]
    assert [one.ref.key.name for one in found] == ["a+b", "c"]


async def test_keys_that_xml_cannot_hold_are_listed_too(store: S3Store, proxy: FaultyS3) -> None:
    def uploads(request: Request) -> Answer:
        key = "a%01+b" if "encoding-type=url" in request.target else "a&#x1; b"
        return Answer(
            200,
            f"<R><IsTruncated>false</IsTruncated><Upload><Key>{key}</Key><UploadId>u</UploadId>"
            "<Initiated>2026-01-02T03:04:05Z</Initiated></Upload></R>".encode(),
        )

    proxy.fail("ListMultipartUploads", uploads, times=None)
    found = [one async for one in store.list_multiparts(BUCKET, "")]
    assert [one.ref.key.name for one in found] == ["a\x01 b"]


async def test_metadata_beyond_ascii_and_any_expires_come_back(store: S3Store) -> None:
    attributes = Attributes(
        content_type="a/b",
        expires="0",
        metadata={
            "name": "Übersicht – 日本語 👍🏽" * 8,
            "spaces": " kept ",
            "looks": "=?UTF-8?B?eA==?=",
        },
    )
    await store.put(KEY, [], attributes)
    assert (await store.head(KEY)).attributes == attributes


async def test_configuration_wins_over_what_the_probe_finds(
    moto_s3: S3Endpoint, bucket: str
) -> None:
    settings = section(
        moto_s3, conditional_put="complete", checksums=["SHA256"], uniform_parts=True
    )
    async with opened(settings) as store:
        for _ in range(2):
            seen = store.capabilities
            assert seen.conditional_put == "complete"
            assert seen.checksums == {"sha-256"}
            assert seen.parts.uniform
            await store.probe(bucket, "")


def test_r2_wants_uniform_parts() -> None:
    endpoint = S3Endpoint("https://account.r2.cloudflarestorage.com", "a", "b")
    assert S3Store("r2", section(endpoint)).capabilities.parts.uniform
    assert not S3Store("r2", section(endpoint, uniform_parts=False)).capabilities.parts.uniform
    near = S3Endpoint("https://r2.cloudflarestorage.com.example.org", "a", "b")
    assert not S3Store("other", section(near)).capabilities.parts.uniform


async def test_a_store_can_be_closed_twice(moto_s3: S3Endpoint) -> None:
    store = S3Store("main", section(moto_s3))
    await store.start()
    await store.aclose()
    await store.aclose()


async def test_a_configuration_that_cannot_be_used_is_said_at_start(moto_s3: S3Endpoint) -> None:
    store = S3Store("main", section(moto_s3, region="no such/region"))
    with pytest.raises(StorageRejected, match="main"):
        await store.start()
