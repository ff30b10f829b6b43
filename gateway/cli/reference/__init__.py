"""The generated part of the documentation: ``python -m gateway.cli.reference`` writes it.

What it writes is kept in the repository, and a test compares, so a setting, a command or an error cannot
change without its page.
"""

from pathlib import Path

from gateway.cli.reference.commands import commands_page
from gateway.cli.reference.configuration import configuration_page, example_config
from gateway.cli.reference.errors import errors_page


def pages() -> dict[Path, str]:
    """Every generated file, by its path in the repository."""
    return {
        Path("docs/configuration.md"): configuration_page(),
        Path("docs/cli.md"): commands_page(),
        Path("docs/errors.md"): errors_page(),
        Path("deploy/sluice.example.toml"): example_config(),
    }
