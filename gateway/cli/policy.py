"""``sluice policy``: what the policies are, and why they allow or refuse."""

import typing
from pathlib import Path

import click

from gateway.auth.explain import explain as explain_decision
from gateway.auth.keys import KeyRing
from gateway.auth.policies import Policies, policy_files
from gateway.auth.policy import AccessRequest
from gateway.cli.options import OBJECT, SIZE, config_option, read_settings
from gateway.model import Action, ObjectKey


@click.group(epilog="Example: sluice policy explain write photos/cat.jpg --policy upload-only")
def policy() -> None:
    """List the policies, and ask them."""


@policy.command("list", epilog="Example: sluice policy list")
@config_option
def list_(config: Path | None) -> None:
    """List the policies and the files they are in."""
    settings = read_settings(config)
    Policies.open(settings)  # one that is wrong is told, not listed
    found = policy_files(settings)
    width = max(map(len, found))
    for name, path in found.items():
        click.echo(f"{name.ljust(width)}  {path}")


@policy.command(
    epilog="Example: sluice policy explain write photos/cat.jpg --policy upload-only --size 5MiB"
)
@click.argument("action", type=click.Choice(typing.get_args(Action)))
@click.argument("target", type=OBJECT, metavar="BUCKET/KEY")
@click.option("--policy", "name", metavar="NAME", help="Ask this policy.")
@click.option("--as", "key_id", metavar="KEY-ID", help="Ask the policy of this access key.")
@click.option("--principal", metavar="NAME", help="Who asks. Default: the key's principal.")
@click.option("--size", type=SIZE, help="Size of the body.")
@click.option("--type", "content_type", metavar="TYPE", help="Content type of the body.")
@config_option
def explain(
    action: Action,
    target: ObjectKey,
    name: str | None,
    key_id: str | None,
    principal: str | None,
    size: int | None,
    content_type: str | None,
    config: Path | None,
) -> None:
    """Tell why ACTION on BUCKET/KEY would be allowed or refused, rule by rule.

    Exit status 0 when it is allowed, 1 when it is refused.
    """
    if (name is None) == (key_id is None):
        raise click.UsageError("Give one of --policy NAME and --as KEY-ID.")
    settings = read_settings(config)
    if key_id is not None:
        key = next((key for key in KeyRing.open(settings).list() if key.id == key_id), None)
        if key is None:
            raise click.UsageError(f"There is no key {key_id}; `sluice keys list` shows them all.")
        name, principal = key.policy, principal or key.principal
    request = AccessRequest(
        action=action, key=target, principal=principal, size=size, content_type=content_type
    )
    found = explain_decision(Policies.open(settings).get(name or ""), request)
    for line in found.lines():
        click.echo(line)
    if not found.decision.allowed:
        click.get_current_context().exit(1)
