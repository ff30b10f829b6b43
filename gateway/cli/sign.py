"""``sluice sign``: a URL or a set of headers for one request."""

import time
from typing import Any, Final

import click

from gateway.auth.policies import Policies
from gateway.auth.policy import AccessRequest
from gateway.auth.slots import SLOT_POLICY
from gateway.cli.connection import Connection
from gateway.cli.options import DURATION, METHOD, OBJECT, SIZE, connection_options
from gateway.cli.signed import (
    KEY_SCHEMES,
    SLOT_SCHEMES,
    SignedRequest,
    Wanted,
    sign_page,
    sign_slot,
    sign_with_key,
)
from gateway.model import ObjectKey
from gateway.settings import Settings, SlotSection
from gateway.units import format_size

_SCHEMES: Final = tuple(dict.fromkeys((*KEY_SCHEMES, *SLOT_SCHEMES)))


@click.command(
    short_help="Sign a request: a URL or headers.",
    epilog="Example: sluice sign PUT photos/cat.jpg --expires 1h --curl\n\n"
    "Example: sluice sign PUT photos/inbox/ --page --expires 7d --size 2GiB",
)
@click.argument("method", type=METHOD, metavar="METHOD")
@click.argument("target", type=OBJECT, metavar="BUCKET/KEY")
@click.option(
    "--expires", type=DURATION, default="1h", show_default=True, help="How long it is good."
)
@click.option(
    "--scheme",
    type=click.Choice(_SCHEMES),
    help="Default: sigv4; with --slot v2, for DELETE token.",
)
@click.option("--slot", metavar="NAME", help="Sign with the secret of [slots.NAME].")
@click.option("--size", type=SIZE, help="Size of the file, for the schemes that sign it.")
@click.option("--type", "content_type", metavar="TYPE", help="Content type, where it is signed.")
@click.option("--curl", is_flag=True, help="Print a command to paste instead.")
@click.option(
    "--page",
    is_flag=True,
    help="Print a link to the upload page instead, for a person; a KEY that ends in / is a folder.",
)
@connection_options
def sign(
    method: str,
    target: ObjectKey,
    expires: float,
    scheme: str | None,
    slot: str | None,
    size: int | None,
    content_type: str | None,
    curl: bool,
    page: bool,
    **connect: Any,
) -> None:
    """Print what METHOD BUCKET/KEY needs to be allowed: a presigned URL, or a URL and headers.

    METHOD is GET, HEAD, PUT or DELETE. Nothing is sent. Without --slot the access key signs (sigv4,
    jwt); with --slot the slot's secret does, as an XMPP server would (v, v2, v3, token, jwt). A key's jwt
    counts once, as it has a jti.
    """
    if expires < 1:
        raise click.BadParameter("it has to be good for a second at least", param_hint="--expires")
    wanted = Wanted(
        method=method,
        key=target,
        expires=int(expires),
        now=time.time(),
        size=size,
        content_type=content_type,
    )
    connection = Connection(**connect)
    if page:
        _check_page(wanted, scheme, slot, curl)
        click.echo(sign_page(wanted, connection.account))
        return
    signed = (
        _by_key(wanted, scheme or "sigv4", connection)
        if slot is None
        else _by_slot(wanted, scheme or _slot_scheme(wanted), slot, connection)
    )
    click.echo(signed.curl() if curl else signed.text())


def _check_page(wanted: Wanted, scheme: str | None, slot: str | None, curl: bool) -> None:
    if wanted.method != "PUT":
        raise click.UsageError("The upload page only uploads: write PUT.")
    if slot is not None or curl or scheme not in (None, "jwt"):
        raise click.UsageError(
            "--page signs a jwt by the key: leave --slot, --curl and --scheme out."
        )


def _by_key(wanted: Wanted, scheme: str, connection: Connection) -> SignedRequest:
    if scheme not in KEY_SCHEMES:
        raise click.UsageError(f"{scheme} is a slot's: give --slot NAME.")
    return sign_with_key(wanted, scheme, connection.account)


def _slot_scheme(wanted: Wanted) -> str:
    """Only one of them deletes."""
    return "token" if wanted.method == "DELETE" else "v2"


def _by_slot(wanted: Wanted, scheme: str, name: str, connection: Connection) -> SignedRequest:
    if scheme not in SLOT_SCHEMES:
        raise click.UsageError(f"{scheme} is signed by a key: leave --slot out.")
    slots = connection.settings.slots
    if name not in slots:
        known = ", ".join(slots) or "none"
        raise click.UsageError(
            f"There is no slot {name!r} in the configuration; there is: {known}."
        )
    signed = sign_slot(wanted, scheme, slots[name], connection.endpoint)
    limit = _limit(wanted, slots[name], connection.settings)
    if wanted.size is not None and wanted.size > limit:
        click.echo(
            f"sluice: warning: uploads over {format_size(limit)} are refused by this slot (413),"
            f" and this is one of {format_size(wanted.size)}",
            err=True,
        )
    return signed


def _limit(wanted: Wanted, slot: SlotSection, settings: Settings) -> int:
    """The largest upload that the gateway takes here, in bytes."""
    request = AccessRequest(action="write", key=wanted.key, principal=None)
    policy = Policies.open(settings).get(SLOT_POLICY)
    limits = (slot.max_size, settings.transfer.max_object, policy.decide(request).max_size)
    return min(limit for limit in limits if limit is not None)
