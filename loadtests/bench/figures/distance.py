"""Figure 8: a store that is far away: large transfers over connections with a round trip and a rate each.

The emulator and everybody else share the machine's cores, so two things stand beside the figure: what the emulator
passes by itself, and the same transfers over connections a fifth as fast, where CPU is no limit and the share shows
what the control of parts and streams is worth.
"""

import threading
from collections.abc import Callable

from gateway.settings.sections import TransferSection
from gateway.units import GiB, MiB
from loadtests import signing
from loadtests.bench import plan, subjects
from loadtests.bench.plan import Bench
from loadtests.bench.runs import Case, Spread
from loadtests.processes import Server, running_module
from loadtests.signing import presigned
from loadtests.wire import Wire

#: Seconds for a round trip, bytes per second of one connection, and of how many connections the sum is the measure.
ROUND_TRIP = 0.030
RATE = 50_000_000
CONNECTIONS = 8
#: For the control alone.
SLOW_RATE = 10_000_000
#: What the emulator is asked for by itself: over as many connections as a transfer may use, in pieces of a part's size.
MOST = TransferSection().concurrency
PIECE = 8 * MiB


def measure(bench: Bench) -> None:
    """Upload and download through the link emulator."""
    _measure(bench, "fast", RATE, bench.scale.large, judged=True)
    _measure(bench, "slow", SLOW_RATE, bench.scale.large // 2, judged=False)


def _measure(bench: Bench, name: str, rate: int, size: int, *, judged: bool) -> None:
    folder = bench.own_folder(f"distance-{name}")
    emulate = [
        "--upstream", str(bench.store.port), "--delay", str(ROUND_TRIP / 2), "--rate", str(rate),
    ]  # fmt: skip
    link = bench.stack.enter_context(running_module("link", "loadtests.link", folder, *emulate))
    sluice = bench.stack.enter_context(subjects.sluice(folder, link.port))
    line = f"{ROUND_TRIP * 1000:.0f} ms and {rate / 1e6:.0f} MB/s per connection"
    put = Case(f"PUT over {line}", sluice, plan.put(bench, sluice, presigned, size=size))
    get = Case(f"GET over {line}", sluice, plan.get(sluice, presigned, size=size))
    bare = Case(f"GETs by the link alone, {line}", link, _bare(link, size))
    bench.recorder.interleave("8", [put, get, bare], min(3, bench.scale.rounds))
    for case, what in (
        (put, f"upload behind {line}"),
        (get, f"download behind {line}"),
        (bare, f"downloads by {MOST} bare connections behind {line}"),
    ):
        runs = bench.recorder.of("8", case.name, case.server.name)
        share = Spread.of([run.rate * GiB / (CONNECTIONS * rate) for run in runs])
        what = f"{what}: share of {CONNECTIONS} ×"
        if judged and case is not bare:
            bench.found("8", what, share.text(), "≥ 0.9", share.median >= 0.9)
        else:
            bench.found("8", what, share.text())


def _bare(link: Server, size: int) -> Callable[[], float]:
    """Work: as many bytes over ``MOST`` connections at once without a gateway; in GiB."""
    pieces = max(1, size // MOST // PIECE)

    def one() -> None:
        head = signing.plain("GET", f"/{subjects.BUCKET}/null/{PIECE}", link.port, [])
        with Wire(link.port) as wire:
            for _ in range(pieces):
                wire.ask(head)

    def work() -> float:
        threads = [threading.Thread(target=one) for _ in range(MOST)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return MOST * pieces * PIECE / GiB

    return work
