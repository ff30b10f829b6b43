"""``sluice serve``: the gateway itself."""

import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import click

from gateway.auth.keys import KeyRing
from gateway.auth.policies import Policies
from gateway.cli.banner import banner, first_key_notice, own_command, own_program
from gateway.cli.options import (
    check_certificate,
    config_option,
    read_settings,
    tell_notices,
    tell_weak_secrets,
)
from gateway.settings import Settings


@click.command(
    short_help="Run the gateway.", epilog="Example: sluice serve --config sluice.toml --workers 2"
)
@config_option
@click.option("--host", metavar="ADDRESS", help="Address to listen on, instead of server.host.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port, instead of server.port.")
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Processes, instead of server.workers."
)
def serve(config: Path | None, host: str | None, port: int | None, workers: int | None) -> None:
    """Run the gateway until SIGTERM or Ctrl-C; then running requests may finish.

    Without a configuration it keeps objects, sessions and keys under .sluice in the working directory,
    makes a first key, and prints commands to paste.
    """
    from gateway.app import make_apps
    from gateway.server.run import serve as run

    settings = with_overrides(read_settings(config), host=host, port=port, workers=workers)
    prepare(settings)
    status = run(settings, make_apps, on_listening=lambda url: announce(settings, url, config))
    raise SystemExit(status)


def with_overrides(
    settings: Settings, *, host: str | None, port: int | None, workers: int | None
) -> Settings:
    """The settings with what was said on the command line in place of ``[server]``'s."""
    said = {"host": host, "port": port, "workers": workers}
    server = settings.server.model_copy(
        update={name: value for name, value in said.items() if value is not None}
    )
    return settings.model_copy(update={"server": server})


def prepare(settings: Settings) -> None:
    """Before anything listens: refuse wrong keys and policies, and make a first key if there is none.

    Raises:
        KeysError, PolicyError, SettingsError: they are wrong, or a certificate is missing.
    """
    tell_notices(settings)
    check_certificate(settings)
    ring = KeyRing.open(settings, lambda problem: click.echo(f"sluice: {problem}", err=True))
    tell_weak_secrets(ring.list())
    Policies.open(settings, ring.list())
    made = ring.ensure_first_key()
    if made is not None:
        click.echo(first_key_notice(made, str(ring.path), terminal=sys.stdout.isatty()))


def announce(settings: Settings, url: str, config: Path | None) -> None:
    """Say that it listens at ``url``, with commands to paste: ready-made ones to a terminal only."""
    port = urlsplit(url).port
    assert port is not None
    signer = None if sys.stdout.isatty() else own_command(config, sys.argv[0], Path.cwd())
    try:
        click.echo(
            banner(
                settings,
                port=port,
                now=time.time(),
                signer=signer,
                program=own_program(sys.argv[0]),
            )
        )
    except BrokenPipeError:
        from gateway.web.log import end_unread

        end_unread()
