"""What a benchmark measures and how figures are made of it: runs, rounds that interleave, spreads."""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal

from loadtests import accounting
from loadtests.processes import Server

#: What CPU and time are counted per.
Unit = Literal["GiB", "request", "s"]


@dataclass(frozen=True, slots=True)
class Run:
    """One measured piece of work. ``cpu`` is the measured server's (its process tree's), ``store_cpu`` the null
    S3's, ``peak`` the server's largest resident memory meanwhile, in bytes; ``amount`` is in ``unit``. ``others`` is
    how many cores the machine's other processes took, which had nothing to do with it."""

    figure: str
    case: str
    subject: str
    number: int
    amount: float
    unit: Unit
    seconds: float
    cpu: float
    store_cpu: float
    peak: int
    others: float = 0.0

    @property
    def cost(self) -> float:
        """CPU seconds per unit."""
        return self.cpu / self.amount

    @property
    def rate(self) -> float:
        """Units per second."""
        return self.amount / self.seconds


@dataclass(frozen=True, slots=True)
class Spread:
    """Least, median and largest of several measurements."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of at least one."""
        return cls(min(values), statistics.median(values), max(values))

    def text(self, digits: int = 2) -> str:
        """``median (low to high)``."""
        return f"{self.median:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


@dataclass(frozen=True, slots=True)
class Finding:
    """A row of the report: what was found, in words what it should be, and whether it is (None: not judged)."""

    figure: str
    what: str
    found: str
    target: str = ""
    reached: bool | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One way to do the work on one server: ``work`` does it once and answers how much it was."""

    name: str
    server: Server
    work: Callable[[], float]
    unit: Unit = "GiB"


Progress = Callable[[str], None]


@dataclass
class Recorder:
    """Collects runs; shows each as a progress line."""

    store: Server
    progress: Progress
    runs: list[Run] = field(default_factory=list)

    def interleave(self, figure: str, cases: Sequence[Case], rounds: int) -> None:
        """Each case once to warm up, then ``rounds`` times A B A B ..., so that what changes on the machine
        meanwhile hits all alike."""
        for case in cases:
            case.work()
        for number in range(rounds):
            for case in cases:
                self.measure(figure, case, number)

    def measure(self, figure: str, case: Case, number: int = 0) -> Run:
        """Do a case's work once."""
        accounting.reset_peak([case.server.pid])
        store, server = (
            accounting.cpu_seconds(self.store.pid),
            accounting.cpu_seconds(case.server.pid),
        )
        machine, ours = accounting.machine_seconds(), accounting.cpu_seconds(os.getpid())
        began = time.perf_counter()
        amount = case.work()
        seconds = time.perf_counter() - began
        time.sleep(SETTLE)
        ours = accounting.cpu_seconds(os.getpid()) - ours
        others = (accounting.machine_seconds() - machine - ours) / (seconds + SETTLE)
        run = Run(
            figure=figure,
            case=case.name,
            subject=case.server.name,
            number=number,
            amount=amount,
            unit=case.unit,
            seconds=seconds,
            cpu=accounting.cpu_seconds(case.server.pid) - server,
            store_cpu=accounting.cpu_seconds(self.store.pid) - store,
            peak=accounting.memory(case.server.pid, "VmHWM"),
            others=round(max(0.0, others), 3),
        )
        self.runs.append(run)
        self.progress(describe(run))
        return run

    def of(self, figure: str, case: str, subject: str) -> list[Run]:
        """Runs so far, in order."""
        return [r for r in self.runs if (r.figure, r.case, r.subject) == (figure, case, subject)]

    def ratio(self, ours: Sequence[Run], theirs: Sequence[Run], what: str) -> Spread:
        """Ratio of ``cost`` or ``rate``, round by round: neighbours in time are compared with each other."""
        pairs = zip(ours, theirs, strict=True)
        return Spread.of([getattr(a, what) / getattr(b, what) for a, b in pairs])


#: Cores that others may take of a run whose rate is compared with that of another time.
CALM: Final = 0.15
#: Seconds after a piece of work in which a server may finish (answers are out, sockets and parts are let go).
SETTLE: Final = 0.1


def describe(run: Run) -> str:
    """A progress line."""
    if run.unit == "request":
        cost, rate = f"{run.cost * 1e6:7.0f} us/request", f"{run.rate:7.0f} requests/s"
    else:
        cost, rate = f"{run.cost:7.3f} CPU-s/{run.unit}", f"{run.rate:7.2f} {run.unit}/s"
    return f"{run.figure:>2} {run.case:34} {run.subject:14} #{run.number} {cost} {rate} peak {run.peak >> 20} MiB"


def calm(runs: Sequence[Run]) -> list[Run]:
    """Those in which other processes left the machine to it; all of them, if there is none."""
    return [run for run in runs if run.others <= CALM] or list(runs)


def spread(runs: Sequence[Run], what: str) -> Spread:
    """Of ``cost``, ``rate`` or ``peak``."""
    return Spread.of([getattr(run, what) for run in runs])


@contextmanager
def timed() -> Iterator[list[float]]:
    """Seconds that the block takes, as the only item of the list, once it is over."""
    took: list[float] = []
    began = time.perf_counter()
    yield took
    took.append(time.perf_counter() - began)
