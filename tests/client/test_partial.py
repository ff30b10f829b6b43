"""A download on its way, on disk."""

import hashlib
import os
from pathlib import Path

import pytest

from gateway.client.failures import FileTrouble
from gateway.client.partial import PartialFile


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cat.jpg"


def names(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def test_the_target_appears_whole_and_alone(target: Path) -> None:
    with PartialFile(target) as partial:
        partial.restart('"e"')
        partial.write(b"abc", 0)
        assert names(target) == ["cat.jpg.part", "cat.jpg.part.etag"]
        assert partial.digest("sha256") == hashlib.sha256(b"abc").digest()
        partial.publish()
    assert names(target) == ["cat.jpg"]
    assert target.read_bytes() == b"abc"


def test_an_earlier_run_is_continued(target: Path) -> None:
    with PartialFile(target) as partial:
        partial.restart('"e"')
        partial.write(b"abc", 0)
    with PartialFile(target) as partial:
        assert (partial.size, partial.etag) == (3, '"e"')
        partial.write(b"cde", 2)
        assert partial.size == 5
        partial.publish()
    assert target.read_bytes() == b"abcde"


def test_bytes_of_an_unknown_version_are_worth_nothing(target: Path) -> None:
    target.with_name("cat.jpg.part").write_bytes(b"abc")
    with PartialFile(target) as partial:
        assert (partial.size, partial.etag) == (0, None)


def test_nothing_is_left_of_a_download_that_got_nothing(target: Path) -> None:
    with PartialFile(target) as partial:
        partial.restart('"e"')
    assert names(target) == []


def test_two_downloads_of_one_file_do_not_mix(target: Path) -> None:
    with (
        PartialFile(target),
        pytest.raises(FileTrouble, match="another download"),
        PartialFile(target),
    ):
        pass


def test_an_older_file_stays_until_the_new_one_is_whole(target: Path) -> None:
    target.write_bytes(b"old")
    with PartialFile(target) as partial:
        partial.write(b"new", 0)
        assert target.read_bytes() == b"old"
        partial.publish()
    assert target.read_bytes() == b"new"


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(FileTrouble, match="no/file.part: No such file"),
        PartialFile(tmp_path / "no" / "file"),
    ):
        pass


def test_a_target_that_became_a_folder_is_named(target: Path) -> None:
    with PartialFile(target) as partial:
        partial.write(b"abc", 0)
        (target / "x").mkdir(parents=True)
        with pytest.raises(FileTrouble, match="cat.jpg: "):
            partial.publish()


def test_a_full_disk_is_told(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, os.strerror(28))

    with PartialFile(target) as partial:
        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(FileTrouble, match="No space left"):
            partial.write(b"abc", 0)


def test_short_writes_are_completed(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.pwrite
    with PartialFile(target) as partial:
        monkeypatch.setattr(os, "pwrite", lambda fd, view, offset: whole(fd, view[:2], offset))
        partial.write(b"abcde", 0)
        partial.publish()
    assert target.read_bytes() == b"abcde"
