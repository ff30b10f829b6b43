"""What the probe concludes from what stores do. moto and Ceph RGW show two of the cases; the others are
planned answers in front of moto."""

import asyncio
from base64 import b64encode

import pytest

from gateway.errors import (
    BucketNotFound,
    ObjectNotFound,
    StorageRejected,
    StorageThrottled,
    StorageTimeout,
    StorageUnavailable,
)
from gateway.model import Attributes, ObjectKey
from gateway.storage.checksums import compute
from gateway.storage.s3 import S3Store, probe
from gateway.storage.s3.checksums import PREFERENCE, s3_name
from tests.servers.faulty_s3 import Answer, Fault, FaultyS3, Request, answer
from tests.servers.lease import S3Endpoint
from tests.storage.contract_base import views
from tests.storage.s3.conftest import BUCKET, opened, section


async def left(store: S3Store, proxy: FaultyS3) -> list[str]:
    """Objects and uploads of probes that are still there."""
    found = []
    for target in {request.target.partition("?")[0] for request in proxy.requests}:
        name = target.removeprefix(f"/{BUCKET}").lstrip("/")
        if name:
            try:
                await store.head(ObjectKey(BUCKET, name))
            except Exception:
                continue
            found.append(name)
    unfinished = [one.ref.key.name async for one in store.list_multiparts(BUCKET, "")]
    return found + [name for name in unfinished if ".sluice-probe-" in name]


def verifying(request: Request) -> Answer | None:
    """A store that verifies every checksum header."""
    for name in PREFERENCE:
        header = f"x-amz-checksum-{s3_name(name).lower()}"
        right = b64encode(compute(name, views(request.body)).value).decode()
        if request.headers.get(header, right) != right:
            return answer(400, "BadDigest")
    return None


async def test_a_store_like_amazons_is_recognised(store: S3Store, proxy: FaultyS3) -> None:
    def conditional(request: Request) -> Answer | None:
        named = {"if-none-match", "if-match"} & set(request.headers)
        return answer(412, "PreconditionFailed") if named else None

    proxy.fail("PutObject", verifying, times=None)
    proxy.fail("CompleteMultipartUpload", conditional, times=None)
    seen = await store.probe(BUCKET, "probe/")
    assert seen.conditional_put == "complete"
    assert seen.checksums == set(PREFERENCE)
    assert seen.trailers
    assert seen.unlisted_parts
    assert seen == store.capabilities
    assert await left(store, proxy) == []


async def test_a_store_that_ignores_conditions_has_none(store: S3Store, proxy: FaultyS3) -> None:
    def ignoring(request: Request) -> Answer | None:
        plan = {"if-none-match", "if-match"} & set(request.headers)
        return Answer(200, headers=(("ETag", '"e"'),)) if plan else None

    proxy.fail("PutObject", ignoring, times=None)
    assert (await store.probe(BUCKET, "")).conditional_put == "none"


async def test_a_store_that_refuses_conditions_has_none(store: S3Store, proxy: FaultyS3) -> None:
    def refusing(request: Request) -> Answer | None:
        plan = {"if-none-match", "if-match"} & set(request.headers)
        return answer(501, "NotImplemented") if plan else None

    proxy.fail("PutObject", refusing, times=None)
    assert (await store.probe(BUCKET, "")).conditional_put == "none"


async def test_a_store_that_takes_no_etag_conditions_has_none(
    store: S3Store, proxy: FaultyS3
) -> None:
    def refusing(request: Request) -> Answer | None:
        return answer(412, "PreconditionFailed") if "if-match" in request.headers else None

    proxy.fail("PutObject", refusing, times=None)
    assert (await store.probe(BUCKET, "")).conditional_put == "none"


async def test_etags_are_sent_in_the_form_the_store_takes(store: S3Store, proxy: FaultyS3) -> None:
    def bare(request: Request) -> Answer | None:
        quoted = request.headers.get("if-match", "").startswith('"')
        return answer(412, "PreconditionFailed") if quoted else None

    proxy.fail("PutObject", bare, times=None)
    assert (await store.probe(BUCKET, "")).conditional_put == "put"


