"""Where a server's time goes, sampled from outside while it works.

py-spy reads Python's stacks; perf, where the kernel allows it, adds what Python does not see: system calls, copies,
hashing. Neither runs during a measurement.
"""

import contextlib
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Samples per second.
RATE: Final = 250
#: Functions that are shown.
SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Hot:
    """A function and its shares of all samples: itself, and with what it calls."""

    function: str
    own: float
    total: float


def py_spy() -> str | None:
    """Where it is installed; None: nowhere."""
    beside = Path(sysconfig.get_path("scripts")) / "py-spy"
    return str(beside) if beside.exists() else shutil.which("py-spy")


def hot_functions(collapsed: str) -> list[Hot]:
    """The functions of collapsed stacks (``a;b;c 12`` a line), those that most samples ended in first."""
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    everything = 0
    for line in collapsed.splitlines():
        stack, _, count = line.rpartition(" ")
        if not count.isdigit() or not stack:
            continue
        frames = [re.sub(r":\d+\)$", ")", frame) for frame in stack.split(";")]
        everything += int(count)
        own[frames[-1]] += int(count)
        total.update(dict.fromkeys(frames, int(count)))
    return [
        Hot(name, number / everything, total[name] / everything)
        for name, number in own.most_common(SHOWN)
    ]


@contextmanager
def sampled(pid: int, into: Path) -> Iterator[None]:
    """Sample a Python process for the length of the block into ``into`` (collapsed stacks)."""
    program = py_spy()
    if program is None:
        into.write_text("py-spy is not installed\n")
        yield
        return
    command = [
        program, "record", "--pid", str(pid), "--rate", str(RATE), "--format", "raw",
        "--duration", "3600", "--output", str(into),
    ]  # fmt: skip
    with _interrupted(command):
        yield


@contextmanager
def counted(pid: int, into: Path) -> Iterator[None]:
    """Count a process's hot symbols by perf for the length of the block; where perf may not, the file says so."""
    program = shutil.which("perf")
    if program is None:
        into.write_text("perf is not installed\n")
        yield
        return
    data = into.with_suffix(".data")
    with _interrupted([program, "record", "-q", "-F", "499", "-p", str(pid), "-o", str(data)]):
        yield
    report = [
        program,
        "report",
        "-i",
        str(data),
        "--stdio",
        "-q",
        "--sort",
        "dso,symbol",
        "--percent-limit",
        "0.7",
    ]
    done = subprocess.run(report, capture_output=True, text=True, check=False)
    lines = [line.rstrip() for line in done.stdout.splitlines() if line.strip()]
    into.write_text("\n".join(lines[:40] or [done.stderr.strip() or "perf saw nothing"]) + "\n")
    data.unlink(missing_ok=True)


@contextmanager
def _interrupted(command: list[str]) -> Iterator[None]:
    """Run a recorder beside the block and end it as Ctrl-C would, so that it writes what it has."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    try:
        yield
    finally:
        process.send_signal(2)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        if process.poll() is None:
            process.kill()
            process.wait()


def profile(
    pid: int, work: Callable[[], object], seconds: float, folder: Path, name: str
) -> list[Hot]:
    """Repeat ``work`` for about ``seconds`` twice, under py-spy and under perf; files go to ``folder``."""
    stacks = folder / f"profile-{name}.stacks.txt"
    for recorder in (sampled(pid, stacks), counted(pid, folder / f"profile-{name}.perf.txt")):
        with recorder:
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                work()
    found = hot_functions(stacks.read_text()) if stacks.exists() else []
    lines = [f"{hot.own:7.1%} {hot.total:7.1%}  {hot.function}" for hot in found]
    (folder / f"profile-{name}.txt").write_text(
        "\n".join(["    own   total  function", *lines]) + "\n"
    )
    return found
