"""How many machine instructions a small request costs, by function: exact, however busy the machine is.

Run it: ``python -m tests.bench.instructions PUT`` (or GET); ``--connections 1`` for one request at a time; ``--signed``
as for the bytecodes. The gateway runs under callgrind of valgrind, which counts what it executes in user mode and plays
a first-level cache and a branch predictor beside it. Requests are counted after as many that were not, so that what is
remembered is. The kernel is not seen.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from loadtests import processes
from loadtests.bench.subjects import is_ready, sluice_config
from loadtests.processes import ROOT, free_port, running, running_module
from loadtests.wire import Pattern, Wire
from tests.bench.bytecodes import REQUESTS, arguments, drive

#: Valgrind makes a gateway some fifty times slower, its start too. Seconds.
START_LIMIT: Final = 180.0
#: The columns of what is shown: instructions, misses of the first-level caches, mispredicted branches.
SHOWN: Final = "Ir,I1mr,D1mr,D1mw,Bcm,Bim"


def measure(method: str, connections: int, signed: str | None) -> str:
    """The table, as callgrind_annotate prints it; its first figures are the totals per request."""
    pattern = Pattern()
    with (
        tempfile.TemporaryDirectory() as name,
        running_module("null-s3", "loadtests.null_s3", folder := Path(name)) as store,
    ):
        port = free_port()
        config = sluice_config(folder, port, store.port)
        counted = folder / "counted"
        command = [
            "valgrind", "--tool=callgrind", "--instr-atstart=no", "--cache-sim=yes", "--branch-sim=yes",
            f"--callgrind-out-file={counted}", sys.executable, "-m", "gateway", "serve", "--config", str(config),
        ]  # fmt: skip
        environment = {"PYTHONPATH": str(ROOT)}
        with running(
            "sluice", command, port, folder, ready=is_ready, environment=environment
        ) as server:
            wires = [Wire(port) for _ in range(connections)]
            drive(wires, method, port, pattern, signed)
            _control(server.pid, "--instr=on")
            drive(wires, method, port, pattern, signed)  # its translations are made anew
            _control(server.pid, "--zero")
            drive(wires, method, port, pattern, signed)
            _control(server.pid, "--dump")
            for wire in wires:
                wire.close()
            return _table(_dumped(counted))


def _control(pid: int, what: str) -> None:
    subprocess.run(["callgrind_control", what, str(pid)], check=True, capture_output=True)


def _dumped(counted: Path) -> Path:
    """The first dump, once it is whole."""
    dump = counted.with_name(f"{counted.name}.1")
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if dump.exists() and "\ntotals:" in dump.read_text(errors="replace"):
            return dump
        time.sleep(0.1)
    raise TimeoutError("callgrind wrote nothing")


def _table(dump: Path) -> str:
    command = ["callgrind_annotate", f"--show={SHOWN}", "--threshold=90", "--auto=no", str(dump)]
    table = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = [line.split() for line in dump.read_text(errors="replace").splitlines()]
    found = {line[0]: line[1:] for line in lines if line and line[0] in ("events:", "totals:")}
    totals = dict(zip(found["events:"], map(int, found["totals:"]), strict=True))
    each = ", ".join(f"{name} {totals[name] / REQUESTS:,.0f}" for name in SHOWN.split(","))
    return f"{table}\nper request: {each}"


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__)
    arguments(parser)
    parser.add_argument("--connections", type=int, default=16, choices=(1, 2, 4, 8, 16, 32))
    given = parser.parse_args()
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is not installed")
    processes.START_LIMIT = START_LIMIT  # type: ignore[misc]
    print(measure(given.method, given.connections, given.signed))


if __name__ == "__main__":
    main()
