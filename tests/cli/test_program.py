"""The commands together, and how mistakes are told."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from gateway import __version__
from gateway.cli import main
from tests.cli.conftest import Run


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found.append((*path, name))
        if isinstance(command, click.Group):
            found += commands(command, (*path, name))
    return found


@pytest.mark.parametrize("path", commands(main), ids=" ".join)
def test_every_command_has_a_help_with_an_example(run: Run, path: tuple[str, ...]) -> None:
    result = run(*path, "--help")
    assert result.exit_code == 0
    assert f"Example: sluice {path[0]}" in " ".join(result.output.split())


def test_the_help_lists_every_command_of_the_contract(run: Run) -> None:
    output = run("--help").output
    for name in ("serve", "sign", "keys", "policy", "put", "get", "check", "print-config", "sweep"):
        assert f"\n  {name} " in output


def test_the_version_is_the_packages(run: Run) -> None:
    assert __version__ in run("--version").output


@pytest.mark.parametrize("arguments", [("serv",), ("--nope",), ("put",), ("sign", "PUT", "x")])
def test_a_misused_command_is_told_with_exit_status_two(
    run: Run, arguments: tuple[str, ...]
) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Error: " in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("files", "arguments", "line"),
    [
        (
            {"sluice.toml": "[server]\nprot = 1"},
            ("check",),
            "server.prot: no such setting; did you",
        ),
        ({"sluice.toml": "x ="}, ("print-config",), "sluice.toml: not TOML"),
        ({}, ("check", "--config", "no.toml"), "no.toml: No such file or directory"),
        ({".sluice/keys.json": "{"}, ("keys", "list"), "keys.json"),
        ({}, ("keys", "create", "--policy", "upload"), "did you mean 'upload-only'?"),
        ({}, ("keys", "disable", "NOSUCHKEY0000000"), "There is no key NOSUCHKEY0000000"),
        ({}, ("get", "a/b"), "No key: give --key"),
        ({}, ("get", "a/b", "--key", "A:s", "--endpoint", "x"), "'x' is no endpoint"),
    ],
)
def test_a_mistake_is_told_in_a_line_with_exit_status_one(
    run: Run, folder: Path, files: dict[str, str], arguments: tuple[str, ...], line: str
) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("sluice: ")
    assert line in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_the_module_is_the_same_program(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "check"],
        capture_output=True,
        text=True,
        timeout=60,
        env={k: v for k, v in os.environ.items() if not k.startswith("SLUICE_")},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("configuration: right")
