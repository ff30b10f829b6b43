"""The commands to paste."""

import shlex
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.auth.keys import KeyRing
from gateway.cli.banner import LIFE, banner, own_command, own_program
from gateway.protocol.commands import RequestHead
from gateway.protocol.signatures import sigv4
from gateway.protocol.signatures.canonical import CanonicalQuery
from gateway.protocol.signatures.presign import read_query
from gateway.settings import Settings, load_settings

NOW = 1_800_000_000.0


def settings(folder: Path, text: str = "") -> Settings:
    (folder / "sluice.toml").write_text(text)
    found = load_settings(folder / "sluice.toml", {})
    KeyRing.open(found).ensure_first_key()
    return found


def commands(text: str) -> list[list[str]]:
    return [shlex.split(line) for line in text.splitlines() if "curl" in line]


@pytest.mark.parametrize(("which", "method"), [(0, "PUT"), (1, "GET")])
def test_the_pasted_urls_verify_for_an_hour(folder: Path, which: int, method: str) -> None:
    found = settings(folder)
    parts = urlsplit(commands(banner(found, port=8080, now=NOW))[which][-1])
    head = RequestHead(
        method, parts.path.encode(), parts.query.encode(), [(b"host", parts.netloc.encode())]
    )
    claim = read_query(
        head, CanonicalQuery(head.raw_query), region="us-east-1", now=NOW + LIFE, max_skew=1
    )
    (key,) = KeyRing.open(found).list()
    sigv4.verify(claim, key.secret)
    assert parts.path == "/demo/hello.txt"


def test_the_upload_makes_its_own_file_and_the_download_takes_a_range(folder: Path) -> None:
    upload, download = commands(banner(settings(folder), port=8080, now=NOW))
    assert upload[:7] == ["echo", "Hello, Sluice!", ">", "hello.txt", "&&", "curl", "-T"]
    assert download[:3] == ["curl", "-r", "0-4"]


def test_a_configured_bucket_is_used(folder: Path) -> None:
    text = '[storage.m]\nkind = "memory"\n[buckets.photos]\nstorage = "m"'
    output = banner(settings(folder, text), port=8080, now=NOW)
    assert "/photos/hello.txt?" in output
    assert "has to exist" not in output


@pytest.mark.parametrize(
    ("store", "caution"),
    [
        ('kind = "memory"', True),
        ('kind = "local"', False),
        ('kind = "local"\nbuckets = "existing"', True),
    ],
)
def test_a_bucket_that_may_be_missing_is_warned_of(folder: Path, store: str, caution: bool) -> None:
    text = f'[storage.m]\n{store}\n[buckets_default]\nstorage = "m"'
    output = banner(settings(folder, text), port=8080, now=NOW)
    assert ("(The bucket demo has to exist in the store.)" in output) is caution


def test_what_the_keys_policy_refuses_is_said(folder: Path) -> None:
    text = '[keys.PHONEAPPKEY00001]\nsecret = "0123456789"\npolicy = "upload-only"'
    output = banner(settings(folder, text), port=8080, now=NOW)
    assert (
        "(The download will be refused: the policy upload-only of the key PHONEAPPKEY00001"
        in output
    )
    assert "The upload will be refused" not in output


def test_without_a_key_or_a_bucket_it_says_what_is_missing(folder: Path) -> None:
    found = settings(folder, '[storage.m]\nkind = "memory"')
    assert "No bucket is configured" in banner(found, port=8080, now=NOW)
    KeyRing.open(found).disable(KeyRing.open(found).list()[0].id)
    assert "No key counts now" in banner(found, port=8080, now=NOW)


def test_curl_is_told_to_trust_our_own_certificate(folder: Path) -> None:
    text = '[server]\ntls_cert = "my cert.pem"\ntls_key = "key.pem"'
    _, download = commands(banner(settings(folder, text), port=443, now=NOW))
    assert download[:3] == ["curl", "--cacert", "my cert.pem"]
    assert download[-1].startswith("https://127.0.0.1:443/demo/")


def test_a_signer_makes_the_urls_where_they_are_pasted(folder: Path) -> None:
    signer = own_command(Path("my sluice.toml"), ".venv/bin/sluice", Path("/a b"))
    assert signer == "cd '/a b' && .venv/bin/sluice sign --config 'my sluice.toml'"
    output = banner(settings(folder), port=8080, now=NOW, signer=signer)
    assert f'  curl -r 0-4 "$({signer} GET demo/hello.txt --expires 3600s --key SLUICE' in output
    assert "--endpoint http://127.0.0.1:8080 --region us-east-1" in output
    assert "X-Amz-" not in output


def test_without_a_command_of_its_own_it_is_started_as_a_module() -> None:
    signer = own_command(None, "/somewhere/gateway/__main__.py", Path("/a"))
    assert signer == f"cd /a && {shlex.quote(sys.executable)} -m gateway sign"


def test_the_program_is_named_as_this_shell_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "my bin" / "sluice"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert own_program(str(program)) == f"'{program}'"
    monkeypatch.setenv("PATH", str(program.parent))
    assert own_program(str(program)) == "sluice"
    assert own_program("/somewhere/gateway/__main__.py").endswith(" -m gateway")
