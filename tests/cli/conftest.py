"""Fixtures of the command line's room: an empty working directory, an empty environment."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from tests.client.origin import Origin, serving

Run: TypeAlias = Callable[..., Result]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("SLUICE_", "AWS_")):
            monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def run() -> Run:
    """Run ``sluice`` with arguments; environment as keywords. A traceback fails the test."""

    def invoke(*arguments: str, **environ: str) -> Result:
        result = CliRunner().invoke(main, arguments, env=environ, prog_name="sluice")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


@pytest.fixture
def origin() -> Iterator[Origin]:
    """A server that knows one key."""
    with serving() as running:
        yield running
