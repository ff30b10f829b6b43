"""``sluice check`` and ``sluice print-config``: is it right, and what is it really."""

import asyncio
import os
from collections.abc import Awaitable, Iterator, Sequence
from pathlib import Path

import click

from gateway.auth.keys import KeyRing
from gateway.auth.policies import Policies
from gateway.cli.mistakes import Mistake
from gateway.cli.options import (
    check_certificate,
    config_option,
    read_settings,
    tell_notices,
    tell_weak_secrets,
)
from gateway.errors import GatewayError
from gateway.sessions.open import open_sessions, weaknesses, whereabouts
from gateway.settings import Settings
from gateway.settings.render import to_toml
from gateway.storage.base import Capabilities, ObjectStore
from gateway.transfer.placement import Placements
from gateway.units import format_size


@click.command(short_help="Check the configuration.", epilog="Example: sluice check --online")
@click.option("--online", is_flag=True, help="Also reach the stores and sessions, and probe them.")
@config_option
def check(online: bool, config: Path | None) -> None:
    """Check the configuration, the keys and the policies.

    Exit status 1, and the exact place, on a mistake. With --online every bucket's store is reached and
    probed for what it really does; the probes write a few small objects and remove them.
    """
    settings = read_settings(config)
    tell_notices(settings)
    check_certificate(settings)
    keys = KeyRing.open(settings, lambda problem: click.echo(f"sluice: {problem}", err=True)).list()
    tell_weak_secrets(keys)
    policies = list(Policies.open(settings, keys))
    open_sessions(settings.sessions.url, settings.sessions.timeout)  # only whether the URL is one
    counts = [
        _counted("store", len(settings.storage)),
        _buckets(settings),
        _counted("key", len(keys)),
        _counted("slot", len(settings.slots)),
        _counted("policy", len(policies)),
    ]
    click.echo(f"configuration: right ({', '.join(counts)})")
    for line in _passed_through(settings):
        click.echo(line)
    if online and not asyncio.run(_check_online(settings)):
        raise Mistake("not everything could be reached")


@click.command(
    "print-config",
    short_help="Print the effective configuration.",
    epilog="Example: sluice print-config --config sluice.toml",
)
@config_option
def print_config(config: Path | None) -> None:
    """Print the effective configuration: file, environment and defaults together; secrets masked."""
    click.echo(to_toml(read_settings(config)), nl=False)


def describe(capabilities: Capabilities) -> Iterator[str]:
    """What a store does, a fact a line."""
    parts = capabilities.parts
    uniform = ", of equal size" if parts.uniform else ""
    yield (
        f"parts: {format_size(parts.min_size)} to {format_size(parts.max_size)}, "
        f"at most {parts.max_parts:,}{uniform}"
    )
    conditional = {
        "none": "not honoured; a lease in the sessions stands in",
        "put": "on PutObject only; a lease in the sessions stands in for multipart",
        "complete": "on PutObject and CompleteMultipartUpload",
    }
    yield f"conditional writes: {conditional[capabilities.conditional_put]}"
    yield f"checksums that it verifies: {', '.join(sorted(capabilities.checksums)) or 'none'}"
    yield f"checksum trailers: {'yes' if capabilities.trailers else 'no'}"
    leaves = "may be left out" if capabilities.unlisted_parts else "all have to be used"
    yield f"parts of a multipart upload: {leaves}"


def _counted(noun: str, count: int) -> str:
    plural = f"{noun.removesuffix('y')}ies" if noun == "policy" else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"


def _buckets(settings: Settings) -> str:
    """How many buckets are named, and whose the others are."""
    named, default = _counted("bucket", len(settings.buckets)), settings.buckets_default
    if default is None:
        return named
    others = f"in storage.{default.storage}"
    return f"{named} and any other {others}" if settings.buckets else f"any bucket {others}"


