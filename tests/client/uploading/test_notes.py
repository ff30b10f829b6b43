"""Notes of uploads that have begun."""

import os
from pathlib import Path

import pytest

from gateway.client import Account, FileTrouble
from gateway.client.uploading.notes import Notes, Page, state_folder
from gateway.model import ObjectKey
from tests.client.uploading.play import record

ACCOUNT = Account(endpoint="http://h", access_key_id="A", secret="s")
KEY = ObjectKey("b", "k")
NOW = 1_000_000.0


def page(folder: Path, file: str = "/f", now: float = NOW) -> Page:
    return Notes(folder, lambda: now).page(ACCOUNT, KEY, Path(file))


def names(folder: Path) -> list[str]:
    return sorted(path.suffix for path in folder.iterdir())


def test_a_note_outlives_the_process_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "uploads"
    written = record(expires=NOW + 1)
    with page(folder) as one:
        one.save(record(location=""))
        one.save(written)
    assert page(folder).record() == written
    assert page(folder, "/g").record() is None
    (note,) = folder.glob("*.json")
    assert note.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_endpoint_key_object_and_path_each_have_their_own(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    other = Account(endpoint="http://i", access_key_id="A", secret="s")
    third = Account(endpoint="http://h", access_key_id="B", secret="s")
    with notes.page(ACCOUNT, KEY, Path("/f")) as one:
        one.save(record())
    for account, key, path in (
        (other, KEY, "/f"),
        (third, KEY, "/f"),
        (ACCOUNT, ObjectKey("b", "l"), "/f"),
        (ACCOUNT, KEY, "/g"),
    ):
        assert notes.page(account, key, Path(path)).record() is None


def test_nothing_is_left_of_what_is_forgotten(tmp_path: Path) -> None:
    with page(tmp_path) as one:
        one.save(record())
        one.save(None)
    assert names(tmp_path) == []


def test_a_file_is_sent_to_a_place_by_one_process_at_a_time(tmp_path: Path) -> None:
    with (
        page(tmp_path),
        pytest.raises(FileTrouble, match="another process is sending"),
        page(tmp_path),
    ):
        pass
    with page(tmp_path):
        pass


def test_a_lock_that_was_removed_meanwhile_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = os.open
    opened: list[int] = []

    def slow(path: Path, *rest: int) -> int:
        file = really(path, *rest)
        opened.append(file)
        if len(opened) == 1:  # whoever held it is done and removes it, before we lock
            Path(path).unlink()
        return file

    monkeypatch.setattr(os, "open", slow)
    with page(tmp_path):
        monkeypatch.undo()
        assert len(opened) == 2
        with pytest.raises(FileTrouble), page(tmp_path):
            pass


def test_what_has_expired_or_is_no_note_is_forgotten(tmp_path: Path) -> None:
    with page(tmp_path) as one:
        one.save(record(expires=NOW))
    with page(tmp_path, "/g") as two:
        two.save(record(expires=NOW + 1))
    with page(tmp_path, "/h") as three:
        three.save(record())
    (tmp_path / "x.json").write_bytes(b"\xff")
    (tmp_path / "y.json").write_text("{}")
    assert page(tmp_path).record() is None
    assert page(tmp_path, "/h", now=2**40).record() is None
    Notes(tmp_path, lambda: NOW).forget_expired()
    assert names(tmp_path) == [".json", ".json", ".lock", ".lock"]
    assert page(tmp_path, "/g").record() is not None


def test_the_lock_of_an_upload_that_is_only_beginning_is_left(tmp_path: Path) -> None:
    with page(tmp_path):
        Notes(tmp_path).forget_expired()
        assert names(tmp_path) == [".lock"]


def test_without_a_folder_uploads_go_on_and_nothing_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with page(tmp_path / "file" / "uploads") as one:
        one.save(record())
        one.save(None)
        assert one.record() is None
    Notes(tmp_path / "nowhere").forget_expired()


def test_the_folder_is_the_users_own() -> None:
    assert state_folder({"XDG_STATE_HOME": "/s"}) == Path("/s/sluice/uploads")
    home = Path("~/.local/state/sluice/uploads").expanduser()
    assert state_folder({}) == state_folder({"XDG_STATE_HOME": "relative"}) == home
