"""`make bench`: rate and CPU of the gateway on this machine, by curl, into the embedded store.

Each figure is the median of interleaved runs. CPU is the gateway's alone, by the operating system's accounting.
The raw data go to build/bench.csv with the machine's description. The figures are this machine's: compare them
with others of the same run only.
"""

import argparse
import csv
import os
import platform
import statistics
import subprocess
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

from gateway import __version__
from gateway.units import GiB, MiB
from loadtests.running import RunningGateway, running_gateway

OUTPUT: Final = Path("build/bench.csv")


@dataclass(frozen=True)
class Run:
    """One transfer: seconds on the wall, CPU seconds of the gateway."""

    name: str
    number: int
    size: int
    seconds: float
    cpu: float


def transfer(gateway: RunningGateway, name: str, number: int, file: Path) -> Run:
    """One upload or download by curl."""
    method = "PUT" if name.startswith("put") else "GET"
    command = ["curl", "--silent", "--show-error", "--fail", "--output", os.devnull]
    if method == "PUT":
        command += ["--upload-file", str(file)]
    if name == "put chunked":
        command += ["--header", "Transfer-Encoding: chunked"]
    cpu, begun = gateway.cpu(), time.perf_counter()
    subprocess.run([*command, gateway.url(method, "object")], check=True)
    seconds = time.perf_counter() - begun
    return Run(name, number, file.stat().st_size, seconds, gateway.cpu() - cpu)


def measure(gateway: RunningGateway, size: int, rounds: int) -> list[Run]:
    """All kinds of transfer in turn, ``rounds`` times, so that drift of the machine hits all alike."""
    file = gateway.folder / "body"
    block = os.urandom(MiB)
    with file.open("wb") as out:
        for _ in range(size // MiB):
            out.write(block)
    return [
        transfer(gateway, name, number, file)
        for number in range(rounds)
        for name in ("put", "put chunked", "get")
    ]


def report(runs: list[Run], gateway: RunningGateway) -> str:
    """A table of medians."""
    lines = [f"{'':12} {'MiB/s':>8} {'CPU-s per GiB':>14}"]
    for name in dict.fromkeys(run.name for run in runs):
        same = [run for run in runs if run.name == name]
        rate = statistics.median(run.size / MiB / run.seconds for run in same)
        cpu = statistics.median(run.cpu / run.size * GiB for run in same)
        lines.append(f"{name:12} {rate:8.0f} {cpu:14.2f}")
    lines.append(f"peak memory of the gateway: {gateway.peak_memory() / MiB:.0f} MiB")
    return "\n".join(lines)


def save(runs: list[Run]) -> None:
    """Keep the raw data, and what they were measured on."""
    OUTPUT.parent.mkdir(exist_ok=True)
    with OUTPUT.open("w", newline="") as out:
        out.write(f"# sluice {__version__}, {platform.platform()}, {os.cpu_count()} CPUs\n")
        writer = csv.DictWriter(out, [field.name for field in fields(Run)])
        writer.writeheader()
        writer.writerows(asdict(run) for run in runs)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=512, help="size of the object")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with running_gateway() as gateway:
        runs = measure(gateway, arguments.mib * MiB, arguments.rounds)
        print(report(runs, gateway))
    save(runs)
    print(f"raw data: {OUTPUT}")


if __name__ == "__main__":
    main()
