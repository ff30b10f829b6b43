"""put and get, as they are typed."""

import hashlib
import re
import sys
from functools import partial
from pathlib import Path

import pytest

from gateway.cli.retries import Retries
from gateway.cli.transfers import Bar
from gateway.client import Backoff, Client, Interrupted, Notes, Refused
from gateway.client.uploading.notes import state_folder
from gateway.model import ObjectKey
from tests.cli.conftest import Run
from tests.client.origin import ACCOUNT_ID, SECRET, Origin, Stored, cut_at, dropped, refused
from tests.client.uploading.play import record


@pytest.fixture
def environ(origin: Origin) -> dict[str, str]:
    return {
        "SLUICE_ENDPOINT": origin.endpoint,
        "SLUICE_ACCESS_KEY_ID": ACCOUNT_ID,
        "SLUICE_SECRET_ACCESS_KEY": SECRET,
    }


def test_a_file_goes_and_comes_back(
    run: Run, origin: Origin, folder: Path, environ: dict[str, str]
) -> None:
    (folder / "cat.jpg").write_bytes(b"meow")
    put = run("put", "cat.jpg", "photos/", **environ)
    assert (
        put.stdout == f"photos/cat.jpg: 4B stored, SHA-256 {hashlib.sha256(b'meow').hexdigest()}\n"
    )
    assert put.stderr == ""
    (folder / "cat.jpg").unlink()
    got = run("get", "photos/cat.jpg", **environ)
    assert got.stdout == "cat.jpg: 4B, verified by sha256\n"
    assert (folder / "cat.jpg").read_bytes() == b"meow"


def test_quiet_says_nothing(
    run: Run, origin: Origin, folder: Path, environ: dict[str, str]
) -> None:
    (folder / "f").write_bytes(b"x")
    assert run("put", "-q", "f", "b/k", "--content-type", "a/b", **environ).output == ""
    assert origin.objects["b/k"].headers["Content-Type"] == "a/b"
    assert run("get", "-q", "b/k", "g", **environ).output == ""
    assert (folder / "g").read_bytes() == b"x"


def test_a_continued_and_unverified_download_says_so(
    run: Run, origin: Origin, folder: Path, environ: dict[str, str]
) -> None:
    origin.objects["b/k"] = stored = Stored(b"0123456789")
    (folder / "f.part").write_bytes(b"01234")
    (folder / "f.part.etag").write_text(stored.headers["ETag"])
    got = run("get", "b/k", "f", **environ)
    assert got.stdout == "f: 10B, no digest to verify, continued at 5B\n"


def test_a_refused_key_is_named_with_where_it_came_from(
    run: Run, origin: Origin, folder: Path, environ: dict[str, str]
) -> None:
    (folder / "f").write_bytes(b"x")
    environ["SLUICE_ACCESS_KEY_ID"] = "ANOTHERKEY012345"
    for arguments in (("put", "f", "b/k"), ("get", "b/k")):
        result = run(*arguments, **environ)
        assert result.exit_code == 1
        assert result.stderr == (
            f"sluice: 403 InvalidAccessKeyId: No such key. (from {environ['SLUICE_ENDPOINT']}; "
            "signed with the key ANOTHERKEY012345, from SLUICE_ACCESS_KEY_ID)\n"
        )


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (KeyboardInterrupt(), "stopped"),
        (Interrupted("broke"), "broke"),
        (Refused(503, "busy", "Later.", None), "503 busy: Later. (from {endpoint})"),
        (
            Refused(403, "unknown-key", "No.", None),
            "403 unknown-key: No. (from {endpoint}; signed with the key {key},"
            " from SLUICE_ACCESS_KEY_ID)",
        ),
    ],
)
@pytest.mark.parametrize("expires", [None, 4102488000.0])
def test_an_upload_that_stopped_says_how_to_go_on(
    run: Run,
    origin: Origin,
    folder: Path,
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    raised: BaseException,
    said: str,
    expires: float | None,
) -> None:
    def stop(self: Client, *arguments: object, **more: object) -> None:
        raise raised

    said = said.format(endpoint=origin.endpoint, key=ACCOUNT_ID)
    (folder / "f").write_bytes(b"x")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    monkeypatch.setattr(Client, "put", stop)
    assert run("put", "f", "b/k", **environ).stderr == f"sluice: {said}\n"
    account, key = origin.account, ObjectKey("b", "k")
    with Notes(state_folder()).page(account, key, Path("f")) as page:
        page.save(record(expires=expires))
    until = "" if expires is None else " until 2100-01-0[12] \\d\\d:00"
    found = run("put", "f", "b/k", **environ)
    expected = f"sluice: {re.escape(said)}; run the same command again{until} to continue\n"
    assert re.fullmatch(expected, found.stderr), found.stderr
    assert found.exit_code == 1


def test_another_refusal_is_told_as_it_is(
    run: Run, origin: Origin, environ: dict[str, str]
) -> None:
    origin.faults = [refused(400, "InvalidRequest")]
    assert run("get", "b/k", **environ).stderr == (
        f"sluice: 400 InvalidRequest: Later. (from {environ['SLUICE_ENDPOINT']})\n"
    )


