"""``python -m loadtests.bench``: measure, and write the report."""

import argparse
import datetime
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from subprocess import SubprocessError
from typing import Final

from gateway.units import parse_duration
from loadtests.bench import machine, plots, report
from loadtests.bench.figures import (
    distance,
    large_get,
    large_put,
    patches,
    payloads,
    rivals,
    slow,
    small,
    soak,
    tls,
    ways_out,
)
from loadtests.bench.plan import QUICK, Bench, Scale
from loadtests.bench.runs import Recorder
from loadtests.node import PeerMissing
from loadtests.processes import ROOT, ServerFailed, running_module
from loadtests.wire import Pattern, UnexpectedAnswer

RESULTS: Final = ROOT / "loadtests" / "results"
#: By the numbers that ``--only`` takes; figure 2 comes with 1.
FIGURES: Final[dict[str, Callable[[Bench], None]]] = {
    "1": large_put.measure,
    "3": payloads.measure,
    "4": large_get.measure,
    "5": small.measure,
    "6": rivals.measure,
    "7": slow.measure,
    "8": distance.measure,
    "9": soak.measure,
    "10": patches.measure,
    "tls": tls.measure,
}
#: Measured only when asked for.
OTHERS: Final[dict[str, Callable[[Bench], None]]] = {"ways": ways_out.measure}


def progress(text: str) -> None:
    """A line with the time, at once."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def chosen(text: str) -> list[str]:
    """The figures that ``--only 1,2,5`` names, in order, each once.

    Raises:
        argparse.ArgumentTypeError: there is no such figure.
    """
    numbers = ["1" if number.strip() == "2" else number.strip() for number in text.split(",")]
    for number in numbers:
        if number not in FIGURES and number not in OTHERS:
            known = ", ".join((*FIGURES, *OTHERS))
            raise argparse.ArgumentTypeError(f"there is no figure {number}; there are {known}")
    return [number for number in (*FIGURES, *OTHERS) if number in numbers]


def results_folder(base: Path, kind: str = "") -> Path:
    """A new folder named for the time and the commit. Only complete runs (``kind`` empty) become ``latest``."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H%M")
    folder = base / f"{now}-{machine.commit()}{kind}"
    folder.mkdir(parents=True, exist_ok=True)
    if not kind:
        latest = base / "latest"
        latest.unlink(missing_ok=True)
        latest.symlink_to(folder.name)
    return folder


def run(figures: Sequence[str], scale: Scale, results: Path) -> Bench:
    """Measure the figures, each with servers of its own."""
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        store = stack.enter_context(running_module("null_s3", "loadtests.null_s3", folder))
        bench = Bench(
            scale, folder, results, store, Recorder(store, progress), Pattern(), ExitStack()
        )
        for figure in figures:
            with ExitStack() as servers:
                measure(replace_stack(bench, servers), figure)
        return bench


def replace_stack(bench: Bench, servers: ExitStack) -> Bench:
    """The same run, with servers that end with the figure."""
    bench.stack = servers
    return bench


def measure(bench: Bench, figure: str) -> None:
    """One figure; that it fails does not end the others."""
    progress(f"figure {figure} ...")
    try:
        (FIGURES.get(figure) or OTHERS[figure])(bench)
    except PeerMissing as error:
        bench.note(f"Figure {figure} is skipped: {error}")
    except (UnexpectedAnswer, ServerFailed, SubprocessError, OSError, AssertionError) as error:
        bench.note(f"Figure {figure} failed: {type(error).__name__}: {error}")
        bench.found(figure, "failed, see the notes", "", "", False)


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="small sizes, few rounds: for trying out, not for figures",
    )
    parser.add_argument("--soak", type=parse_duration, help="length of figure 9 instead of 10m")
    parser.add_argument(
        "--only",
        type=chosen,
        default=list(FIGURES),
        help=f"figures, such as 1,2,5; also {', '.join(OTHERS)}, which a whole run leaves out",
    )
    parser.add_argument("--rounds", type=int, help="rounds of each figure")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="where the report's folder goes"
    )
    return parser.parse_args()


def main() -> int:
    """Measure, write, and say where. 0 also when figures are missed: a report is no verdict."""
    given = arguments()
    scale = QUICK if given.quick else Scale()
    scale = replace(scale, rounds=given.rounds or scale.rounds, soak=given.soak or scale.soak)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    described = machine.description()
    described["command"] = " ".join(["python -m loadtests.bench", *sys.argv[1:]])
    some = given.only != list(FIGURES)
    kind = "-quick" if given.quick else f"-only-{'-'.join(given.only)}" if some else ""
    kind += f"-soak-{given.soak:.0f}s" if given.soak and not given.quick else ""
    results = results_folder(given.results, kind)
    bench = run(given.only, scale, results)
    described["load after"] = " ".join(f"{value:.2f}" for value in os.getloadavg())
    pictures = plots.draw(bench.recorder.runs, bench.series, results)
    path = report.write(bench, described, pictures)
    print("\n".join(report.findings_table(bench.findings)))
    progress(f"report: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
