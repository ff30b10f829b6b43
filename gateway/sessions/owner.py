"""Names of processes that can be checked: whether the one that left an upload behind is still there.

A process's name is where it runs (the kernel's boot, its pid namespace) and which one it is there (pid and
start time, because pids are used again). Only a process that runs in the same place can be judged; of
all others we know only their heartbeat. Linux only: elsewhere names are unique, and nobody is judged.
"""

import os
import re
import uuid
from pathlib import Path
from typing import Final

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_PID: Final = re.compile(r"[1-9][0-9]{0,8}\Z", re.ASCII)
_TICKS: Final = re.compile(r"[0-9]{1,19}\Z", re.ASCII)
_ELSEWHERE: Final = f"elsewhere-{uuid.uuid4()}"


def this_owner() -> str:
    """This process's name, the same for its whole life; ask again after a fork."""
    pid = os.getpid()
    return f"{_place()}/{pid}/{_start_time(pid) or 0}"


def is_dead(owner: str) -> bool:
    """Whether that process is certainly gone. False whenever it cannot be known here."""
    return _is_there(owner) is False


def is_running(owner: str) -> bool:
    """Whether that process is certainly there. False whenever it cannot be known here."""
    return _is_there(owner) is True


def _is_there(owner: str) -> bool | None:
    rest, _, started = owner.rpartition("/")
    place, _, pid_text = rest.rpartition("/")
    if place != _place() or not _PID.match(pid_text) or not _TICKS.match(started):
        return None
    pid = int(pid_text)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is another user's; what can be seen of it tells the rest
    found = _start_time(pid)
    return None if found is None or started == "0" else found == int(started)


def _place() -> str:
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
        return f"{_BOOT_ID.read_text().strip()}/{namespace}"
    except OSError:
        return f"{_ELSEWHERE}/0"


def _start_time(pid: int) -> int | None:
    """When it started, in clock ticks since boot; None where that cannot be seen (see proc(5)), and for a process
    that has ended but was not waited for."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The command's name may hold anything, also brackets and spaces: fields count from the last bracket.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[19])
