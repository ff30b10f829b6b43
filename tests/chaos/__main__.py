"""Chaos: uploads through two gateways that fail and die, in front of a real store; every promise is checked.

    python -m tests.chaos --runs 1000 --seed 7
    python -m tests.chaos --seed 7 --only 123        one run again

Needs redis-server, and Ceph (as root) unless ``--store moto``. Exit status 1 when a promise was broken.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.plan import FAIR, FOUL
from tests.chaos.runner import LANES, Report, chaos
from tests.servers.lease import leased


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--runs", type=int, default=100, help="how many uploads (100)")
    parser.add_argument("--seed", type=int, default=None, help="what decides all of it (the time)")
    parser.add_argument(
        "--only", type=int, action="append", help="the run of this number; may be repeated"
    )
    parser.add_argument("--first", type=int, default=0, help="the number of the first run (0)")
    parser.add_argument("--lanes", type=int, default=LANES, help=f"uploads at a time ({LANES})")
    parser.add_argument("--store", choices=("rgw", "moto"), default="rgw", help="which store (rgw)")
    parser.add_argument(
        "--foul", action="store_true", help="three gateways, other clocks, Redis dies, more faults"
    )
    parser.add_argument("--keep", type=Path, help="a folder for logs and data, which is left")
    chosen = parser.parse_args()
    seed = int(time.time()) if chosen.seed is None else chosen.seed
    numbers = chosen.only or range(chosen.first, chosen.first + chosen.runs)
    began = time.monotonic()

    def progress(report: Report) -> None:
        if report.outcomes[-1].failure is not None:
            print(f"\n{report.broken(report.outcomes[-1])}", file=sys.stderr, flush=True)
        done, bad = len(report.outcomes), sum(each.failure is not None for each in report.outcomes)
        filled = 40 * done // len(numbers)
        line = f"[{'#' * filled}{'.' * (40 - filled)}] {done}/{len(numbers)}"
        line += f"  {report.kills} kills, {bad} failed, {time.monotonic() - began:.0f} s"
        if sys.stderr.isatty():
            print(f"\r{line}", end="", file=sys.stderr, flush=True)
        elif done % max(1, len(numbers) // 20) == 0:
            print(line, file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="sluice-chaos-") as temporary:
        folder = chosen.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        module = {"rgw": "rgw", "moto": "moto_s3"}[chosen.store]
        with leased(module, Path(temporary) / "servers", start_limit=120) as endpoint:
            print(f"seed {seed}", file=sys.stderr)
            report = asyncio.run(
                chaos(
                    endpoint,
                    folder,
                    seed,
                    numbers,
                    progress,
                    lanes=chosen.lanes,
                    weather=FOUL if chosen.foul else FAIR,
                )
            )
    print(file=sys.stderr)
    print(*report.lines(), f"{time.monotonic() - began:.0f} s in all", sep="\n")
    print(*report.failures, sep="\n")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