async def test_a_store_that_keeps_the_framing_has_no_trailers(
    store: S3Store, proxy: FaultyS3
) -> None:
    proxy.fail("GetObject", Answer(200, b"18\r\n...", (("ETag", '"e"'),)), times=None)
    assert not (await store.probe(BUCKET, "")).trailers


async def test_a_store_that_refuses_trailers_has_none(store: S3Store, proxy: FaultyS3) -> None:
    def refusing(request: Request) -> Answer | None:
        return answer(400, "InvalidRequest") if "x-amz-trailer" in request.headers else None

    proxy.fail("PutObject", refusing, times=None)
    seen = await store.probe(BUCKET, "")
    assert not seen.trailers
    assert seen.conditional_put == "put"


@pytest.mark.parametrize(
    "behaviour", [answer(400, "InvalidPart"), answer(200, "")], ids=["refused", "wrong object"]
)
async def test_a_store_that_leaves_no_part_out_is_recognised(
    store: S3Store, proxy: FaultyS3, behaviour: Answer
) -> None:
    def unlisted(request: Request) -> Answer | None:
        return behaviour if b"<PartNumber>1<" not in request.body else None

    proxy.fail("CompleteMultipartUpload", unlisted, times=None)
    proxy.fail("GetObject", Answer(200, b"something else", (("ETag", '"e"'),)), times=None)
    assert not (await store.probe(BUCKET, "")).unlisted_parts


async def test_a_missing_bucket_is_said(store: S3Store) -> None:
    with pytest.raises(BucketNotFound):
        await store.probe("there-is-no-such-bucket", "")


async def test_a_store_that_refuses_us_is_said_at_the_first_request(
    store: S3Store, proxy: FaultyS3
) -> None:
    proxy.fail("PutObject", answer(403, "AccessDenied"), times=None)
    with pytest.raises(StorageRejected):
        await store.probe(BUCKET, "")
    assert proxy.calls.count("PutObject") == 1


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [(answer(503, "SlowDown"), StorageThrottled), (Fault.RESET, StorageUnavailable)],
    ids=str,
)
async def test_a_store_in_trouble_leaves_the_question_open_and_nothing_behind(
    store: S3Store, proxy: FaultyS3, behaviour: Fault | Answer, expected: type[StorageUnavailable]
) -> None:
    proxy.fail("PutObject", behaviour, nth=3)
    before = store.capabilities
    with pytest.raises(expected):
        await store.probe(BUCKET, "")
    assert store.capabilities == before
    proxy.requests = [request for request in proxy.requests if request.method == "PUT"]
    assert await left(store, proxy) == []


async def test_a_probe_is_bounded_in_time(
    moto_s3: S3Endpoint, proxy: FaultyS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "LIMIT", 0.3)
    monkeypatch.setattr(probe, "CLEAN_UP_LIMIT", 0.2)
    proxy.fail("PutObject", Fault.SILENCE, nth=2, times=None)
    proxy.fail("DeleteObject", Fault.SILENCE, times=None)
    async with opened(section(moto_s3, endpoint_url=proxy.url, idle_timeout=5)) as store:
        async with asyncio.timeout(3):
            with pytest.raises(StorageTimeout):
                await store.probe(BUCKET, "")


async def test_objects_of_a_probe_that_was_killed_go_with_the_next_one(
    store: S3Store, proxy: FaultyS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_behind = ObjectKey(BUCKET, "killed/.sluice-probe-0123456789abcdef-access")
    others = ObjectKey(BUCKET, "killed/another.txt")
    for key in (left_behind, others):
        await store.put(key, views(b"x"), Attributes())
    await store.probe(BUCKET, "killed/")
    assert (await store.head(left_behind)).size == 1  # it may be running still
    monkeypatch.setattr(probe, "PROBE_LASTS", -5.0)
    await store.probe(BUCKET, "killed/")
    with pytest.raises(ObjectNotFound):
        await store.head(left_behind)
    assert (await store.head(others)).size == 1
