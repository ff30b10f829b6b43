"""The call that makes an object visible: when its answer is lost, when its condition does not hold."""

import os

import pytest

from gateway.errors import (
    IncompleteBody,
    MultipartLost,
    PreconditionFailed,
    SessionsUnavailable,
    StorageCorrupt,
    StorageTimeout,
    StorageUnavailable,
)
from gateway.model import MultipartRef, Part, PartReceipt, WriteCondition
from gateway.pipeline.source import BytesSource
from tests.pipeline.fakes import (
    KEY,
    PART,
    Bench,
    TrickleSource,
    failing,
)


@pytest.mark.parametrize("plain", [True, False])
async def test_a_lost_answer_of_complete_is_settled_by_looking(plain: bool) -> None:
    bench = Bench()
    bench.store.plain_etags = plain
    bench.store.after = failing("complete_multipart", StorageTimeout("no answer"))
    data = os.urandom(3 * PART)
    stored = await bench.upload(BytesSource(data), bench.sink(len(data), attempts=2))
    assert stored.size == len(data)
    assert stored.etag == bench.store.etags[KEY]
    assert bench.store.objects[KEY] == data
    bench.assert_clean()


async def test_complete_is_never_assumed_to_be_done() -> None:
    """The multipart vanished after an unanswered Complete, and another's object of the same size is there."""
    bench = Bench()
    data = os.urandom(3 * PART)

    async def vanish(operation: str, number: int) -> None:
        if operation == "complete_multipart" and number == 1:
            other = MultipartRef("fake", KEY, "other")
            bench.store.uploads["other"] = {1: bytes(len(data))}
            receipt = PartReceipt(1, 0, len(data), "x")
            await bench.store.complete_multipart(other, [receipt])
            bench.store.uploads.clear()
            raise StorageTimeout("no answer")

    bench.store.before = vanish
    with pytest.raises(MultipartLost):
        await bench.upload(BytesSource(data), bench.sink(len(data), attempts=2))
    assert bench.store.calls["head"] == 1
    bench.assert_clean()


async def test_a_multipart_that_is_lost_without_doubt_is_not_looked_for() -> None:
    bench = Bench()

    async def vanish(operation: str, number: int) -> None:
        if operation == "complete_multipart":
            bench.store.uploads.clear()

    bench.store.before = vanish
    with pytest.raises(MultipartLost):
        await bench.upload(BytesSource(bytes(3 * PART)), bench.sink(3 * PART, attempts=2))
    assert bench.store.calls["head"] == 0


@pytest.mark.parametrize("size", [PART // 2, 3 * PART])
async def test_a_conditional_write_whose_answer_was_lost_is_not_beaten_by_itself(size: int) -> None:
    bench = Bench()
    data = os.urandom(size)
    for operation in ("put", "complete_multipart"):
        bench.store.after = failing(operation, StorageUnavailable("reset"))
        if size < PART and operation == "complete_multipart":
            break
        stored = await bench.upload(
            BytesSource(data),
            bench.sink(size, attempts=2, condition=WriteCondition(absent=True)),
        )
        assert stored.size == size
        bench.store.objects.clear()
        bench.store.calls.clear()
    bench.assert_clean()


@pytest.mark.parametrize("size", [PART // 2, 3 * PART])
async def test_a_condition_that_does_not_hold_leaves_the_other_object(size: int) -> None:
    bench = Bench()
    await bench.upload(BytesSource(b"first"), bench.sink(5))
    with pytest.raises(PreconditionFailed):
        await bench.upload(
            BytesSource(bytes(size)), bench.sink(size, condition=WriteCondition(absent=True))
        )
    assert bench.store.objects[KEY] == b"first"
    bench.assert_clean()


async def test_an_unanswered_publication_that_cannot_be_looked_up_is_an_error() -> None:
    bench = Bench()

    async def down(operation: str, number: int) -> None:
        if operation in {"put", "head"}:
            raise StorageUnavailable("down")

    bench.store.before = down
    with pytest.raises(StorageUnavailable):
        await bench.upload(BytesSource(b"x"), bench.sink(1))
    bench.assert_clean()


async def test_a_journal_that_fails_at_the_end_does_not_undo_the_object() -> None:
    bench = Bench()
    bench.journal.failing["closed"] = SessionsUnavailable("down")
    stored = await bench.upload(BytesSource(bytes(3 * PART)), bench.sink(3 * PART))
    assert stored.size == 3 * PART
    bench.assert_clean(journal=False)
    assert len(bench.journal.open) == 1


@pytest.mark.parametrize("wrong", [{"number": 9}, {"size": 1}, {"offset": 7}])
async def test_a_receipt_for_something_else_is_a_corrupt_store(wrong: dict[str, int]) -> None:
    bench = Bench()
    upload_part = bench.store.upload_part

    async def confuse(ref: MultipartRef, part: Part) -> PartReceipt:
        receipt = await upload_part(ref, part)
        fields = {"number": receipt.number, "offset": receipt.offset, "size": receipt.size} | wrong
        return PartReceipt(fields["number"], fields["offset"], fields["size"], receipt.etag)

    bench.store.upload_part = confuse  # type: ignore[method-assign]
    with pytest.raises(StorageCorrupt):
        await bench.upload(BytesSource(bytes(3 * PART)), bench.sink(3 * PART))
    bench.assert_clean()


async def test_a_plan_with_a_length_is_not_completed_with_less() -> None:
    """Also without a chain that knows the length."""
    bench = Bench()
    with pytest.raises(IncompleteBody, match="after 2 of its declared 3"):
        await bench.upload(TrickleSource(b"ab", 9, known=False), bench.sink(3))
    assert bench.store.objects == {}
    bench.assert_clean()
