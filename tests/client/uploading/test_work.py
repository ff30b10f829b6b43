"""One call of put, prepared."""

from pathlib import Path

import pytest

from gateway.client import Account, Backoff, FileTrouble, Notes, pending_upload
from gateway.client.uploading.work import Wish, guessed_type
from gateway.model import ObjectKey
from tests.client.uploading.play import record

ACCOUNT = Account(endpoint="http://h", access_key_id="A", secret="s")
KEY = ObjectKey("b", "k")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "f"
    made.write_bytes(b"abc")
    return made


def test_a_large_file_is_sent_to_a_place_once_at_a_time(file: Path, tmp_path: Path) -> None:
    wish = Wish(file=file, key=KEY, resumable_from=3, notes=Notes(tmp_path / "notes"))
    with wish.prepared(ACCOUNT, Backoff()) as work:
        work.page.save(record())
        with (
            pytest.raises(FileTrouble, match="another process"),
            wish.prepared(ACCOUNT, Backoff()),
        ):
            pass
    assert pending_upload(ACCOUNT, KEY, file, Notes(tmp_path / "notes")) == record()


def test_a_small_one_takes_no_note(file: Path, tmp_path: Path) -> None:
    wish = Wish(file=file, key=KEY, resumable_from=4, notes=Notes(tmp_path / "notes"))
    with wish.prepared(ACCOUNT, Backoff()), wish.prepared(ACCOUNT, Backoff()) as work:
        assert work.source.identity.size == 3
    assert not (tmp_path / "notes").exists()


def test_notes_are_in_the_users_folder_where_no_other_is_named(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with Wish(file=file, key=KEY, resumable_from=3).prepared(ACCOUNT, Backoff()) as work:
        work.page.save(record())
    assert pending_upload(ACCOUNT, KEY, file) == record()
    assert [p.suffix for p in (tmp_path / "state/sluice/uploads").glob("*.json")] == [".json"]


def test_types_are_guessed_by_name() -> None:
    assert guessed_type(Path("a.jpg")) == "image/jpeg"
    assert guessed_type(Path("a")) == "application/octet-stream"
