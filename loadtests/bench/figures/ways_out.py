"""What decision 12 rests on: one crowd of slow uploads under memory pressure, through the spool and by cut-through.

Not among the figures of a whole run: it takes as long as four crowds, and decides a design, not a release.
"""

import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from gateway.units import GiB, MiB, format_size
from loadtests import accounting
from loadtests.bench import subjects
from loadtests.bench.plan import Bench
from loadtests.bench.runs import Spread
from loadtests.bench.subjects import Setting
from loadtests.processes import ROOT, Server

#: Of the whole crowd's bytes the budget holds this share: all of them are under pressure.
SHARE: Final = 46
#: At most, however many rounds other figures have.
ROUNDS: Final = 2
WAYS: Final = ("spool", "cut-through")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One crowd. ``cpu`` of the gateway in seconds, memory and disk in bytes: ``written`` is what it gave to the
    disk (or its cache), ``reached`` what of that was not dropped again before the disk had it."""

    completed: int
    cpu: float
    store_cpu: float
    idle: int
    peak: int
    written: int
    reached: int
    median: float
    slowest: float


def measure(bench: Bench) -> None:
    """Rounds in turns: spool, cut-through, spool, cut-through."""
    found: dict[str, list[Outcome]] = {way: [] for way in WAYS}
    for number in range(min(bench.scale.rounds, ROUNDS)):
        for way in WAYS:
            folder = bench.own_folder(f"ways-{way}-{number}")
            found[way].append(_once(bench, folder, way))
            bench.recorder.progress(f"{way} #{number}: {asdict(found[way][-1])}")
    for way in WAYS:
        _report(bench, way, found[way])


def _once(bench: Bench, folder: Path, way: str) -> Outcome:
    scale = bench.scale
    total = scale.slow_clients * scale.slow_size
    setting = Setting(
        name=f"sluice-{way}",
        budget=format_size(max(32 * MiB, total // SHARE // MiB * MiB)),
        spool_limit=format_size(2 * total),
        max_cut_through=0 if way == "spool" else None,
    )
    with ExitStack() as stack:
        sluice = stack.enter_context(subjects.sluice(folder, bench.store.port, setting))
        return _crowd(bench, sluice)


def _crowd(bench: Bench, sluice: Server) -> Outcome:
    scale, store = bench.scale, bench.store.pid
    least = scale.slow_size / scale.slow_rate
    command = [
        sys.executable, "-m", "loadtests.swarm", "--port", str(sluice.port),
        "--uploads", str(scale.slow_clients), "--size", str(scale.slow_size), "--rate", str(scale.slow_rate),
        "--limit", str(least * 2 + 60),
    ]  # fmt: skip
    accounting.reset_peak([sluice.pid])
    idle, disk = accounting.memory(sluice.pid), accounting.disk(sluice.pid)
    before = accounting.cpu_seconds(sluice.pid), accounting.cpu_seconds(store)
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=least * 2 + 120
    )
    told = json.loads(done.stdout)
    after = accounting.disk(sluice.pid)
    return Outcome(
        completed=told["completed"],
        cpu=accounting.cpu_seconds(sluice.pid) - before[0],
        store_cpu=accounting.cpu_seconds(store) - before[1],
        idle=idle,
        peak=accounting.memory(sluice.pid, "VmHWM"),
        written=after.written - disk.written,
        reached=(after.written - after.dropped) - (disk.written - disk.dropped),
        median=told["median"],
        slowest=told["slowest"],
    )


def _report(bench: Bench, way: str, outcomes: list[Outcome]) -> None:
    scale, figure = bench.scale, "ways"
    total = scale.slow_clients * scale.slow_size / GiB

    def row(what: str, values: list[float], unit: str, digits: int = 1) -> None:
        bench.found(figure, f"{way}: {what}", f"{Spread.of(values).text(digits)} {unit}".rstrip())

    row(f"completed of {scale.slow_clients}", [one.completed for one in outcomes], "", 0)
    row("CPU-s per GiB received", [one.cpu / total for one in outcomes], "", 2)
    row("the store's CPU-s per GiB", [one.store_cpu / total for one in outcomes], "", 2)
    row("peak RSS over idle", [(one.peak - one.idle) / MiB for one in outcomes], "MiB", 0)
    row("written to files", [one.written / GiB for one in outcomes], "GiB", 2)
    row("of it that reached the disk", [one.reached / GiB for one in outcomes], "GiB", 2)
    row("median upload", [one.median for one in outcomes], "s")
    row("slowest upload", [one.slowest for one in outcomes], "s")
