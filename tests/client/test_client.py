"""put and get against a real server that fails on demand."""

import hashlib
from pathlib import Path

import pytest

from gateway.client import Client, FileTrouble, Interrupted, Notes, Refused
from gateway.model import ObjectKey
from gateway.units import KiB
from tests.client.origin import Origin, Stored, cut_at, dropped, refused

KEY = ObjectKey("photos", "2027/a cat.jpg")
BODY = bytes(range(256)) * 4 * KiB


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cat.jpg"
    path.write_bytes(BODY)
    return path


def test_a_file_comes_back_as_it_went(origin: Origin, client: Client, file: Path) -> None:
    sent: list[tuple[int, int]] = []
    put = client.put(file, KEY, progress=lambda done, total: sent.append((done, total)))
    assert put.sha256 == hashlib.sha256(BODY).hexdigest()
    assert (put.size, put.etag) == (len(BODY), hashlib.md5(BODY).hexdigest())
    assert (sent[0], sent[-1]) == ((0, len(BODY)), (len(BODY), len(BODY)))
    stored = origin.objects[str(KEY)]
    assert stored.headers["Content-Type"] == "image/jpeg"

    target = file.with_name("copy.jpg")
    got = client.get(KEY, target)
    assert target.read_bytes() == BODY
    assert (got.size, got.verified_by, got.continued_from) == (len(BODY), "sha256", 0)
    assert sorted(p.name for p in file.parent.iterdir()) == ["cat.jpg", "copy.jpg"]


def test_an_s3_server_that_can_not_continue_uploads_gets_one_put(
    origin: Origin, file: Path, tmp_path: Path
) -> None:
    notes = Notes(tmp_path / "notes")
    with Client(origin.account, resumable_from=1, notes=notes) as client:
        assert client.put(file, KEY, parallel=2).verified_by == "signature"
    assert origin.objects[str(KEY)].body == BODY
    assert [method for method, _, _ in origin.requests] == ["PUT"]


def test_an_empty_file_comes_back_empty(client: Client, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    client.put(tmp_path / "empty", KEY)
    got = client.get(KEY, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b""
    assert got.verified_by == "sha256"


@pytest.mark.parametrize("name", ["a/../b", "./x", "sp ace+%25ü", "//two", "a?b#c", "日本"])
def test_every_key_is_sent_byte_for_byte(
    origin: Origin, client: Client, file: Path, name: str
) -> None:
    client.put(file, ObjectKey("photos", name))
    assert list(origin.objects) == [f"photos/{name}"]
    client.get(ObjectKey("photos", name), file.with_name("copy"))
    assert file.with_name("copy").read_bytes() == BODY


def test_an_upload_is_tried_again_after_a_lost_answer_and_an_overload(
    origin: Origin, client: Client, file: Path, waits: list[float]
) -> None:
    origin.faults = [dropped, refused(503)]
    client.put(file, KEY)
    assert origin.objects[str(KEY)].body == BODY
    assert waits == [0.5, 1.0]


def test_retry_after_is_waited_for(
    origin: Origin, client: Client, file: Path, waits: list[float]
) -> None:
    origin.faults = [refused(503, Retry_After="7")]
    client.put(file, KEY)
    assert waits == [7.0]


def test_attempts_are_bounded(
    origin: Origin, client: Client, file: Path, waits: list[float]
) -> None:
    origin.faults = [refused(503)] * 9
    with pytest.raises(Refused, match="503 SlowDown: Later."):
        client.put(file, KEY)
    assert len(origin.requests) == 3
    assert len(waits) == 2


def test_what_the_client_did_wrong_is_not_tried_again(
    origin: Origin, client: Client, file: Path
) -> None:
    origin.faults = [refused(403, "AccessDenied")]
    with pytest.raises(Refused, match="403 AccessDenied"):
        client.put(file, KEY)
    assert len(origin.requests) == 1


def test_a_missing_object_is_told_in_the_servers_words(
    origin: Origin, client: Client, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match="404 NoSuchKey: There is no <such> & key."):
        client.get(KEY, tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def test_a_broken_download_continues_from_the_reached_offset(
    origin: Origin, client: Client, tmp_path: Path
) -> None:
    origin.objects[str(KEY)] = stored = Stored(BODY)
    origin.faults = [cut_at(300_000), cut_at(1), cut_at(200_000)]
    got = client.get(KEY, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == BODY
    assert got.verified_by is None
    asked = [headers.get("range") for _, _, headers in origin.requests]
    assert asked == [None, "bytes=299999-", "bytes=299999-", "bytes=499998-"]
    assert origin.requests[-1][2]["if-match"] == stored.headers["ETag"]


def test_progress_starts_the_count_of_attempts_anew(
    origin: Origin, client: Client, tmp_path: Path, waits: list[float]
) -> None:
    origin.objects[str(KEY)] = Stored(BODY)
    origin.faults = [cut_at(100_000)] * 8
    client.get(KEY, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == BODY
    assert waits == [0.5] * 8


def test_an_interrupted_download_continues_in_the_next_run(
    origin: Origin, client: Client, tmp_path: Path
) -> None:
    origin.objects[str(KEY)] = Stored(BODY)
    origin.faults = [cut_at(100_000), dropped, dropped]
    with pytest.raises(Interrupted, match="127.0.0.1"):
        client.get(KEY, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert (tmp_path / "copy.part").stat().st_size == 100_000
    got = client.get(KEY, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == BODY
    assert got.continued_from == 100_000
    assert [p.name for p in tmp_path.iterdir()] == ["copy"]


def test_an_object_that_was_replaced_meanwhile_is_downloaded_anew(
    origin: Origin, client: Client, tmp_path: Path
) -> None:
    origin.objects[str(KEY)] = Stored(BODY)
    origin.faults = [cut_at(100_000), dropped, dropped]
    with pytest.raises(Interrupted):
        client.get(KEY, tmp_path / "copy")
    origin.objects[str(KEY)] = Stored(BODY[::-1])
    client.get(KEY, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == BODY[::-1]


def test_no_server_is_told_in_a_line(client: Client, origin: Origin, tmp_path: Path) -> None:
    origin.shutdown()
    origin.server_close()
    with pytest.raises(Interrupted, match=f"^{origin.endpoint}: Connection refused; is"):
        client.get(KEY, tmp_path / "copy")


def test_a_file_that_is_no_file_is_told(client: Client, tmp_path: Path) -> None:
    with pytest.raises(FileTrouble, match="missing: No such file"):
        client.put(tmp_path / "missing", KEY)
    with pytest.raises(FileTrouble, match="Is a directory"):
        client.put(tmp_path, KEY)
