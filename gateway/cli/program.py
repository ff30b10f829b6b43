"""``sluice``: the commands together, and how their mistakes are told."""

import importlib
from typing import Any, Final

import click

from gateway import __version__
from gateway.auth.key_file import KeysError
from gateway.auth.policy_file import PolicyError
from gateway.cli.mistakes import Mistake, one_line
from gateway.client import TransferFailed
from gateway.errors import GatewayError
from gateway.server.listeners import ListenError
from gateway.settings import SettingsError

#: Mistakes of people and networks. Anything else is a bug, and shows where it is.
_TOLD: Final = (
    SettingsError,
    KeysError,
    PolicyError,
    ListenError,
    TransferFailed,
    GatewayError,
    OSError,
)

#: Which module has which command. They are loaded when asked for: `sluice sign` needs no server.
_COMMANDS: Final = {
    "serve": "serve",
    "sign": "sign",
    "keys": "keys",
    "policy": "policy",
    "put": "transfers",
    "get": "transfers",
    "check": "check",
    "print-config": "check",
    "sweep": "sweep",
}


class Program(click.Group):
    """A group that tells mistakes without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order that a newcomer meets them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load the command."""
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"gateway.cli.{_COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run, and turn what can go wrong into a :class:`Mistake`."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # `| head`: click ends without a word
            raise
        except _TOLD as error:
            raise Mistake(one_line(error)) from error


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `sluice serve`; it prints commands to paste.",
)
@click.version_option(__version__, prog_name="sluice")
def main() -> None:
    """A streaming gateway in front of S3 object storage.

    Signed uploads and ranged downloads, in bounded memory.
    """