def test_a_download_that_broke_says_how_to_go_on(
    run: Run,
    origin: Origin,
    folder: Path,
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Backoff, "delay", lambda self, error, failures: None)
    origin.faults = [dropped]
    assert "again to continue" not in run("get", "b/k", "f", **environ).stderr
    origin.objects["b/k"] = Stored(b"0123456789")
    origin.faults = [cut_at(5)]
    result = run("get", "b/k", "f", **environ)
    assert result.exit_code == 1
    assert result.stderr.endswith("; run the same command again to continue\n")
    assert run("get", "b/k", "f", **environ).stdout.endswith("continued at 5B\n")


def test_a_download_that_was_stopped_says_how_to_go_on(
    run: Run, folder: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(self: Client, key: object, file: Path, progress: object) -> None:
        file.with_name("f.part").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(Client, "get", stopped)
    result = run("get", "b/k", "f", **environ)
    assert result.exit_code == 1
    assert result.stderr == "sluice: stopped; run the same command again to continue\n"


def test_a_key_without_a_file_name_needs_one(run: Run, environ: dict[str, str]) -> None:
    for key in ("b/folder/", "b/a/.."):
        result = run("get", key, **environ)
        assert result.exit_code == 2
        assert "gives no file name" in result.output


def test_a_folder_that_is_not_there_is_no_file(
    run: Run, folder: Path, environ: dict[str, str]
) -> None:
    result = run("get", "b/cat.jpg", "downloads/", **environ)
    assert result.exit_code == 2
    assert "there is no folder downloads/; make it first" in result.output
    assert not (folder / "downloads").exists()


def test_a_folder_gets_the_objects_name(run: Run, folder: Path, environ: dict[str, str]) -> None:
    (folder / "cat.jpg").write_bytes(b"meow")
    run("put", "cat.jpg", "photos/", **environ)
    (folder / "downloads").mkdir()
    assert run("get", "photos/cat.jpg", "downloads/", **environ).exit_code == 0
    assert (folder / "downloads" / "cat.jpg").read_bytes() == b"meow"


def test_a_target_that_is_no_object_is_told(run: Run, folder: Path) -> None:
    (folder / "f").write_bytes(b"x")
    result = run("put", "f", "photos")
    assert result.exit_code == 2
    assert "write for example photos/cat.jpg" in result.output


def test_the_bar_is_drawn_on_a_terminal_and_goes_back_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Bar("cat.jpg", quiet=False, retries=Retries(quiet=False)) as bar:
        bar(0, 2048)
        bar(1024, 2048)
        bar(0, 2048)
        bar(2048, 2048)
    drawn = capsys.readouterr().err
    assert "cat.jpg" in drawn
    assert "2KiB of 2KiB" in drawn


def test_no_bar_is_drawn_where_nobody_looks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Bar("f", quiet=True, retries=Retries(quiet=True)) as bar:
        bar(1, 1)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    with Bar("f", quiet=False, retries=Retries(quiet=False)) as bar:
        bar(1, 1)
    assert capsys.readouterr().err == ""


def test_what_is_tried_again_is_told_where_there_is_no_bar(
    run: Run, origin: Origin, folder: Path, environ: dict[str, str]
) -> None:
    (folder / "f").write_bytes(b"x")
    origin.faults += [refused(503)]
    put = run("put", "f", "b/k", **environ)
    assert put.exit_code == 0
    assert put.stderr.startswith("sluice: 503 SlowDown")
    origin.faults += [refused(503)]
    assert run("get", "b/k", "g", **environ).stderr.startswith("sluice: 503 SlowDown")
    origin.faults += [refused(503)]
    assert run("get", "-q", "b/k", "h", **environ).stderr == ""


def test_who_gives_up_says_why_and_after_how_much(
    run: Run, origin: Origin, folder: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.cli.transfers.Backoff", partial(Backoff, base=0.001))
    (folder / "f").write_bytes(b"x")
    environ |= {"SLUICE_ENDPOINT": "http://127.0.0.1:1"}
    refusal = "http://127.0.0.1:1: Connection refused; is the gateway running there?"
    for arguments in (("put", "f", "b/k"), ("get", "b/k", "g")):
        result = run(*arguments, **environ)
        first, last = result.stderr.splitlines()
        assert re.fullmatch(rf"sluice: {re.escape(refusal)}; attempt 2 of 8 in \S+ s", first)
        assert re.fullmatch(
            rf"sluice: {re.escape(refusal)}; given up after 8 attempts in \S+ s", last
        )
        assert result.exit_code == 1


def test_a_wait_that_is_too_long_is_named(
    run: Run, origin: Origin, environ: dict[str, str]
) -> None:
    origin.faults = [refused(503, **{"Retry-After": "120"})]
    assert run("get", "b/k", **environ).stderr.endswith("; it asks to come back in 120 s\n")
