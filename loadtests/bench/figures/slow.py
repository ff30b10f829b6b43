"""Figure 7: thousands of slow uploads in little memory, and a fast client beside them."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gateway.units import KiB, MiB, format_size
from loadtests import accounting
from loadtests.bench import plan, subjects
from loadtests.bench.plan import Bench
from loadtests.bench.profile import hot_functions, sampled
from loadtests.bench.runs import CALM, Case, Run, Spread, calm, spread
from loadtests.bench.subjects import Setting
from loadtests.processes import ROOT, Server
from loadtests.signing import presigned
from loadtests.wire import UnexpectedAnswer

BUDGET = 256 * MiB
#: What a connection may take beside the budget, in bytes.
PER_CONNECTION = 24 * KiB
#: How much longer than its line allows an upload may take before the measurement gives up.
PATIENCE = 2.0
#: Seconds without a byte after which the fast client gives up.
FAST_LIMIT = 30.0
#: The fast client's rounds, by when they are.
BEFORE, BESIDE, AFTER = "PUT alone", "PUT beside slow clients", "PUT alone after them"


def measure(bench: Bench) -> None:
    """Slow clients against a budget; meanwhile one fast client again and again, and alone before and after. "Alone" is
    before and after together, as a machine's speed drifts in minutes; what a crowd leaves behind is told by itself."""
    folder, scale = bench.own_folder("slow"), bench.scale
    setting = Setting(budget=format_size(BUDGET))
    sluice = bench.stack.enter_context(subjects.sluice(folder, bench.store.port, setting))
    idle = accounting.memory(sluice.pid)
    fast = plan.put(bench, sluice, presigned, size=scale.large, timeout=FAST_LIMIT)
    beside = Case(BESIDE, sluice, fast)
    bench.recorder.interleave("7", [Case(BEFORE, sluice, fast)], 2 * scale.rounds)
    accounting.reset_peak([sluice.pid])
    least = scale.slow_size / scale.slow_rate
    with _swarm(bench, sluice, least) as swarm:
        time.sleep(min(20.0, least / 4))
        _crowd_alone(bench, sluice, swarm.pid)
        _profile(bench, sluice.pid)
        peak = _measure_beside(bench, beside, swarm, pause=min(4.0, least / 24))
        output, _ = swarm.communicate(timeout=least * PATIENCE + 120)
    peak = max(peak, accounting.memory(sluice.pid, "VmHWM"))
    told = json.loads(output)
    bench.note(f"Figure 7: {told}")
    for number in range(2 * scale.rounds):
        bench.recorder.measure("7", Case(AFTER, sluice, fast), number)
    _report(bench, told, idle, peak)


@contextmanager
def _swarm(bench: Bench, sluice: Server, least: float) -> Iterator["subprocess.Popen[str]"]:
    scale = bench.scale
    command = [
        sys.executable, "-m", "loadtests.swarm", "--port", str(sluice.port),
        "--uploads", str(scale.slow_clients), "--size", str(scale.slow_size), "--rate", str(scale.slow_rate),
        "--limit", str(least * PATIENCE + 60),
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def _crowd_alone(bench: Bench, sluice: Server, swarm: int) -> None:
    """What the slow clients take of the machine, while nobody else is there."""
    roots = {"gateway": sluice.pid, "null S3": bench.store.pid, "slow clients' program": swarm}
    began = time.monotonic()
    before = {name: accounting.cpu_seconds(pid) for name, pid in roots.items()}
    time.sleep(bench.scale.profile)
    took = time.monotonic() - began
    shares = {
        name: (accounting.cpu_seconds(pid) - before[name]) / took for name, pid in roots.items()
    }
    told = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    bench.found("7", "CPU of the slow ones by themselves, of one core", told)


def _measure_beside(
    bench: Bench, case: Case, swarm: "subprocess.Popen[str]", *, pause: float
) -> int:
    """The fast client, until enough was measured, or the slow ones are done, or it starves. Answers the peak of
    memory until the last measurement began (each starts it anew)."""
    peak = 0
    for number in range(2 * bench.scale.rounds):
        peak = max(peak, accounting.memory(case.server.pid, "VmHWM"))
        if swarm.poll() is not None:
            break
        try:
            bench.recorder.measure("7", case, number)
        except (OSError, UnexpectedAnswer) as error:
            told = f"{type(error).__name__}: {error}"
            bench.note(f"Figure 7: the fast client got nowhere beside the slow ones: {told}")
            break
        time.sleep(pause)
    return peak


def _profile(bench: Bench, pid: int) -> None:
    stacks = bench.results / "profile-slow.stacks.txt"
    with sampled(pid, stacks):
        time.sleep(bench.scale.profile)
    if stacks.exists():
        bench.profiles["slow"] = hot_functions(stacks.read_text())


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
    _report_fast(
        bench, *(bench.recorder.of("7", case, "sluice") for case in (BEFORE, BESIDE, AFTER))
    )


def _report_fast(bench: Bench, before: list[Run], beside: list[Run], after: list[Run]) -> None:
    """They were measured at different times: rounds in which others took the machine are left out."""
    what = "fast client beside them against alone, before and after them"
    if beside:
        share = against(beside, before + after, "rate")
        bench.found("7", what, f"{share.text()} ×", "≥ 0.8 ×", share.median >= 0.8)
    else:
        bench.found("7", what, "not measured", "≥ 0.8 ×", False)
    left = " and ".join(
        f"{against(after, before, kind).text()} × the {name}"
        for kind, name in (("rate", "rate"), ("cost", "CPU per GiB"))
    )
    bench.found("7", "fast client alone when they are gone, against before them", left)
    rounds = [runs for runs in (before, beside, after) if runs]
    still = ", ".join(
        f"{sum(run.others <= CALM for run in runs)} of {len(runs)}" for runs in rounds
    )
    most = max(run.others for runs in rounds for run in runs)
    bench.note(
        f"Figure 7, the fast client: rounds before, beside and after in which others left the machine to it: {still}; "
        f"where there is none, all count (others took up to {most:.2f} cores)"
    )


def against(runs: list[Run], base: list[Run], what: str) -> Spread:
    """``rate`` or ``cost`` of ``runs``, as shares of the median of ``base``."""
    median = spread(calm(base), what).median
    return Spread.of([getattr(run, what) / median for run in calm(runs)])
