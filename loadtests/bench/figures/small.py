"""Figure 5: small requests, CPU per request."""

from loadtests.bench import plan, subjects
from loadtests.bench.plan import Bench, Sign
from loadtests.bench.profile import profile
from loadtests.bench.runs import Case, spread
from loadtests.signing import plain, presigned, signed

#: In step on so many connections: what a busy gateway pays, and what is to be reached. µs of CPU.
CONNECTIONS = 16
TARGET = 150
#: Why one connection is shown without a target.
ALONE = "one connection, no target"


def measure(bench: Bench) -> None:
    """PUT and GET: presigned on several keep-alive connections and on one, and signed in the headers."""
    folder = bench.own_folder("small")
    sluice = bench.stack.enter_context(subjects.sluice(folder, bench.store.port))
    nginx = bench.stack.enter_context(subjects.nginx(folder, bench.store.port))
    for method in ("PUT", "GET"):
        cases: list[tuple[str, int, Sign]] = [
            (f"{method} 16 KiB, {CONNECTIONS} conn.", CONNECTIONS, presigned),
            (f"{method} 16 KiB, header-signed, {CONNECTIONS} conn.", CONNECTIONS, signed),
            (f"{method} 16 KiB, {ALONE}", 1, presigned),
        ]
        for case, connections, sign in cases:
            ours = plan.small(bench, sluice, sign, method, connections)
            theirs = plan.small(bench, nginx, plain, method, connections)
            both = [Case(case, sluice, ours, "request"), Case(case, nginx, theirs, "request")]
            bench.recorder.interleave("5", both, bench.scale.rounds)
            held = sign is presigned and connections == CONNECTIONS
            _report(bench, case, held=held)
            if held:
                name = f"small-{method.lower()}"
                bench.profiles[name] = profile(
                    sluice.pid, ours, bench.scale.profile, bench.results, name
                )


def _report(bench: Bench, case: str, *, held: bool) -> None:
    """``held``: to the target."""
    mine = spread(bench.recorder.of("5", case, "sluice"), "cost")
    theirs = spread(bench.recorder.of("5", case, "nginx"), "cost")
    low, median, high = (value * 1e6 for value in (mine.low, mine.median, mine.high))
    text = f"{median:.0f} ({low:.0f} to {high:.0f}) µs; nginx {theirs.median * 1e6:.0f} µs"
    if held:
        bench.found("5", f"{case}: CPU per request", text, f"≤ {TARGET} µs", median <= TARGET)
    else:
        bench.found("5", f"{case}: CPU per request", text)
