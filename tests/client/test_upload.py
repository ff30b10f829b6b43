"""One attempt to send a file."""

import hashlib
from pathlib import Path

import pytest

from gateway.client.failures import FileTrouble, Refused
from gateway.client.link import Link
from gateway.client.upload import DIGEST_HEADER, Upload
from gateway.model import ObjectKey
from tests.client.origin import Origin

KEY = ObjectKey("b", "k")


def upload(path: Path) -> Upload:
    return Upload(file=path, key=KEY, content_type="text/plain")


def unseen(done: int, total: int) -> None:
    """Nobody looks."""


def test_the_digest_is_signed_and_kept_with_the_object(origin: Origin, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    sha256, size = upload(path).digest()
    link = Link(origin.account)
    done = upload(path).send(link, sha256, size, unseen)
    link.close()
    assert done.sha256 == hashlib.sha256(b"abc").hexdigest()
    assert origin.objects["b/k"].headers[DIGEST_HEADER] == done.sha256
    assert origin.requests[0][2]["x-amz-content-sha256"] == done.sha256


def test_a_file_that_changed_after_it_was_hashed_is_never_stored(
    origin: Origin, tmp_path: Path
) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    sha256, size = upload(path).digest()
    path.write_bytes(b"xyz")
    link = Link(origin.account)
    with pytest.raises(Refused, match="XAmzContentSHA256Mismatch"):
        upload(path).send(link, sha256, size, unseen)
    link.close()
    assert not origin.objects


def test_a_file_that_shrank_is_told(origin: Origin, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    sha256, size = upload(path).digest()
    path.write_bytes(b"a")
    link = Link(origin.account)
    with pytest.raises(FileTrouble, match="f: it shrank while it was sent"):
        upload(path).send(link, sha256, size, unseen)
    link.close()


def test_a_file_that_grew_is_sent_as_it_was_signed(origin: Origin, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    sha256, size = upload(path).digest()
    path.write_bytes(b"abcdef")
    link = Link(origin.account)
    upload(path).send(link, sha256, size, unseen)
    link.close()
    assert origin.objects["b/k"].body == b"abc"
