"""The page of the commands: their own help, word for word."""

from collections.abc import Iterator
from typing import Final

import click

from gateway.cli.program import main

_WIDTH: Final = 88
_INTRODUCTION: Final = """\
# Commands

`python -m gateway` is the same program as `sluice`. Exit status: 0 done, 1 it failed and a line on
standard error says why, 2 it was misused.

`put`, `get` and `sign` find the gateway and the key by `--endpoint` and `--key`, then
`SLUICE_ENDPOINT`, `SLUICE_ACCESS_KEY_ID` and `SLUICE_SECRET_ACCESS_KEY`, then the same names with `AWS_`
(`AWS_ENDPOINT_URL`), then the local configuration and the first key that it or the data directory has.
"""


def commands_page() -> str:
    """Markdown with the help of every command."""
    return "\n".join([_INTRODUCTION, *_sections(main, "sluice", None)])


def _sections(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    # The widths are fixed, or the page would depend on the terminal that it was made in.
    settings = {**command.context_settings, "terminal_width": _WIDTH, "max_content_width": _WIDTH}
    context = command.context_class(command, info_name=name, parent=parent, **settings)
    yield f"## `{context.command_path}`\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None:
                yield from _sections(found, child, context)
