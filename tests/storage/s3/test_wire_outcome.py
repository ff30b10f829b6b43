"""What successes mean, as far as the planes' tests do not show it."""

import pytest

from gateway.errors import StorageCorrupt
from gateway.storage.s3.wire_answer import Answer
from gateway.storage.s3.wire_outcome import etag, stored


def answer(**headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(200, named, 0, None, keep_alive=True)


def test_an_etag_has_no_quotes_and_is_there() -> None:
    assert etag("UploadPart", answer(etag='"abc"')) == "abc"
    with pytest.raises(StorageCorrupt):
        etag("UploadPart", answer())


def test_what_was_stored_has_the_size_that_was_sent_and_a_version_where_there_is_one() -> None:
    found = stored(answer(etag='"abc"', x_amz_version_id="v1"), 7)
    assert (found.etag, found.size, found.version) == ("abc", 7, "v1")
    assert stored(answer(etag="a"), 0).version is None
