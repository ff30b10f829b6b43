import os
from pathlib import Path

import pytest

from gateway.errors import (
    StorageError,
    StorageRejected,
)
from gateway.storage.local import LocalStore
from tests.storage.contract_base import PLAIN, views
from tests.storage.local.opened import KEY, again


async def test_the_folder_of_a_newer_sluice_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".format").write_text("sluice local store 2\n")
    with pytest.raises(StorageRejected, match="format"):
        await again(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == [".format"]


async def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        await again(tmp_path / "file")


async def test_closing_leaves_no_file_of_this_process(store: LocalStore, tmp_path: Path) -> None:
    await store.put(KEY, views(b"x"), PLAIN)
    await store.aclose()
    assert list((tmp_path / ".tmp").iterdir()) == []


async def test_a_folder_that_cannot_be_written_fails_the_ping(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StorageRejected):
        await store.ping("photos")
