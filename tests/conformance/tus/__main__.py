"""``python -m tests.conformance.tus URL``: ask a tus server everything, and say what it answered."""

import argparse
import datetime
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.conformance.checks import Level, Result, Suite
from tests.conformance.report import Progress, as_json, as_markdown, as_text
from tests.conformance.tus import SUITE, Options, Target, Trial
from tests.conformance.tus.runner import JOBS, run, select
from tests.conformance.tus.trial import MiB
from tests.conformance.wire import WireError

EPILOG = """
{name} in URL and --download-url stands for a name that is new for each upload; it is also sent as the metadata
"filename". --download-url knows {url} and {id}, the upload's own URL and its last segment, as well.

  python -m tests.conformance.tus http://127.0.0.1:1080/files/ --download-url '{url}'
  python -m tests.conformance.tus 'http://127.0.0.1:8080/-/uploads/bucket/{name}' --header 'Authorization: Bearer …' \\
      --download-url 'http://127.0.0.1:8080/bucket/{name}'

Exit status: 0 when no MUST failed (with --strict: nothing failed), 1 otherwise, 2 when there is no server.
"""


def header(text: str) -> tuple[str, str]:
    """``Name: value``.

    Raises:
        argparse.ArgumentTypeError: it is something else.
    """
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or set("\r\n") & set(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not 'Name: value'")
    return name.strip(), value.strip()


def parser(name: str, description: str) -> argparse.ArgumentParser:
    """What the command of a suite takes."""
    found = argparse.ArgumentParser(
        prog=f"python -m tests.conformance.{name}",
        description=description,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = found.add_argument
    add("url", help="where uploads are created")
    add("--header", type=header, action="append", default=[], help="sent with every request")
    add("--other-header", type=header, action="append", default=[], help="another user's, instead")
    add("--download-url", help="where a finished upload can be read")
    add("--only", default="", help="numbers, such as T16,T17")
    add("--skip", default="", help="numbers to leave out")
    add("--json", type=Path, help="write the results there")
    add("--markdown", type=Path, help="write a table there")
    add("--name", default="server", help="its name and version, for the reports")
    add("--kill-command", help="shell command that kills the server (-9)")
    add("--stop-command", help="shell command that asks the server to end (SIGTERM)")
    add("--restart-command", help="shell command that starts it again and returns")
    add("--fault-url", help="control URL of a fault proxy between it and its S3")
    add("--large", type=int, default=26, help="MiB that it sends to its store in several parts")
    add("--patience", type=float, default=20, help="longest wait for one thing, in seconds")
    add("--rounds", type=int, default=5, help="kills")
    add("--seed", type=int, default=1, help="of contents and moments")
    add("--jobs", type=int, default=JOBS, help="checks at a time")
    add("--origin", default=Options("").origin, help="for CORS")
    add("--trusted", action="store_true", help="the server trusts our X-Forwarded-Host")
    add("--insecure", action="store_true", help="do not verify the certificate")
    add("--strict", action="store_true", help="whatever fails counts for the exit status")
    return found


def options(given: argparse.Namespace) -> Options:
    """Those of the suite."""
    return Options(
        url=given.url,
        headers=tuple(given.header),
        other_headers=tuple(given.other_header),
        download_url=given.download_url,
        kill_command=given.kill_command,
        stop_command=given.stop_command,
        restart_command=given.restart_command,
        fault_url=given.fault_url,
        large=given.large * MiB,
        patience=given.patience,
        rounds=given.rounds,
        seed=given.seed,
        trusted=given.trusted,
        insecure=given.insecure,
        origin=given.origin,
    )


def numbers(text: str) -> list[str]:
    """``T16,T17`` as a list."""
    return [word.strip().upper() for word in text.split(",") if word.strip()]


def measure(
    target: Target, suite: Suite[Trial], only: Sequence[str] = (), *, jobs: int = JOBS
) -> list[Result]:
    """Run a suite with a progress bar.

    Raises:
        WireError: nothing answers there.
        ValueError: there is no item of such a number.
    """
    checks = select(suite.ordered(), only)
    target.discover()
    progress = Progress(len(checks))
    results = run(target, checks, progress.advance, jobs=jobs)
    progress.end()
    return results


def command(
    given: argparse.Namespace, suite: Suite[Trial], target_of: Callable[[Options], Target]
) -> int:
    """Run a suite as its command line says; the exit status."""
    left_out = numbers(given.skip)
    every = [check.number for check in suite.ordered()]
    target = target_of(options(given))
    try:
        only = [name for name in numbers(given.only) or every if name not in left_out]
        results = measure(target, suite, only, jobs=given.jobs)
    except (WireError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    about = {
        "name": given.name,
        "url": given.url,
        "extensions": sorted(target.extensions),
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    print(as_text(results))
    if given.json:
        given.json.write_text(as_json(about, results) + "\n", encoding="utf-8")
    if given.markdown:
        given.markdown.write_text(as_markdown({given.name: results}), encoding="utf-8")
    failed = [one for one in results if one.level and (given.strict or one.level is Level.MUST)]
    return 1 if failed else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    found = parser("tus", "Is this a good tus 1.0 server? Items T1 to T82, black-box.")
    return command(found.parse_args(arguments), SUITE, Target)


if __name__ == "__main__":
    sys.exit(main())
