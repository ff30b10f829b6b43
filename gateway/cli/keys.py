"""``sluice keys``: access keys of the local gateway."""

from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.auth.key import Key
from gateway.auth.keys import KeyRing
from gateway.auth.policies import Policies
from gateway.cli.options import TIME, config_option, read_settings


@click.group(epilog="Example: sluice keys create --policy upload-only")
def keys() -> None:
    """Make, list and disable access keys.

    Running gateways on this machine take changes over within a second.
    """


@keys.command(epilog="Example: sluice keys create --principal phone-app --policy upload-only")
@click.option("--principal", metavar="NAME", help="Whose key it is. Default: the key's own id.")
@click.option("--policy", default="full-access", show_default=True, help="A policy's name.")
@click.option("--not-before", type=TIME, help="Refused before this time (RFC 3339).")
@click.option("--not-after", type=TIME, help="Refused from this time on (RFC 3339).")
@config_option
def create(
    principal: str | None,
    policy: str,
    not_before: float | None,
    not_after: float | None,
    config: Path | None,
) -> None:
    """Make a key, and show its secret: this once."""
    settings = read_settings(config)
    Policies.open(settings).get(policy)
    ring = KeyRing.open(settings, _warn)
    key = ring.create(principal, policy, not_before, not_after)
    click.echo(f"access key id      {key.id}")
    click.echo(f"secret access key  {key.secret}")
    click.echo(f"stored in {ring.path}", err=True)  # not among what a script reads


@keys.command("list", epilog="Example: sluice keys list")
@config_option
def list_(config: Path | None) -> None:
    """List all keys, without their secrets."""
    found = KeyRing.open(read_settings(config), _warn).list()
    rows = [("KEY", "PRINCIPAL", "POLICY", "STATE"), *(_row(key) for key in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)]
        click.echo("  ".join(cells).rstrip())


@keys.command(epilog="Example: sluice keys disable SLUICEEXAMPLEKEY01")
@click.argument("key_id")
@config_option
def disable(key_id: str, config: Path | None) -> None:
    """Refuse KEY_ID from now on, for good: to undo it, make a new key."""
    key = KeyRing.open(read_settings(config), _warn).disable(key_id)
    click.echo(f"{key.id} is disabled.")


def _row(key: Key) -> tuple[str, str, str, str]:
    if key.disabled:
        state = "disabled"
    else:
        limits = (("from", key.not_before), ("until", key.not_after))
        dates = [f"{word} {_date(moment)}" for word, moment in limits if moment is not None]
        state = " ".join(["enabled", *dates])
    return key.id, key.principal, key.policy, state


def _date(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")


def _warn(problem: str) -> None:
    click.echo(f"sluice: {problem}", err=True)
