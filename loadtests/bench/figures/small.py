"""Figure 5: small presigned requests, CPU per request."""

from loadtests.bench import plan, subjects
from loadtests.bench.plan import Bench
from loadtests.bench.profile import profile
from loadtests.bench.runs import Case, spread
from loadtests.signing import plain, presigned

#: One connection shows latency and full wake-ups, several in step what a busy gateway pays.
CONNECTIONS = (1, 16)


def measure(bench: Bench) -> None:
    """PUT and GET, on one keep-alive connection and on several."""
    folder = bench.own_folder("small")
    sluice = bench.stack.enter_context(subjects.sluice(folder, bench.store.port))
    nginx = bench.stack.enter_context(subjects.nginx(folder, bench.store.port))
    recorder = bench.recorder
    for method in ("PUT", "GET"):
        for connections in CONNECTIONS:
            case = f"{method} 16 KiB, {connections} conn."
            ours = plan.small(bench, sluice, presigned, method, connections)
            theirs = plan.small(bench, nginx, plain, method, connections)
            cases = [Case(case, sluice, ours, "request"), Case(case, nginx, theirs, "request")]
            recorder.interleave("5", cases, bench.scale.rounds)
            _report(bench, case)
            if connections == CONNECTIONS[-1]:
                name = f"small-{method.lower()}"
                bench.profiles[name] = profile(
                    sluice.pid, ours, bench.scale.profile, bench.results, name
                )


def _report(bench: Bench, case: str) -> None:
    mine = spread(bench.recorder.of("5", case, "sluice"), "cost")
    theirs = spread(bench.recorder.of("5", case, "nginx"), "cost")
    text = f"{mine.median * 1e6:.0f} ({mine.low * 1e6:.0f} to {mine.high * 1e6:.0f}) µs; nginx {theirs.median * 1e6:.0f}"
    bench.found("5", f"{case}: CPU per request", text, "≤ 150 µs", mine.median <= 150e-6)
