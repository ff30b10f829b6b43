import errno
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import GatewayError, StorageError, StorageRejected, StorageUnavailable
from gateway.storage.local import disk
from gateway.storage.local.disk import (
    Disk,
    locked,
    map_os_errors,
    opened,
    opened_folder,
    try_lock,
    write_all,
)


def go_on() -> None:
    return None


@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60
)
@given(
    pieces=st.lists(st.binary(max_size=40), max_size=30),
    offset=st.integers(0, 50),
    batch=st.integers(1, 64),
)
def test_views_are_written_one_after_the_other(
    tmp_path: Path, pieces: list[bytes], offset: int, batch: int
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    with pytest.MonkeyPatch.context() as patch, opened(path, os.O_RDWR) as file:
        patch.setattr(disk, "_BATCH", batch)
        written = write_all(file, [memoryview(piece) for piece in pieces], offset, go_on)
    whole = b"".join(pieces)
    assert written == len(whole)
    assert path.read_bytes() == (bytes(offset) + whole if whole else b"")


def test_more_views_than_the_system_takes_at_once(tmp_path: Path) -> None:
    pieces = [b"%04d" % n for n in range(5000)]
    with opened(tmp_path / "file", os.O_RDWR | os.O_CREAT) as file:
        write_all(file, [memoryview(piece) for piece in pieces], 0, go_on)
    assert (tmp_path / "file").read_bytes() == b"".join(pieces)


def test_a_write_that_takes_only_a_part_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwritev

    def stingy(file: int, views: list[memoryview], offset: int) -> int:
        return real(file, [b"".join(views)[:7]], offset)

    monkeypatch.setattr(os, "pwritev", stingy)
    data = bytes(range(256))
    with opened(tmp_path / "file", os.O_RDWR | os.O_CREAT) as file:
        views = [memoryview(data)[:5], memoryview(data)[5:200], memoryview(data)[200:]]
        assert write_all(file, views, 0, go_on) == 256
    assert (tmp_path / "file").read_bytes() == data


def test_between_batches_the_caller_may_stop_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "_BATCH", 10)
    looks = []

    def look() -> None:
        looks.append(1)
        if len(looks) == 3:
            raise InterruptedError

    with (
        opened(tmp_path / "file", os.O_RDWR | os.O_CREAT) as file,
        pytest.raises(InterruptedError),
    ):
        write_all(file, [memoryview(bytes(100))], 0, look)
    assert (tmp_path / "file").stat().st_size == 20


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_says_so_and_is_not_retried() -> None:
    with (
        opened("/dev/full", os.O_WRONLY) as full,
        pytest.raises(StorageError, match="full") as caught,
        map_os_errors(),
    ):
        write_all(full, [memoryview(b"x")], 0, go_on)
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EACCES, StorageRejected),
        (errno.EROFS, StorageRejected),
        (errno.ELOOP, StorageRejected),
        (errno.EDQUOT, StorageError),
        (errno.EIO, StorageError),
        (errno.EMFILE, StorageUnavailable),
        (None, StorageError),
    ],
)
def test_errors_are_mapped_without_paths(number: int | None, kind: type[GatewayError]) -> None:
    with pytest.raises(GatewayError) as caught, map_os_errors():
        raise OSError(number, "text", "/a/path")
    assert type(caught.value) is kind
    assert "/a/path" not in caught.value.detail


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "link").symlink_to("secret")
    with (
        pytest.raises(StorageRejected),
        map_os_errors(),
        opened(tmp_path / "link", os.O_RDONLY),
    ):
        pass


def test_a_locked_folder_is_locked_for_everybody_else(tmp_path: Path) -> None:
    with opened_folder(tmp_path) as mine, opened_folder(tmp_path) as other:
        with locked(mine):
            assert not try_lock(other)
        assert try_lock(other)


def test_files_are_for_the_gateways_user_only(tmp_path: Path) -> None:
    Disk("process").make_folder(tmp_path / "folder")
    with opened(tmp_path / "file", os.O_RDWR | os.O_CREAT):
        pass
    assert (tmp_path / "folder").stat().st_mode & 0o077 == 0
    assert (tmp_path / "file").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("durability", "synced"), [("power", True), ("process", False)])
def test_only_durability_power_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: str, synced: bool
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(disk, "_SYNC_DATA", calls.append)
    monkeypatch.setattr(os, "fsync", calls.append)
    chosen = Disk("power" if durability == "power" else "process")
    chosen.settle(7)
    chosen.settle_folder(tmp_path)
    chosen.make_folder(tmp_path / "new")
    chosen.make_folder(tmp_path / "new")
    assert len(calls) == (3 if synced else 0)
