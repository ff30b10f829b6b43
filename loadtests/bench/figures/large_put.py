"""Figures 1 and 2: a large presigned PUT against nginx, CPU and rate."""

from loadtests.bench import plan, subjects
from loadtests.bench.plan import Bench
from loadtests.bench.profile import profile
from loadtests.bench.runs import Case, spread
from loadtests.signing import plain, presigned

CASE = "PUT, presigned"


def measure(bench: Bench) -> None:
    """Sluice, nginx at its best, nginx as it comes."""
    folder, size = bench.own_folder("large_put"), bench.scale.large
    sluice = bench.stack.enter_context(subjects.sluice(folder, bench.store.port))
    nginx = bench.stack.enter_context(subjects.nginx(folder, bench.store.port))
    default = bench.stack.enter_context(subjects.nginx(folder, bench.store.port, tuned=False))
    ours = plan.put(bench, sluice, presigned, size=size)
    recorder = bench.recorder
    recorder.interleave(
        "1",
        [
            Case(CASE, sluice, ours),
            Case(CASE, nginx, plan.put(bench, nginx, plain, size=size)),
            Case(CASE, default, plan.put(bench, default, plain, size=size)),
        ],
        bench.scale.rounds,
    )
    mine, theirs = recorder.of("1", CASE, "sluice"), recorder.of("1", CASE, "nginx")
    cost, rate = recorder.ratio(mine, theirs, "cost"), recorder.ratio(mine, theirs, "rate")
    bench.found(
        "1", "PUT, CPU-s per GiB against nginx", f"{cost.text()} ×", "≤ 1.25 ×", cost.median <= 1.25
    )
    bench.found("1", "its CPU-s per GiB", spread(mine, "cost").text())
    bench.found("2", "PUT, rate against nginx", f"{rate.text()} ×", "≥ 0.85 ×", rate.median >= 0.85)
    bench.profiles["put"] = profile(sluice.pid, ours, bench.scale.profile, bench.results, "put")
