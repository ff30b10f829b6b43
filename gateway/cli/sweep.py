"""``sluice sweep``: abort the multipart uploads that nobody will finish."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import click

from gateway.cli.mistakes import Mistake
from gateway.cli.options import config_option, read_settings
from gateway.settings import Settings
from gateway.transfer.sweep_report import SweepReport, SweepTarget


@click.command(short_help="Abort abandoned multipart uploads.", epilog="Example: sluice sweep")
@config_option
def sweep(config: Path | None) -> None:
    """Abort the multipart uploads of gateways that are gone, and report those that are not ours.

    Ours are told by the intent journal; what others have begun is listed and left alone. A running gateway
    does the same by itself every `sweep.interval`. Exit status 1 when something could not be swept.
    """
    report = asyncio.run(_sweep(read_settings(config)))
    for line in describe(report):
        click.echo(line)
    if report.failed:
        raise Mistake("not everything could be swept; what is left is for the next sweep")


def describe(report: SweepReport) -> Iterator[str]:
    """What a sweep did, the sum first."""
    yield (
        f"{len(report.aborted)} aborted, {len(report.kept)} in use, "
        f"{len(report.foreign)} not ours, {len(report.failed)} failed"
    )
    for ref in report.aborted:
        yield f"aborted: {ref.store}: {ref.key}"
    for listing in report.foreign:
        begun = listing.initiated.isoformat(timespec="seconds")
        yield f"not ours, left alone: {listing.ref.store}: {listing.ref.key}, begun {begun}"
    for failure in report.failed:
        what = failure.what
        where = (what.bucket or "all buckets") if isinstance(what, SweepTarget) else what.key
        yield f"failed: {what.store}: {where}: {failure.error.detail}"


async def _sweep(settings: Settings) -> SweepReport:
    from gateway.runtime import open_runtime

    async with open_runtime(settings) as runtime:
        return await runtime.sweeper.sweep(runtime.targets)
