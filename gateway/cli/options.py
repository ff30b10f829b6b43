"""What several commands take: the configuration, an object's name, durations, sizes, times."""

import os
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from gateway.auth.key import Key
from gateway.errors import InvalidBucketName
from gateway.model import ObjectKey
from gateway.protocol.paths import check_bucket
from gateway.settings import Settings, SettingsError, load_settings
from gateway.settings.notices import notices
from gateway.units import parse_duration, parse_size

#: Read from the working directory where no other is named.
DEFAULT_CONFIG: Final = Path("sluice.toml")

#: Characters of an access key's secret below which trying them all is no great work.
SHORTEST_SECRET: Final = 16

F = TypeVar("F", bound=Callable[..., Any])


class _Parsed(click.ParamType[object]):
    """A parameter whose text a function reads; its ValueError says what a right one looks like."""

    def __init__(self, name: str, parse: Callable[[str], object]) -> None:
        self.name = name
        self._parse = parse

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> object:
        """Read the text."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def parse_object(text: str) -> ObjectKey:
    """Read ``BUCKET/KEY``.

    Raises:
        ValueError: one of the two is missing, or the text is not UTF-8.
    """
    bucket, _, name = text.removeprefix("/").partition("/")
    if not bucket or not name:
        raise ValueError(f"{text!r} does not name an object; write for example photos/cat.jpg")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{text!r} is not UTF-8; keys are") from None
    return ObjectKey(bucket, name)


def _parse_method(text: str) -> str:
    method = text.upper()
    if method not in ("GET", "HEAD", "PUT", "DELETE"):
        raise ValueError(f"{text!r} is not signed; write GET, HEAD, PUT or DELETE")
    return method


def _parse_time(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time; write for example 2027-01-31T12:00:00Z") from None
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; write for example 2027-01-31T12:00:00Z")
    return moment.timestamp()


METHOD: Final = _Parsed("method", _parse_method)
OBJECT: Final = _Parsed("bucket/key", parse_object)
DURATION: Final = _Parsed("duration", parse_duration)
SIZE: Final = _Parsed("size", parse_size)
TIME: Final = _Parsed("time", _parse_time)


def config_option(command: F) -> F:
    """``--config FILE``."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="SLUICE_CONFIG",
        show_envvar=True,
        help="Configuration file. Default: sluice.toml in the working directory, if there is one.",
    )(command)


def connection_options(command: F) -> F:
    """``--endpoint``, ``--key``, ``--region`` and ``--config``."""
    for option in (
        config_option,
        click.option("--region", help="Region to sign for. Default: the gateway's."),
        click.option(
            "--key",
            metavar="ID[:SECRET]",
            help="Access key. Without the secret, it is looked up in the environment, then among the "
            "local gateway's keys.",
        ),
        click.option(
            "--endpoint",
            metavar="URL",
            help="The gateway. Default: SLUICE_ENDPOINT, AWS_ENDPOINT_URL, then the local configuration.",
        ),
    ):
        command = option(command)
    return command


def read_settings(config: Path | None) -> Settings:
    """The effective settings.

    Raises:
        SettingsError: the configuration is wrong, or has a bucket that no request can name.
    """
    path = config or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
    settings = load_settings(path, os.environ)
    named = {f"buckets.{name}": name for name in settings.buckets}
    named |= {
        f"{where}: {name!r}": name
        for where, name in settings.mounts.items()
        if name not in settings.buckets
    }
    problems = [
        f"{where}: clients can never name it: 3 to 63 of a-z, 0-9, - and ., a letter or digit at both ends, "
        "no IP address and no reserved name"
        for where, name in named.items()
        if not _can_be_named(name)
    ]
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def _can_be_named(bucket: str) -> bool:
    try:
        check_bucket(bucket)
    except InvalidBucketName:
        return False
    return True


def tell_notices(settings: Settings) -> None:
    """Say on standard error what the settings hold that has no effect."""
    for notice in notices(settings):
        click.echo(f"sluice: {notice}", err=True)


def tell_weak_secrets(keys: Iterable[Key]) -> None:
    """Say on standard error which keys' secrets can be guessed: a signature that was overheard lets anyone try
    them at leisure."""
    for key in keys:
        if len(key.secret) < SHORTEST_SECRET:
            click.echo(
                f"sluice: warning: keys.{key.id}: its secret has {len(key.secret)} characters and can be guessed; "
                f"use {SHORTEST_SECRET} random ones or more, or let `sluice keys create` make one",
                err=True,
            )


def check_certificate(settings: Settings) -> None:
    """Look whether the files that TLS needs can be read here.

    Raises:
        SettingsError: one cannot; the message has its full path.
    """
    server = settings.server
    for name, path in (("tls_cert", server.tls_cert), ("tls_key", server.tls_key)):
        if path is not None:
            try:
                path.open("rb").close()
            except OSError as error:
                raise SettingsError(f"server.{name}: {path.absolute()}: {error.strerror}") from None