def _passed_through(settings: Settings) -> Iterator[str]:
    """The buckets that are mounted without a section of their own: meant so, or a name that is wrong."""
    default = settings.buckets_default
    for where, bucket in settings.mounts.items():
        if default is not None and bucket not in settings.buckets:
            yield (
                f"{where}: there is no [buckets.{bucket}]; it is passed through to the bucket "
                f"{bucket} in storage.{default.storage}"
            )


async def _check_online(settings: Settings) -> bool:
    """Reach everything; say what was found. False when something is out of reach."""
    from gateway.runtime import open_runtime

    if not await _check_sessions(settings):
        return False
    async with open_runtime(settings) as runtime:
        right = True
        areas = runtime.placements.areas()
        for store in runtime.stores.values():
            place = settings.storage[store.name].place
            own = [(bucket, prefix) for owner, bucket, prefix in areas if owner is store]
            if own or store is not runtime.placements.passed_to:
                right &= await check_store(store, place, own)
            else:
                right &= await _check_passed_to(store, place, runtime.placements)
    return right


async def _check_sessions(settings: Settings) -> bool:
    """Open the session store and ask it; nothing else can be opened without it."""
    url = settings.sessions.url
    where = f"sessions ({whereabouts(url)})"
    sessions = open_sessions(url, settings.sessions.timeout)
    try:
        await sessions.start()
        await sessions.ping()
        forgets = await weaknesses(sessions)
    except GatewayError as error:
        click.echo(f"{where}: {_cause(error) or error.detail}", err=True)
        return False
    finally:
        await sessions.aclose()
    click.echo(f"{where}: right")
    for weakness in forgets:
        click.echo(f"  {weakness}")
    return True


def _cause(error: BaseException | None) -> str | None:
    """What the operating system said, where an error goes back to that. Libraries' own words may hold a URL."""
    while error is not None:
        if isinstance(error, OSError) and error.errno and error.errno > 0:
            return os.strerror(error.errno).lower()
        error = error.__cause__ or error.__context__
    return None


async def _check_passed_to(store: ObjectStore, place: str, placements: Placements) -> bool:
    """Reach a store of which no bucket is named, and probe it in one of its own."""
    from gateway.runtime import probe_any

    where = f"storage.{store.name} ({place})"
    try:
        buckets = await placements.passed_through()
        click.echo(f"{where}, listing its buckets: right")
        probed = await probe_any(store, buckets)
    except GatewayError as error:
        click.echo(f"{where}: {error.code}: {error.detail}", err=True)
        return False
    if probed is None:
        click.echo(f"{where}: no bucket is known on it, so nothing was probed")
        return True
    click.echo(f"{where}, probing in bucket {probed}: right")
    for fact in describe(store.capabilities):
        click.echo(f"  {fact}")
    return True


async def check_store(store: ObjectStore, place: str, areas: Sequence[tuple[str, str]]) -> bool:
    """Reach every (bucket, prefix) of a store, probe the first, and say what it does: of one out of reach
    nothing is known. ``place`` is where the store is, for people.

    Answers whether all could be reached.
    """
    from gateway.runtime import PROBED

    where = f"storage.{store.name} ({place})"
    if not areas:
        click.echo(f"{where}: no bucket is configured on it, so nothing was probed")
    right = True
    for bucket in dict.fromkeys(bucket for bucket, _ in areas):
        right &= await _reached(f"{where}, bucket {bucket}", store.ping(bucket))
    if right and areas:
        bucket, prefix = areas[0]
        right = await _reached(f"{where}, probing", store.probe(bucket, prefix + PROBED))
    if right:
        for fact in describe(store.capabilities):
            click.echo(f"  {fact}")
    return right


async def _reached(what: str, call: Awaitable[object]) -> bool:
    try:
        await call
    except GatewayError as error:
        cause = _cause(error)
        because = f" ({cause})" if cause else ""
        click.echo(f"{what}: {error.code}: {error.detail}{because}", err=True)
        return False
    click.echo(f"{what}: right")
    return True
