"""What a run was measured on."""

import datetime
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from loadtests.processes import ROOT

_PACKAGES = ("uvicorn", "uvloop", "httptools", "aiobotocore", "awscrt", "starlette", "pydantic")


def description() -> dict[str, str]:
    """Names and values for the report: CPU, kernel, versions, the commit, load before the run."""
    found = {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "cpu": _cpu_model(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.1f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        # Where it comes from tells how it was built: a sixth of the gateway's cost.
        "python": f"{platform.python_implementation()} {platform.python_version()}, {Path(sys.executable).resolve()}",
        "load before": " ".join(f"{value:.2f}" for value in os.getloadavg()),
        "nginx": _version("nginx", "-v"),
        "node": _version("node", "--version"),
    }
    for name in _PACKAGES:
        found[name] = importlib.metadata.version(name)
    return found


def commit() -> str:
    """The commit that is checked out, with ``-dirty`` if the gateway's code differs from it; ``unknown`` outside of a
    repository."""
    name = _output("git", "rev-parse", "--short=10", "HEAD")
    if not re.fullmatch("[0-9a-f]+", name):
        return "unknown"  # git says why
    changed = _output("git", "status", "--porcelain", "--", "gateway")
    return f"{name}-dirty" if changed else name


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(*command: str) -> str:
    return _output(*command).splitlines()[0] if _output(*command) else "not installed"


def _output(*command: str) -> str:
    """What a command says, on either stream; empty if there is no such command."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PATH": path},
        )
    except OSError:
        return ""
    return (done.stdout or done.stderr).strip()
