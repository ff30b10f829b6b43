"""Bodies that come, in memory: what the contract does not ask."""

import pytest

from gateway.errors import StorageUnavailable
from gateway.storage.memory_passage import MemoryPassage


@pytest.mark.parametrize("body", [b"shor", b"longer"])
async def test_another_size_than_was_announced_is_not_committed(body: bytes) -> None:
    passage = MemoryPassage(5, lambda data: data)
    with pytest.raises(StorageUnavailable):
        await passage.finish([memoryview(body)])


async def test_after_the_end_nothing_can_be_sent() -> None:
    passage = MemoryPassage(2, lambda data: data)
    assert await passage.finish([memoryview(b"ok")]) == b"ok"
    passage.abandon()
    with pytest.raises(StorageUnavailable):
        await passage.send([memoryview(b"x")])
