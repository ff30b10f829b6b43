"""Many runs at a time on one fleet, and what came of them."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.chaos.credential import bearer
from tests.chaos.end import Left, sweep
from tests.chaos.outside import outside
from tests.chaos.plan import FAIR, Weather, plan
from tests.chaos.run import Outcome, run
from tests.servers.gateway import KEY_ID, SECRET
from tests.servers.lease import S3Endpoint

#: Runs at a time.
LANES: Final = 12


@dataclass
class Report:
    """``left`` is known when the fleet has ended; ``kills`` are of gateways, ``bugs`` lines of their logs."""

    seed: int
    foul: bool = False
    outcomes: list[Outcome] = field(default_factory=list)
    kills: int = 0
    bugs: tuple[str, ...] = ()
    left: Left | None = None

    def broken(self, each: Outcome) -> str:
        """What went wrong in a run, and what repeats it."""
        again = f"--seed {self.seed} --only {each.plan.number}{' --foul' if self.foul else ''}"
        return f"{again}: {each.failure}\n  {each.plan}\n  {each.met}"

    @property
    def failures(self) -> list[str]:
        """What went wrong, each with what repeats it."""
        found = [self.broken(each) for each in self.outcomes if each.failure is not None]
        if self.left is None or not self.left.clean:
            found.append(f"something is left: {self.left}")
        return [*found, *self.bugs]

    def lines(self) -> list[str]:
        """For people."""
        dialects = Counter(each.plan.dialect for each in self.outcomes)
        faults = Counter(met.partition(": ")[2] for each in self.outcomes for met in each.met)
        del faults[""]
        calls = sum(len(each.met) for each in self.outcomes)
        slowest = max(self.outcomes, key=lambda each: each.seconds)
        return [
            f"{len(self.outcomes)} runs, seed {self.seed}: "
            + ", ".join(f"{name} {count}" for name, count in sorted(dialects.items())),
            f"{calls} calls to the store, {self.kills} gateways killed; "
            + ", ".join(f"{name} {count}" for name, count in sorted(faults.items())),
            f"{sum(each.refused for each in self.outcomes)} requests refused or lost; the slowest run,"
            f" {slowest.plan.number}, took {slowest.seconds:.1f} s",
        ]


async def chaos(
    endpoint: S3Endpoint,
    folder: Path,
    seed: int,
    numbers: Sequence[int],
    progress: Callable[[Report], None] = lambda report: None,
    lanes: int = LANES,
    module: str = "gateway",
    weather: Weather = FAIR,
) -> Report:
    """Carry out the runs of these numbers, ``lanes`` at a time; ``module`` is what the gateways run."""
    report = Report(seed, foul=weather != FAIR)
    count = min(lanes, len(numbers))
    async with outside(endpoint, folder, count, module, weather.gateways) as fleet:
        todo = iter(numbers)

        async def work(lane: str) -> None:
            credential = bearer(lane, KEY_ID, SECRET)
            for number in todo:
                made = plan(seed, number, weather)
                report.outcomes.append(await run(fleet, lane, made, seed, credential))
                report.kills = fleet.kills
                progress(report)

        await asyncio.gather(*(work(lane) for lane in fleet.lanes))
        for lane in fleet.lanes.values():
            lane.begin({})
        await fleet.stop()
        report.bugs = fleet.bugs()
        report.left = await sweep(fleet)
    return report
