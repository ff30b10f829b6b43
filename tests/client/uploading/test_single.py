"""A file in one PUT."""

import hashlib
from pathlib import Path

import pytest

from gateway.client import Client, FileTrouble, Refused
from gateway.client.uploading.job import DIGEST_HEADER
from gateway.model import ObjectKey
from tests.client.origin import Origin, serving

KEY = ObjectKey("b", "k")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "f"
    made.write_bytes(b"abc")
    return made


def put(origin: Origin, file: Path, before_sending: bytes | None = None) -> str:
    """Send it; what it holds when the bytes go out may be another thing than what was hashed."""

    def progress(done: int, total: int) -> None:
        if before_sending is not None and done == 0:
            file.write_bytes(before_sending)

    with Client(origin.account) as client:
        return client.put(file, KEY, progress=progress).sha256


def test_the_digest_is_signed_and_kept_with_the_object(file: Path) -> None:
    with serving() as origin:
        assert put(origin, file) == hashlib.sha256(b"abc").hexdigest()
        headers = origin.requests[0][2]
        assert headers["x-amz-content-sha256"] == hashlib.sha256(b"abc").hexdigest()
        assert origin.objects["b/k"].headers[DIGEST_HEADER] == headers["x-amz-content-sha256"]


def test_a_file_that_changed_after_it_was_hashed_is_never_stored(file: Path) -> None:
    with serving() as origin:
        with pytest.raises(Refused, match="XAmzContentSHA256Mismatch"):
            put(origin, file, b"xyz")
        assert not origin.objects


def test_a_file_that_shrank_is_told(file: Path) -> None:
    with serving() as origin, pytest.raises(FileTrouble, match="f: it shrank while it was sent"):
        put(origin, file, b"a")


def test_a_file_that_grew_is_sent_as_it_was_signed(file: Path) -> None:
    with serving() as origin:
        put(origin, file, b"abcdef")
        assert origin.objects["b/k"].body == b"abc"
