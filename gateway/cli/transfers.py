"""``sluice put`` and ``sluice get``."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import click

from gateway.cli.connection import Connection
from gateway.cli.mistakes import Mistake
from gateway.cli.options import OBJECT, connection_options, parse_object
from gateway.cli.retries import Retries
from gateway.client import Backoff, Client, Interrupted, Refused, pending_upload
from gateway.model import ObjectKey
from gateway.units import format_size


class Bar:
    """A progress bar on standard error: drawn for people only, from the first byte on. ``retries`` may have said
    something in its place."""

    def __init__(self, label: str, *, quiet: bool, retries: Retries) -> None:
        self._label: Final = label
        self._retries: Final = retries
        self._hidden: Final = quiet or not sys.stderr.isatty()
        self._bar: Any = None

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)

    def __call__(self, done: int, total: int) -> None:
        """Show it; ``done`` may go back."""
        if self._hidden:
            return
        self._retries.clear()
        if self._bar is None:
            self._bar = click.progressbar(
                length=total, label=self._label, file=sys.stderr, item_show_func=_amount
            ).__enter__()
        if done < self._bar.pos:  # click's bars only go forward
            self._bar.pos, self._bar.finished = done, False
        self._bar.length = total
        self._bar.update(done - self._bar.pos, (done, total))


def _amount(item: tuple[int, int] | None) -> str:
    return "" if item is None else f"{format_size(item[0])} of {format_size(item[1])}"


quiet_option = click.option("-q", "--quiet", is_flag=True, help="Say nothing unless it fails.")


@click.command(
    short_help="Upload a file.",
    epilog="Example: sluice put cat.jpg photos/2027/cat.jpg",
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("target", metavar="BUCKET/KEY")
@click.option("--content-type", metavar="TYPE", help="Default: guessed from the file's name.")
@click.option(
    "--parallel",
    type=click.IntRange(1, 64),
    default=1,
    metavar="N",
    help="Send so many chunks of a large file at a time, where one connection does not fill the line.",
)
@quiet_option
@connection_options
def put(
    file: Path,
    target: str,
    content_type: str | None,
    parallel: int,
    quiet: bool,
    **connect: Any,
) -> None:
    """Upload FILE as BUCKET/KEY; a KEY that ends in / gets the file's name.

    The gateway stores exactly the bytes of FILE or nothing, and what fails on the way is tried again.
    A file of 16 MiB or more is sent in chunks: run the same command again to continue one that was
    interrupted, also after a crash. FILE may not change meanwhile, or it is sent anew.
    """
    try:
        key = parse_object(target + file.name if target.endswith("/") else target)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="BUCKET/KEY") from None
    connection = Connection(**connect)
    retries = Retries(quiet=quiet)
    with (
        Client(connection.account, backoff=Backoff(on_retry=retries)) as client,
        Bar(file.name, quiet=quiet, retries=retries) as bar,
    ):
        try:
            done = client.put(file, key, content_type=content_type, parallel=parallel, progress=bar)
        except Refused as error:
            rest = retries.end(error) + _rest(connection, key, file)
            raise _about_key(error, connection, rest) from error
        except Interrupted as error:
            rest = retries.end(error) + _rest(connection, key, file)
            raise Mistake(f"{error}{rest}") from error
        except KeyboardInterrupt:
            retries.clear()
            raise Mistake(f"stopped{_rest(connection, key, file)}") from None
    retries.clear()
    if not quiet:
        again = f", continued at {format_size(done.continued_from)}" if done.continued_from else ""
        click.echo(f"{key}: {format_size(done.size)} stored, SHA-256 {done.sha256}{again}")


@click.command(
    short_help="Download a file.",
    epilog="Example: sluice get photos/2027/cat.jpg cat.jpg",
)
@click.argument("source", type=OBJECT, metavar="BUCKET/KEY")
@click.argument("file", type=click.Path(), default=".")
@quiet_option
@connection_options
def get(source: ObjectKey, file: str, quiet: bool, **connect: Any) -> None:
    """Download BUCKET/KEY to FILE (a file or a folder; default: the working directory).

    Until it is complete it is FILE.part; run the same command again to continue one that was
    interrupted. What arrived is verified by the digest that the gateway sends, or that `sluice put`
    kept with the object.
    """
    place = _place(source, file)
    connection = Connection(**connect)
    retries = Retries(quiet=quiet)
    with (
        Client(connection.account, backoff=Backoff(on_retry=retries)) as client,
        Bar(place.name, quiet=quiet, retries=retries) as bar,
    ):
        try:
            done = client.get(source, place, progress=bar)
        except Refused as error:
            raise _about_key(error, connection, retries.end(error)) from error
        except Interrupted as error:
            raise Mistake(f"{error}{retries.end(error)}{_continuation(place)}") from error
        except KeyboardInterrupt:
            retries.clear()
            raise Mistake(f"stopped{_continuation(place)}") from None
    retries.clear()
    if not quiet:
        verified = f"verified by {done.verified_by}" if done.verified_by else "no digest to verify"
        again = f", continued at {format_size(done.continued_from)}" if done.continued_from else ""
        click.echo(f"{place}: {format_size(done.size)}, {verified}{again}")


def _place(source: ObjectKey, text: str) -> Path:
    """The file that ``text`` names, or the object's in the folder that it names."""
    path = Path(text)
    if path.is_dir():
        return path / _file_name(source)
    if text.endswith("/"):  # a Path forgets it
        raise click.BadParameter(f"there is no folder {text}; make it first", param_hint="FILE")
    return path


def _file_name(source: ObjectKey) -> str:
    name = source.name.rpartition("/")[2]
    if name in ("", ".", "..") or "\0" in name:
        raise click.UsageError(f"{source} gives no file name; say how the file shall be called.")
    return name


def _continuation(file: Path) -> str:
    """What to do about a download that has begun."""
    kept = file.with_name(f"{file.name}.part").exists()
    return "; run the same command again to continue" if kept else ""


def _rest(connection: Connection, key: ObjectKey, file: Path) -> str:
    """What to do about an upload that has begun."""
    begun = pending_upload(connection.account, key, file)
    if begun is None:
        return ""
    ends = "" if begun.expires is None else f" until {_local_time(begun.expires)}"
    return f"; run the same command again{ends} to continue"


def _local_time(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def _about_key(error: Refused, connection: Connection, rest: str = "") -> Mistake:
    """A refusal says who refused: there may be another server at that address than was meant. One of the
    credential says which key was used, and where it came from."""
    account = connection.account
    if error.status not in (401, 403):
        return Mistake(f"{error} (from {account.endpoint}){rest}")
    return Mistake(
        f"{error} (from {account.endpoint}; signed with the key {account.access_key_id},"
        f" from {connection.source}){rest}"
    )
