"""The file that is sent."""

import hashlib
import os
from pathlib import Path

import pytest

from gateway.client import FileTrouble
from gateway.client.uploading.source import SourceFile
from gateway.client.uploading.steps import Span


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "f"
    made.write_bytes(b"0123456789")
    return made


def test_a_part_is_read_and_hashed(path: Path) -> None:
    with SourceFile(path) as source:
        assert source.digest(Span(2, 5), "sha256") == hashlib.sha256(b"234").digest()
        assert list(source.blocks(Span(2, 9), 3)) == [b"234", b"567", b"8"]
        assert source.identity.size == 10
        source.check()


def test_a_change_is_seen(path: Path) -> None:
    with SourceFile(path) as source:
        os.utime(path, ns=(1, 1))
        with pytest.raises(FileTrouble, match="f: it changed while it was sent"):
            source.check()


def test_an_end_before_the_end_is_told(path: Path) -> None:
    with SourceFile(path) as source:
        path.write_bytes(b"01")
        with pytest.raises(FileTrouble, match="f: it shrank"):
            source.digest(Span(0, 10), "md5")


def test_a_file_that_can_not_be_read_is_told(tmp_path: Path) -> None:
    for name, reason in (("none", "No such file"), (".", "Is a directory")):
        with pytest.raises(FileTrouble, match=reason), SourceFile(tmp_path / name):
            pass


def test_a_disk_that_fails_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> bytes:
        raise OSError(5, os.strerror(5))

    with SourceFile(path) as source:
        monkeypatch.setattr(os, "pread", fails)
        with pytest.raises(FileTrouble, match="Input/output error"):
            source.read(Span(0, 1))
