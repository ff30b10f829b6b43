"""What successes mean, as far as the planes' tests do not show it."""

import pytest

from gateway.errors import StorageCorrupt
from gateway.storage.s3.wire_outcome import etag, stored


def test_an_etag_has_no_quotes_and_is_there() -> None:
    assert etag({"etag": '"abc"'}) == "abc"
    with pytest.raises(StorageCorrupt):
        etag({})


def test_what_was_stored_has_the_size_that_was_sent_and_a_version_where_there_is_one() -> None:
    found = stored({"etag": '"abc"', "x-amz-version-id": "v1"}, 7)
    assert (found.etag, found.size, found.version) == ("abc", 7, "v1")
    assert stored({"etag": "a"}, 0).version is None
