"""What the operating system says that processes used: CPU seconds and memory of a process and its descendants.

CPU is ``utime + stime`` of /proc/<pid>/stat (all threads), plus that of children that have ended and were waited
for. Source: proc(5). Linux only; the clock ticks 100 times a second, so a figure from less than a second of CPU is
good to some per cent.
"""

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.units import KiB

_TICK: Final = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Stat:
    """One line of /proc/<pid>/stat. ``cpu`` in seconds, ended children included."""

    pid: int
    parent: int
    cpu: float


def stat_of(pid: int) -> Stat:
    """Read it.

    Raises:
        FileNotFoundError, ProcessLookupError: there is no such process (any more).
    """
    # The command's name stands in brackets and may hold anything, brackets too.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = sum(int(field) for field in fields[11:15])
    return Stat(pid, int(fields[1]), ticks * _TICK)


def tree(root: int) -> list[Stat]:
    """A process and all its descendants."""
    children: dict[int, list[Stat]] = {}
    found: list[Stat] = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                stat = stat_of(int(entry))
                children.setdefault(stat.parent, []).append(stat)
                if stat.pid == root:
                    found.append(stat)
    for stat in found:
        found.extend(children.get(stat.pid, ()))
    return found


def cpu_seconds(root: int) -> float:
    """CPU seconds that a process and its descendants have used so far, in user and kernel mode."""
    return sum(stat.cpu for stat in tree(root))


def memory(root: int, field: str = "VmRSS") -> int:
    """Bytes of a process and its descendants: ``VmRSS`` now, ``VmHWM`` at its peak (peaks of several processes need
    not have been at one time; their sum is the upper bound)."""
    return sum(_status(stat.pid, field) for stat in tree(root)) * KiB


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes of pages that a process made dirty (``written``), and those of them that were dropped before the disk had
    them, mostly because the file was gone by then. Source: proc_pid_io(5)."""

    written: int
    dropped: int


def disk(pid: int) -> Disk:
    """What one process wrote so far, without its children.

    Raises:
        FileNotFoundError, ProcessLookupError: there is no such process (any more).
    """
    lines = (line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    counts = {name: int(value) for name, value in lines}
    return Disk(counts["write_bytes"], counts["cancelled_write_bytes"])


def reset_peak(roots: Iterable[int]) -> None:
    """Let VmHWM begin again from what is used now."""
    for root in roots:
        for stat in tree(root):
            with contextlib.suppress(OSError):
                Path(f"/proc/{stat.pid}/clear_refs").write_text("5")


def _status(pid: int, field: str) -> int:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
    return 0
