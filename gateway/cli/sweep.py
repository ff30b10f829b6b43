"""``sluice sweep``: abort the multipart uploads that nobody will finish."""

import asyncio
from pathlib import Path

import click

from gateway.cli.options import config_option, read_settings
from gateway.settings import Settings


@click.command(short_help="Abort abandoned multipart uploads.", epilog="Example: sluice sweep")
@config_option
def sweep(config: Path | None) -> None:
    """Abort the multipart uploads of gateways that are gone, and report those that are not ours.

    Ours are told by the intent journal; what others have begun is listed and left alone. A running gateway
    does the same by itself every `sweep.interval`.
    """
    asyncio.run(_sweep(read_settings(config)))


async def _sweep(settings: Settings) -> None:
    from gateway.app import open_runtime  # type: ignore[attr-defined,unused-ignore]

    async with open_runtime(settings) as runtime:
        report = await runtime.sweeper.sweep(runtime.targets)
    click.echo(str(report))
