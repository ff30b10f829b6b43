import fcntl
import os
from pathlib import Path

import pytest

from gateway.storage.local import scratch
from gateway.storage.local.disk import opened_folder, try_lock
from gateway.storage.local.scratch import Scratch


def test_what_the_dead_left_is_removed_and_what_the_living_have_stays(tmp_path: Path) -> None:
    living = Scratch(tmp_path)
    living.path().write_bytes(b"in work")
    dead = tmp_path / "dead"
    dead.mkdir()
    (dead / "file").write_bytes(b"half")
    (dead / "folder").mkdir()
    (tmp_path / "stray").write_bytes(b"somebody else's")
    mine = Scratch(tmp_path)
    mine.path().write_bytes(b"mine")
    mine.clean_dead()
    assert not dead.exists()
    assert len(list(tmp_path.glob("*/*"))) == 2
    living.close()
    mine.close()
    assert [path.name for path in tmp_path.iterdir()] == ["stray"]


def test_a_discarded_folder_is_gone(tmp_path: Path) -> None:
    mine = Scratch(tmp_path / "..")
    folder = tmp_path / "upload"
    folder.mkdir()
    (folder / "data").write_bytes(b"x")
    mine.discard(folder)
    assert not folder.exists()
    with pytest.raises(FileNotFoundError):
        mine.discard(folder)
    mine.close()


@pytest.mark.parametrize("moment", ["open", "flock"])
def test_a_folder_that_a_cleaner_took_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """The cleaner comes between making the folder and opening or locking it, once."""
    names = iter(["first", "second"])
    module = os if moment == "open" else fcntl
    real = getattr(module, moment)

    def clean_first(*arguments: object) -> object:
        if (tmp_path / "first").exists():
            (tmp_path / "first").rmdir()
        return real(*arguments)

    monkeypatch.setattr(scratch, "new_name", lambda: next(names))
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else None
    with monkeypatch.context() as patch:
        patch.setattr(module, moment, clean_first)
        mine = Scratch(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["second"]
    mine.close()
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) == before


def test_the_folder_is_locked_while_its_process_lives(tmp_path: Path) -> None:
    mine = Scratch(tmp_path)
    with opened_folder(mine.path().parent) as folder:
        assert not try_lock(folder)
        mine.close()
        assert try_lock(folder)
