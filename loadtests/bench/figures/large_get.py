"""Figure 4: a large presigned GET against nginx, CPU and rate."""

from loadtests.bench import plan, subjects
from loadtests.bench.plan import Bench
from loadtests.bench.profile import profile
from loadtests.bench.runs import Case, spread
from loadtests.signing import plain, presigned

CASE = "GET, presigned"


def measure(bench: Bench) -> None:
    """Sluice, nginx at its best, nginx as it comes."""
    folder, size = bench.own_folder("large_get"), bench.scale.large
    sluice = bench.stack.enter_context(subjects.sluice(folder, bench.store.port))
    nginx = bench.stack.enter_context(subjects.nginx(folder, bench.store.port))
    default = bench.stack.enter_context(subjects.nginx(folder, bench.store.port, tuned=False))
    ours = plan.get(sluice, presigned, size=size)
    recorder = bench.recorder
    recorder.interleave(
        "4",
        [
            Case(CASE, sluice, ours),
            Case(CASE, nginx, plan.get(nginx, plain, size=size)),
            Case(CASE, default, plan.get(default, plain, size=size)),
        ],
        bench.scale.rounds,
    )
    mine, theirs = recorder.of("4", CASE, "sluice"), recorder.of("4", CASE, "nginx")
    cost, rate = recorder.ratio(mine, theirs, "cost"), recorder.ratio(mine, theirs, "rate")
    bench.found(
        "4", "GET, CPU-s per GiB against nginx", f"{cost.text()} ×", "≤ 1.1 ×", cost.median <= 1.1
    )
    bench.found("4", "its CPU-s per GiB", spread(mine, "cost").text())
    bench.found("4", "GET, rate against nginx", f"{rate.text()} ×", "≥ 1.0 ×", rate.median >= 1.0)
    bench.profiles["get"] = profile(sluice.pid, ours, bench.scale.profile, bench.results, "get")
