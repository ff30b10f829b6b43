"""How mistakes are told: a line each, on standard error, exit status 1; no traceback."""

from typing import Any

import click


class Mistake(click.ClickException):
    """Something that a person can put right."""

    def show(self, file: Any = None) -> None:
        """Write it to standard error."""
        for line in self.message.splitlines():
            click.echo(f"sluice: {line}", file=file, err=True)


def one_line(error: Exception) -> str:
    """What an exception says; the operating system's without its number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__
