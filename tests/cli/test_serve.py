"""``sluice serve``, up to the server itself."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from gateway.auth.keys import KeyRing
from gateway.auth.policy_file import PolicyError
from gateway.cli.serve import announce, prepare, with_overrides
from gateway.settings import load_settings
from tests.cli.conftest import Run

#: What another terminal may have set for Amazon's own tools.
OTHERS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "x",
    "AWS_REGION": "eu-west-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
}


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)


def test_the_first_start_makes_a_key_and_shows_it_once(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_terminal(monkeypatch)
    settings = load_settings(None, {})
    prepare(settings)
    (key,) = KeyRing.open(settings).list()
    shown = capsys.readouterr().out
    assert key.id in shown
    assert key.secret in shown
    assert (folder / ".sluice" / "keys.json").stat().st_mode & 0o777 == 0o600
    prepare(settings)
    assert capsys.readouterr().out == ""


def test_case_91_no_secret_and_no_signature_is_written_to_a_log(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load_settings(None, {})
    prepare(settings)
    announce(settings, "http://127.0.0.1:4321", None)
    shown = capsys.readouterr().out
    (key,) = KeyRing.open(settings).list()
    assert key.id in shown
    assert ".sluice/keys.json" in shown
    assert key.secret not in shown
    assert "X-Amz-" not in shown


def test_a_terminal_is_shown_ready_made_urls(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_terminal(monkeypatch)
    settings = load_settings(None, {})
    prepare(settings)
    announce(settings, "http://127.0.0.1:4321", None)
    assert capsys.readouterr().out.count("X-Amz-Signature=") == 2


def test_a_wrong_policy_stops_the_start() -> None:
    settings = load_settings(None, {"SLUICE_KEYS__EXAMPLEKEY000001__SECRET": "s"})
    key = settings.keys["EXAMPLEKEY000001"].model_copy(update={"policy": "no-such"})
    with pytest.raises(PolicyError, match="no-such"):
        prepare(settings.model_copy(update={"keys": {"EXAMPLEKEY000001": key}}))


def test_what_is_said_on_the_command_line_stands_in_for_the_server_section() -> None:
    settings = load_settings(None, {})
    changed = with_overrides(settings, host="::", port=0, workers=2).server
    assert (changed.host, changed.port, changed.workers) == ("::", 0, 2)
    assert with_overrides(settings, host=None, port=None, workers=None) == settings


def test_it_is_announced_with_the_port_that_is_listened_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = load_settings(None, {})
    prepare(settings)
    announce(settings, "http://127.0.0.1:4321", None)
    assert "listens on http://127.0.0.1:4321" in capsys.readouterr().out


def test_what_is_wrong_with_the_keys_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    settings = load_settings(None, {})
    prepare(settings)
    KeyRing.open(settings).path.chmod(0o644)
    prepare(settings)
    assert "run chmod 600" in capsys.readouterr().err


@pytest.mark.parametrize(
    "program",
    [[sys.executable, "-m", "gateway"], [str(Path(sys.executable).parent / "sluice")]],
    ids=["module", "command"],
)
def test_it_serves_what_it_announced_until_it_is_told_to_stop(
    folder: Path, program: list[str]
) -> None:
    """Its output is a pipe here. The commands are pasted in another folder, where other keys are set."""
    (folder / "else where").mkdir()
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("SLUICE_", "AWS_"))}
    with subprocess.Popen(
        [*program, "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
    ) as process:
        assert process.stdout is not None
        said: list[str] = []
        for line in process.stdout:
            said.append(line)
            if "good for an hour" in line:
                break
        commands = [line.strip() for line in said if line.startswith("  ") and "curl" in line]
        answers = [
            subprocess.run(
                ["sh", "-c", command],
                capture_output=True,
                text=True,
                timeout=30,
                cwd=folder / "else where",
                env=environ | OTHERS,
            ).stdout
            for command in commands
        ]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert answers == ["", "Hello"]
    assert process.returncode == 0


def test_a_port_that_is_taken_is_told_in_a_line(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("serve", "--port", str(port))
    assert result.exit_code == 1
    assert result.stderr.startswith("sluice: ")
    assert str(port) in result.stderr
    assert len(result.stderr.splitlines()) == 1


@contextmanager
def piped(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """``sluice serve`` in a process of its own, its output in pipes."""
    command = [sys.executable, "-m", "gateway", "serve", "--port", "0", *options]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ended_quietly(process: subprocess.Popen[str]) -> bool:
    assert process.stderr is not None
    status = process.wait(timeout=20)
    assert process.stderr.read() == ""
    return status == 0


def test_a_start_that_nobody_reads_on_ends_quietly(folder: Path) -> None:
    with piped(folder) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Made a first key")
        process.stdout.close()
        assert ended_quietly(process)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_log_that_nobody_reads_any_more_ends_the_gateway_quietly(
    folder: Path, workers: str
) -> None:
    with piped(folder, "--workers", workers) as process:
        assert process.stdout is not None
        url = ""
        for line in process.stdout:
            if line.startswith("Sluice"):
                url = line.split()[-1]
            if " sign --help" in line:
                break
        process.stdout.close()
        assert httpx.get(f"{url}/-/healthz", trust_env=False).status_code == 200
        httpx.get(f"{url}/photos/x", trust_env=False)
        assert ended_quietly(process)
