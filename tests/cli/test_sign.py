"""``sluice sign``, as it is typed."""

from pathlib import Path

import httpx
import pytest

from gateway.cli.sign import sign
from tests.cli.conftest import Run

CONFIG = """
[storage.main]
kind = "memory"
[buckets.files]
storage = "main"
[slots.upload]
bucket = "files"
base_path = "/upload/"
secret = "s"
"""
KEY = ("--key", "SLUICETESTKEY0000001:secret", "--endpoint", "http://h:1")


def test_the_default_is_a_presigned_url(run: Run) -> None:
    output = run("sign", "put", "photos/cat.jpg", "--expires", "2h", *KEY).stdout
    url = httpx.URL(output.strip())
    assert (url.host, url.path) == ("h", "/photos/cat.jpg")
    assert url.params["X-Amz-Expires"] == "7200"
    assert url.params["X-Amz-Credential"].startswith("SLUICETESTKEY0000001/")


def test_a_slot_signs_v2_unless_told_otherwise(run: Run, folder: Path) -> None:
    (folder / "sluice.toml").write_text(CONFIG)
    output = run("sign", "PUT", "files/a/b.jpg", "--slot", "upload", "--size", "7").stdout
    assert output.startswith("http://127.0.0.1:8080/upload/a/b.jpg?v2=")
    curl = run("sign", "PUT", "files/a/b.jpg", "--slot", "upload", "--size", "7", "--curl").stdout
    assert curl.startswith("curl -T b.jpg 'http://127.0.0.1:8080/upload/a/b.jpg?v2=")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--scheme", "v2"), "v2 is a slot's: give --slot NAME"),
        (("--slot", "upload", "--scheme", "sigv4"), "leave --slot out"),
        (("--slot", "uplaod"), "There is no slot 'uplaod' in the configuration; there is: upload"),
        (("--expires", "soon"), "write for example 30s"),
        (("--size", "big"), "write for example 64MiB"),
        (("--scheme", "v9"), "'v9' is not one of"),
        (("--expires", "0.9s"), "good for a second at least"),
        (("--expires", "8d"), "A presigned URL lives 7d at most: give a shorter --expires"),
    ],
)
def test_a_scheme_that_does_not_fit_is_told(
    run: Run, folder: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    (folder / "sluice.toml").write_text(CONFIG)
    result = run("sign", "PUT", "files/a/b.jpg", *arguments, *KEY)
    assert result.exit_code == 2
    assert complaint in result.output


def test_a_link_to_the_upload_page_is_for_a_person(run: Run) -> None:
    output = run("sign", "PUT", "photos/inbox/", "--page", "--expires", "8d", *KEY).stdout
    assert output.startswith("http://h:1/-/upload#token=ey")
    assert output.count("\n") == 1


@pytest.mark.parametrize(
    ("method", "more", "complaint"),
    [
        ("GET", (), "only uploads: write PUT"),
        ("PUT", ("--curl",), "leave --slot, --curl and --scheme out"),
        ("PUT", ("--slot", "upload"), "leave --slot, --curl and --scheme out"),
        ("PUT", ("--scheme", "sigv4"), "leave --slot, --curl and --scheme out"),
    ],
)
def test_a_link_that_would_not_work_is_not_made(
    run: Run, method: str, more: tuple[str, ...], complaint: str
) -> None:
    result = run("sign", method, "photos/inbox/", "--page", *more, *KEY)
    assert result.exit_code == 2
    assert complaint in result.output


def test_a_life_of_seven_days_is_the_longest(run: Run) -> None:
    assert "X-Amz-Expires=604800&" in run("sign", "GET", "b/k", "--expires", "7d", *KEY).stdout


def test_a_method_that_is_not_signed_is_told(run: Run) -> None:
    result = run("sign", "POST", "b/k", *KEY)
    assert result.exit_code == 2
    assert "'POST' is not signed; write GET, HEAD, PUT or DELETE" in result.output


def test_the_command_is_the_one_of_the_program() -> None:
    assert sign.name == "sign"


def test_a_size_that_the_slot_will_refuse_is_warned_of(run: Run, folder: Path) -> None:
    words = ("sign", "PUT", "files/a/b.jpg", "--slot", "upload", "--size")
    (folder / "sluice.toml").write_text(CONFIG + 'max_size = "1MiB"\n')
    refused = run(*words, "2MiB")
    assert (refused.exit_code, refused.stdout.count("?v2=")) == (0, 1)
    assert "uploads over 1MiB are refused by this slot (413)" in refused.stderr
    assert run(*words, "1MiB").stderr == ""


def test_a_size_that_the_policy_of_slots_will_refuse_is_warned_of(run: Run, folder: Path) -> None:
    (folder / "policies").mkdir()
    (folder / "policies" / "full-access.toml").write_text(
        '[[rules]]\nactions = ["write"]\nbuckets = ["*"]\nmax_size = "3KiB"'
    )
    (folder / "sluice.toml").write_text('[server]\npolicies = "policies"\n' + CONFIG)
    words = ("sign", "PUT", "files/a/b.jpg", "--slot", "upload", "--size")
    assert "uploads over 3KiB are refused" in run(*words, "4KiB").stderr
    assert run(*words, "3KiB").stderr == ""


def test_a_slots_delete_says_what_it_needs(run: Run, folder: Path) -> None:
    (folder / "sluice.toml").write_text(CONFIG)
    result = run("sign", "DELETE", "files/a/b.jpg", "--slot", "upload")
    assert result.exit_code == 2
    assert "set delete_secret" in result.stderr
