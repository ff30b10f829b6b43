"""What the store adds to its plane's calls that need no waiting."""

import pytest

from gateway.errors import DigestMismatch, StorageUnavailable
from gateway.model import Attributes, Digest, ObjectKey, Suffix, WriteCondition
from gateway.storage.checksums import compute
from tests.storage.s3.begun_lab import KEY, lab, saying
from tests.storage.s3.raw_store import error, reply


async def test_what_has_to_wait_is_no_prompt_call() -> None:
    async with lab(saying(reply(b"abc"))) as it:
        prompt = it.store.prompt
        assert prompt is not None
        assert prompt.get(KEY, range=Suffix(0), if_match=None) is None
        nowhere = ObjectKey("no bucket", "key")
        assert prompt.get(nowhere, range=None, if_match=None) is None
        large = memoryview(bytes(1 << 16))
        none = WriteCondition()
        assert prompt.put(KEY, (large,), Attributes(), condition=none, digests=()) is None
        begun = prompt.get(KEY, range=None, if_match=None)
        assert begun is not None
        assert prompt.get(KEY, range=None, if_match=None) is None, "no other connection is idle"
        begun.abandon()


@pytest.mark.parametrize("ours", [True, False])
async def test_where_checksums_differ_it_is_told_whose_fault_that_is(ours: bool) -> None:
    views = (memoryview(b"content"),)
    digest = compute("crc32c", views) if ours else Digest("crc32c", bytes(4))
    async with lab(saying(error("400 Bad Request", "BadDigest")), checksums="crc32c") as it:
        prompt = it.store.prompt
        assert prompt is not None
        none = WriteCondition()
        begun = prompt.put(KEY, views, Attributes(), condition=none, digests=(digest,))
        assert begun is not None
        await begun.answer
        assert begun.outcome() is None
        with pytest.raises(StorageUnavailable if ours else DigestMismatch):
            await begun.finish()
        begun.abandon()
    assert "x-amz-checksum-crc32c" in it.raw.requests[0].headers
