"""Whether an object is ours."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.errors import StorageCorrupt
from gateway.model import ObjectInfo, PartReceipt
from gateway.pipeline.publish import Fingerprint, check_run
from tests.pipeline.fakes import KEY

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MD5 = "0" * 32
OTHER = "1" * 32


@pytest.mark.parametrize(
    ("expected", "etag", "size", "age", "ours"),
    [
        (MD5, MD5, 5, 0, True),
        (MD5, MD5, 6, 0, False),
        (MD5, OTHER, 5, 0, False),
        (MD5, MD5 + "-2", 5, 0, False),
        (MD5 + "-2", MD5 + "-2", 5, 3600, True),
        (MD5, "opaque", 5, 0, True),
        (MD5, "opaque", 5, 3600, False),
        (None, MD5, 5, 1, True),
        (None, MD5, 5, 3, False),
    ],
)
def test_an_object_is_ours_by_size_and_etag_else_by_age(
    expected: str | None, etag: str, size: int, age: int, ours: bool
) -> None:
    info = ObjectInfo(key=KEY, size=size, etag=etag, modified=NOW - timedelta(seconds=age))
    assert Fingerprint(5, expected, NOW).matches(info) is ours


@pytest.mark.parametrize(
    ("numbers", "size"), [([1, 2], 3), ([1, 3], 2), ([2], 1), ([1], 2), ([], 1)]
)
def test_receipts_must_be_an_unbroken_run_of_the_right_size(numbers: list[int], size: int) -> None:
    receipts = [PartReceipt(number, at, 1, "x") for at, number in enumerate(numbers)]
    with pytest.raises(StorageCorrupt):
        check_run(receipts, size)


def test_a_run_that_is_whole_passes() -> None:
    check_run([PartReceipt(1, 0, 2, "x"), PartReceipt(2, 2, 1, "x")], 3)
    check_run([], 0)
