"""Figure 7: thousands of slow uploads in little memory, and a fast client beside them."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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
BEFORE, BESIDE = "PUT alone", "PUT beside slow clients"
SILENT, AFTER = "PUT while they pause", "PUT alone after them"


def measure(bench: Bench) -> None:
    """Slow clients against a budget; meanwhile one fast client again and again, with them and, in turns, while they
    send nothing: a machine's speed drifts in minutes. That it is then as good as alone is told by itself, and so is
    what a crowd leaves behind."""
    folder, scale = bench.own_folder("slow"), bench.scale
    setting = Setting(budget=format_size(BUDGET))
    sluice = bench.stack.enter_context(subjects.sluice(folder, bench.store.port, setting))
    idle = accounting.memory(sluice.pid)
    fast = plan.put(bench, sluice, presigned, size=scale.large, timeout=FAST_LIMIT)
    bench.recorder.interleave("7", [Case(BEFORE, sluice, fast)], 2 * scale.rounds)
    accounting.reset_peak([sluice.pid])
    least = scale.slow_size / scale.slow_rate
    with _swarm(bench, sluice, least) as swarm:
        time.sleep(min(20.0, least / 4))
        _crowd_alone(bench, sluice, swarm.pid)
        _profile(bench, sluice.pid)
        peak = _measure_beside(bench, sluice, fast, swarm, pause=min(4.0, least / 24))
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
    bench: Bench,
    sluice: Server,
    fast: Callable[[], float],
    swarm: "subprocess.Popen[str]",
    *,
    pause: float,
) -> int:
    """The fast client, until enough was measured, or the slow ones are done, or it starves. Answers the peak of
    memory until the last measurement began (each starts it anew)."""
    peak = 0
    for number in range(2 * bench.scale.rounds):
        peak = max(peak, accounting.memory(sluice.pid, "VmHWM"))
        if swarm.poll() is not None:
            break
        try:
            bench.recorder.measure("7", Case(BESIDE, sluice, fast), number)
            peak = max(peak, accounting.memory(sluice.pid, "VmHWM"))
            with _silence(swarm, pause):
                bench.recorder.measure("7", Case(SILENT, sluice, fast), number)
        except (OSError, UnexpectedAnswer) as error:
            told = f"{type(error).__name__}: {error}"
            bench.note(f"Figure 7: the fast client got nowhere beside the slow ones: {told}")
            break
        time.sleep(pause)
    return peak


@contextmanager
def _silence(swarm: "subprocess.Popen[str]", pause: float) -> Iterator[None]:
    """The slow clients stop, and later go on as slowly as before. What they had sent is read in ``pause`` seconds."""
    swarm.send_signal(signal.SIGSTOP)
    try:
        time.sleep(pause)
        yield
    finally:
        swarm.send_signal(signal.SIGCONT)


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
    cases = (BEFORE, BESIDE, SILENT, AFTER)
    _report_fast(bench, *(bench.recorder.of("7", case, "sluice") for case in cases))


def _report_fast(
    bench: Bench, before: list[Run], beside: list[Run], silent: list[Run], after: list[Run]
) -> None:
    """They were measured at different times: rounds in which others took the machine are left out."""
    what = "fast client beside them against the moment after, in which they send nothing"
    both = list(zip(beside, silent, strict=False))
    pairs = [(a, b) for a, b in both if a.others + b.others <= CALM] or both
    if pairs:
        share = bench.recorder.ratio([a for a, _ in pairs], [b for _, b in pairs], "rate")
        bench.found("7", what, f"{share.text()} ×", "≥ 0.8 ×", share.median >= 0.8)
    else:
        bench.found("7", what, "not measured", "≥ 0.8 ×", False)
    for when, runs, base in (
        ("fast client while they send nothing, against alone", silent, before + after),
        ("fast client alone when they are gone, against before them", after, before),
    ):
        if runs:
            rate, cost = against(runs, base, "rate").text(), against(runs, base, "cost").text()
            bench.found("7", when, f"{rate} × the rate and {cost} × the CPU per GiB")
    everyone = before + beside + silent + after
    bench.note(
        f"Figure 7, the fast client: {sum(run.others <= CALM for run in everyone)} of {len(everyone)} rounds in which "
        f"others left the machine to it (they took up to {max(run.others for run in everyone):.2f} cores)"
    )


def against(runs: list[Run], base: list[Run], what: str) -> Spread:
    """``rate`` or ``cost`` of ``runs``, as shares of the median of ``base``."""
    median = spread(calm(base), what).median
    return Spread.of([getattr(run, what) / median for run in calm(runs)])
