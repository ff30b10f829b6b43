"""The page of the commands."""

import pytest

from gateway.cli.reference.commands import commands_page


def test_every_command_is_shown_with_its_own_help() -> None:
    page = commands_page()
    for name in ("sluice", "sluice serve", "sluice keys create", "sluice policy explain"):
        assert f"## `{name}`\n\n```text\nUsage: {name} [OPTIONS]" in page


def test_the_page_is_the_same_on_every_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    page = commands_page()
    monkeypatch.setenv("COLUMNS", "40")
    assert commands_page() == page
