"""Figure 7: thousands of slow uploads in little memory, and a fast client beside them."""

import json
import subprocess
import sys
import time
from typing import Any

from gateway.units import KiB, MiB, format_size
from loadtests import accounting
from loadtests.bench import plan, subjects
from loadtests.bench.plan import Bench
from loadtests.bench.runs import Case, Spread, spread
from loadtests.bench.subjects import Setting
from loadtests.processes import ROOT, Server
from loadtests.signing import presigned

BUDGET = 256 * MiB
#: What a connection may take beside the budget, in bytes.
PER_CONNECTION = 24 * KiB
#: How much longer than its line allows an upload may take before the measurement gives up.
PATIENCE = 2.0


def measure(bench: Bench) -> None:
    """Slow clients against a budget; meanwhile one fast client again and again."""
    folder, scale = bench.own_folder("slow"), bench.scale
    setting = Setting(budget=format_size(BUDGET))
    sluice = bench.stack.enter_context(subjects.sluice(folder, bench.store.port, setting))
    idle = accounting.memory(sluice.pid)
    fast = plan.put(bench, sluice, presigned, size=min(scale.large, 128 * MiB))
    alone = Case("PUT alone", sluice, fast)
    beside = Case("PUT beside slow clients", sluice, fast)
    bench.recorder.interleave("7", [alone], scale.rounds)
    accounting.reset_peak([sluice.pid])
    before = accounting.cpu_seconds(sluice.pid)
    least = scale.slow_size / scale.slow_rate
    swarm = _start(bench, sluice, least)
    time.sleep(min(20.0, least / 4))
    peak = accounting.memory(sluice.pid, "VmHWM")
    while (
        swarm.poll() is None
        and len(bench.recorder.of("7", beside.name, sluice.name)) < scale.rounds
    ):
        bench.recorder.measure("7", beside, len(bench.recorder.of("7", beside.name, sluice.name)))
        peak = max(peak, accounting.memory(sluice.pid, "VmHWM"))
        time.sleep(min(8.0, least / 12))
    output, _ = swarm.communicate(timeout=least * PATIENCE + 120)
    peak = max(peak, accounting.memory(sluice.pid, "VmHWM"))
    told = json.loads(output)
    bench.note(
        f"Figure 7: {told}; gateway's CPU {accounting.cpu_seconds(sluice.pid) - before:.1f} s"
    )
    _report(bench, told, idle, peak)


def _start(bench: Bench, sluice: Server, least: float) -> "subprocess.Popen[str]":
    scale = bench.scale
    command = [
        sys.executable, "-m", "loadtests.swarm", "--port", str(sluice.port),
        "--uploads", str(scale.slow_clients), "--size", str(scale.slow_size), "--rate", str(scale.slow_rate),
        "--limit", str(least * PATIENCE + 60),
    ]  # fmt: skip
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _report(bench: Bench, told: dict[str, Any], idle: int, peak: int) -> None:
    scale, count = bench.scale, bench.scale.slow_clients
    size, rate = format_size(scale.slow_size), format_size(scale.slow_rate)
    what = f"{count} uploads of {size} at {rate}/s with a budget of {format_size(BUDGET)}: complete"
    bench.found(
        "7",
        what,
        f"{told['completed']} of {count}, slowest {told['slowest']:.0f} s",
        "all",
        told["completed"] == count,
    )
    most = idle + BUDGET + PER_CONNECTION * count
    text = f"{peak / MiB:.0f} MiB (idle {idle / MiB:.0f} MiB)"
    bench.found("7", "peak RSS", text, f"≤ {most / MiB:.0f} MiB", peak <= most)
    beside = bench.recorder.of("7", "PUT beside slow clients", "sluice")
    if not beside:
        bench.found("7", "fast client beside them against alone", "not measured", "≥ 0.8 ×", False)
        return
    alone = spread(bench.recorder.of("7", "PUT alone", "sluice"), "rate").median
    share = Spread.of([run.rate / alone for run in beside])
    bench.found(
        "7",
        "fast client beside them against alone",
        f"{share.text()} ×",
        "≥ 0.8 ×",
        share.median >= 0.8,
    )
