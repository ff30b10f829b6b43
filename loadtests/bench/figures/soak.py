"""Figure 9: idle and active connections for a long time: does memory stay where it is?"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from gateway.units import KiB, MiB
from loadtests import accounting
from loadtests.bench import subjects
from loadtests.bench.plan import Bench
from loadtests.bench.profile import hot_functions, sampled
from loadtests.processes import ROOT

#: Bytes per second of an active stream, and of one transfer of it.
RATE = 512 * KiB
SIZE = 2 * MiB
#: What counts as no drift: this share of the memory in use at the beginning.
NOISE = 0.02
SERIES = "memory-over-time"


def measure(bench: Bench) -> None:
    """Half of the active streams upload, half download, one transfer after the other."""
    folder, scale = bench.own_folder("soak"), bench.scale
    sluice = bench.stack.enter_context(subjects.sluice(folder, bench.store.port))
    command = [
        sys.executable, "-m", "loadtests.swarm", "--port", str(sluice.port), "--idle", str(scale.idle),
        "--uploads", str(scale.active // 2), "--downloads", str(scale.active // 2), "--size", str(SIZE),
        "--rate", str(RATE), "--seconds", str(scale.soak), "--limit", str(scale.soak + 60),
    ]  # fmt: skip
    points: list[tuple[float, float]] = []
    began = time.monotonic()
    before = accounting.cpu_seconds(sluice.pid)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as swarm:
        while swarm.poll() is None:
            points.append((round(time.monotonic() - began, 1), accounting.memory(sluice.pid) / MiB))
            if len(points) == 5:
                _profile(bench, sluice.pid)
            time.sleep(1)
        output, _ = swarm.communicate()
    told = json.loads(output)
    bench.series[SERIES] = points
    bench.note(
        f"Figure 9: {told}; gateway's CPU {accounting.cpu_seconds(sluice.pid) - before:.1f} s"
    )
    grown, base = drift([memory for at, memory in points if at < scale.soak])
    what = f"{scale.idle} idle and {scale.active} active streams for {scale.soak:.0f} s: RSS drift"
    bench.found("9", what, f"{grown:+.1f} MiB of {base:.0f}", "none (2 %)", grown <= NOISE * base)
    kept = told["idle_open"] == told["idle"] and not told["failed"]
    bench.found(
        "9",
        "idle connections kept, transfers complete",
        f"{told['idle_open']}, {told['completed']}",
        "all",
        kept,
    )


def drift(series: Sequence[float]) -> tuple[float, float]:
    """By how much the last quarter's median is above the second quarter's, and the latter. The first quarter is
    warming up."""
    quarter = max(1, len(series) // 4)
    base = statistics.median(series[quarter : 2 * quarter] or series)
    return statistics.median(series[-quarter:]) - base, base


def _profile(bench: Bench, pid: int) -> None:
    stacks = bench.results / "profile-soak.stacks.txt"
    with sampled(pid, stacks):
        time.sleep(bench.scale.profile)
    if stacks.exists():
        bench.profiles["soak"] = hot_functions(stacks.read_text())
