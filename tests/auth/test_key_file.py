"""The file of generated keys: its form, its modes, and that it is replaced whole."""

import json
import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from gateway.auth.key_file import KeyDocument, KeyEntry, KeyFile, KeysError


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "data" / "keys.json")


def _document(secret: str = "s3cr3t") -> KeyDocument:
    return KeyDocument(keys={"SLUICEA": KeyEntry(secret=secret, principal="a", policy="p")})


def _write(file: KeyFile, document: KeyDocument) -> None:
    with file.locked():
        file.replace(document)


def test_a_missing_file_says_nothing(file: KeyFile) -> None:
    assert file.stamp() is None
    assert file.read() == KeyDocument()
    assert not file.others_can_read()


def test_what_was_written_is_read(file: KeyFile) -> None:
    _write(file, _document())
    assert file.read() == _document()


def test_only_the_owner_has_access(file: KeyFile) -> None:
    before = os.umask(0)
    try:
        _write(file, _document())
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    assert not file.others_can_read()


def test_a_file_open_to_others_is_noticed(file: KeyFile) -> None:
    _write(file, _document())
    file.path.chmod(0o644)
    assert file.others_can_read()


def test_each_replacement_has_another_stamp(file: KeyFile) -> None:
    stamps = set()
    for number in range(5):
        _write(file, _document("x" * (number + 1)))
        stamps.add(file.stamp())
    assert len(stamps) == 5


def test_the_rest_of_a_killed_writer_is_no_obstacle(file: KeyFile) -> None:
    file.path.parent.mkdir()
    file.path.with_suffix(".new").write_text('{"half')
    _write(file, _document())
    assert file.read() == _document()
    assert not file.path.with_suffix(".new").exists()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{", "not JSON"),
        ("\udcff", "not JSON"),
        ("[]", "file"),
        ('{"version": 2}', "newer Sluice"),
        ('{"version": 1, "kees": {}}', "kees"),
        ('{"version": 1, "keys": {"A": {"secret": "hunter2", "policy": "p"}}}', "keys.A.principal"),
        (
            '{"version": 1, "keys": {"A": {"secret": ["hunter2"], "principal": "a", "policy": "p"}}}',
            "keys.A.secret",
        ),
    ],
)
def test_a_damaged_file_is_refused_with_its_place_and_without_its_secrets(
    file: KeyFile, text: str, part: str
) -> None:
    file.path.parent.mkdir()
    file.path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(KeysError) as caught:
        file.read()
    assert part in str(caught.value)
    assert str(file.path) in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys.json").mkdir()
    with pytest.raises(KeysError, match=r"keys.json"):
        KeyFile(tmp_path / "keys.json").read()


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    file = KeyFile(tmp_path / "data" / "keys.json")
    with pytest.raises(KeysError), file.locked():
        pytest.fail("locked")  # pragma: no cover
    with pytest.raises(KeysError):
        file.stamp()
    assert not file.others_can_read()


def test_a_failed_replacement_leaves_the_old_file_whole(file: KeyFile) -> None:
    _write(file, _document())
    file.path.with_suffix(".new").mkdir()
    with file.locked(), pytest.raises(KeysError):
        file.replace(KeyDocument())
    assert file.read() == _document()


def _add_keys(path: str, name: str, count: int) -> None:
    file = KeyFile(Path(path))
    for number in range(count):
        with file.locked():
            document = file.read()
            entry = KeyEntry(secret="s", principal=name, policy="p")
            keys = {**document.keys, f"{name}{number}": entry}
            file.replace(document.model_copy(update={"keys": keys}))


def test_processes_that_write_at_once_lose_nothing(file: KeyFile) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=_add_keys, args=(str(file.path), name, 10)) for name in ("A", "B")
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        file.read()  # a reader without a lock never meets half a file
        writers[0].join(0.01)
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert len(file.read().keys) == 20
    assert json.loads(file.path.read_text())["version"] == 1
