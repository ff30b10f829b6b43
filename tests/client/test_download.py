"""What a download does with what a server answers."""

import base64
import hashlib
from pathlib import Path

import pytest

from gateway.client.download import Download
from gateway.client.failures import Corrupt, Interrupted, Refused
from gateway.client.link import Link
from gateway.client.partial import PartialFile
from gateway.client.uploading.job import DIGEST_HEADER
from gateway.model import ObjectKey
from tests.client.origin import Handler, Origin, Stored, cut_at, refused

KEY = ObjectKey("b", "k")
BODY = b"0123456789" * 100


@pytest.fixture
def link(origin: Origin) -> object:
    made = Link(origin.account)
    yield made
    made.close()


def receive(link: Link, target: Path) -> str | None:
    with PartialFile(target) as partial:
        return Download(KEY, partial, lambda done, total: None).receive(link).verified_by


@pytest.mark.parametrize(("bits", "name"), [("256", "sha256"), ("512", "sha512")])
def test_a_repr_digest_is_compared(
    origin: Origin, link: Link, tmp_path: Path, bits: str, name: str
) -> None:
    digest = base64.b64encode(hashlib.new(name, BODY).digest()).decode()
    origin.objects[str(KEY)] = Stored(BODY, {"Repr-Digest": f"md5=:AA==:, sha-{bits}=:{digest}:"})
    assert receive(link, tmp_path / "f") == name


def test_bytes_without_their_digest_are_thrown_away(
    origin: Origin, link: Link, tmp_path: Path
) -> None:
    origin.objects[str(KEY)] = Stored(BODY, {DIGEST_HEADER: hashlib.sha256(b"other").hexdigest()})
    with pytest.raises(Corrupt, match="b/k: what arrived does not have the sha256"):
        receive(link, tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("header", [{DIGEST_HEADER: "xyz"}, {"Repr-Digest": "sha-256=:A:"}])
def test_a_digest_that_cannot_be_read_is_no_digest_at_all(
    origin: Origin, link: Link, tmp_path: Path, header: dict[str, str]
) -> None:
    origin.objects[str(KEY)] = Stored(BODY, header)
    with pytest.raises(Corrupt, match="a digest that cannot be read"):
        receive(link, tmp_path / "f")


def test_a_server_without_ranges_sends_it_all_again(
    origin: Origin, link: Link, tmp_path: Path
) -> None:
    origin.objects[str(KEY)] = Stored(BODY)
    origin.ranges = False
    origin.faults = [cut_at(500)]
    with PartialFile(tmp_path / "f") as partial:
        download = Download(KEY, partial, lambda done, total: None)
        with pytest.raises(Interrupted):
            download.receive(link)
        assert partial.size == 500
        download.receive(link)
    assert (tmp_path / "f").read_bytes() == BODY


def test_a_weak_etag_cannot_be_continued(origin: Origin, link: Link, tmp_path: Path) -> None:
    origin.objects[str(KEY)] = Stored(BODY, {"ETag": 'W/"x"'})
    origin.faults = [cut_at(500)]
    with PartialFile(tmp_path / "f") as partial:
        download = Download(KEY, partial, lambda done, total: None)
        with pytest.raises(Interrupted):
            download.receive(link)
        download.receive(link)
    assert "range" not in origin.requests[-1][2]
    assert (tmp_path / "f").read_bytes() == BODY


def test_a_download_that_broke_after_its_last_byte_is_finished(
    origin: Origin, link: Link, tmp_path: Path
) -> None:
    origin.objects[str(KEY)] = stored = Stored(BODY)
    (tmp_path / "f.part").write_bytes(BODY)
    (tmp_path / "f.part.etag").write_text(stored.headers["ETag"])
    receive(link, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == BODY
    assert origin.requests[-1][2]["range"] == "bytes=999-"


@pytest.mark.parametrize("extent", ["bytes 7-999/1000", "bytes */1000", "lines 0-1/2"])
def test_another_range_than_was_asked_for_is_not_written(
    origin: Origin, link: Link, tmp_path: Path, extent: str
) -> None:
    origin.objects[str(KEY)] = stored = Stored(BODY)
    (tmp_path / "f.part").write_bytes(BODY[:500])
    (tmp_path / "f.part.etag").write_text(stored.headers["ETag"])

    def wrong(handler: Handler) -> bool:
        handler.answer(206, {"Content-Range": extent}, BODY[7:])
        return True

    origin.faults = [wrong]
    with pytest.raises(Corrupt, match="bytes from 7 came|Content-Range"):
        receive(link, tmp_path / "f")
    assert (tmp_path / "f.part").read_bytes() == BODY[:500]


def test_a_body_that_is_shorter_than_the_object_is_a_break(
    origin: Origin, link: Link, tmp_path: Path
) -> None:
    def short(handler: Handler) -> bool:
        handler.answer(206, {"Content-Range": "bytes 0-999/1000"}, BODY[:10])
        return True

    origin.faults = [short]
    with pytest.raises(Interrupted, match="ended at byte 10 of 1000"):
        receive(link, tmp_path / "f")


def test_a_body_of_unknown_length_is_taken_to_its_end(
    origin: Origin, link: Link, tmp_path: Path
) -> None:
    def unknown(handler: Handler) -> bool:
        handler.close_connection = True
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(BODY)
        return True

    origin.faults = [unknown]
    receive(link, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == BODY


def test_a_refusal_is_passed_on(origin: Origin, link: Link, tmp_path: Path) -> None:
    origin.faults = [refused(412, "PreconditionFailed")]
    with pytest.raises(Refused, match="412"):
        receive(link, tmp_path / "f")
