"""ETags that S3 computes."""

import pytest

from gateway.model import PartReceipt
from gateway.storage.etags import is_computed, multipart_etag, whole_etag

MD5 = "098f6bcd4621d373cade4e832627b4f6"  # of b"test"


def test_the_etag_of_parts_is_that_of_their_md5s() -> None:
    receipts = [PartReceipt(1, 0, 4, MD5), PartReceipt(2, 4, 4, MD5)]
    assert multipart_etag(receipts) == "717521f45bc0017b591b56fc23d4d67d-2"
    assert multipart_etag([PartReceipt(1, 0, 4, "not an md5")]) is None


def test_the_etag_of_a_whole_object_is_its_md5() -> None:
    assert whole_etag([memoryview(b"te"), memoryview(b"st")]) == MD5


@pytest.mark.parametrize(
    ("etag", "computed"),
    [(MD5, True), (f"{MD5}-12", True), (MD5.upper(), False), (f"{MD5}-", False), ("sl-x", False)],
)
def test_what_is_computed_is_told_by_its_form(etag: str, computed: bool) -> None:
    assert is_computed(etag) is computed
