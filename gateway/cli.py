"""The command line."""

import click

from gateway import __version__


@click.group()
@click.version_option(__version__, prog_name="sluice")
def main() -> None:
    """Sluice: a streaming gateway in front of S3 object storage."""
