"""Figure 8: a store that is far away: large transfers over connections with a round trip and a rate each."""

from gateway.units import GiB
from loadtests.bench import plan, subjects
from loadtests.bench.plan import Bench
from loadtests.bench.runs import Case, Spread
from loadtests.processes import running_module
from loadtests.signing import presigned

#: Seconds for a round trip, bytes per second of one connection, and of how many connections the sum is the measure.
ROUND_TRIP = 0.030
RATE = 50_000_000
CONNECTIONS = 8


def measure(bench: Bench) -> None:
    """Upload and download through the link emulator."""
    folder, size = bench.own_folder("distance"), bench.scale.large
    emulate = [
        "--upstream", str(bench.store.port), "--delay", str(ROUND_TRIP / 2), "--rate", str(RATE),
    ]  # fmt: skip
    link = bench.stack.enter_context(running_module("link", "loadtests.link", folder, *emulate))
    sluice = bench.stack.enter_context(subjects.sluice(folder, link.port))
    put = Case("PUT to a far store", sluice, plan.put(bench, sluice, presigned, size=size))
    get = Case("GET from a far store", sluice, plan.get(sluice, presigned, size=size))
    rounds = min(3, bench.scale.rounds)
    bench.recorder.interleave("8", [put, get], rounds)
    for case, word in ((put, "upload"), (get, "download")):
        runs = bench.recorder.of("8", case.name, sluice.name)
        share = Spread.of([run.rate * GiB / (CONNECTIONS * RATE) for run in runs])
        line = f"{ROUND_TRIP * 1000:.0f} ms and {RATE / 1e6:.0f} MB/s per connection"
        what = f"{word} behind {line}: share of {CONNECTIONS} ×"
        bench.found("8", what, share.text(), "≥ 0.9", share.median >= 0.9)
