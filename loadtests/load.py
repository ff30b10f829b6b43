"""`make load`: locust, headless, for a bounded time, against a gateway of its own with the embedded store.

The report goes to ``loadtests/results/load-<time>-<commit>/``. Every user checks what it gets; the exit status is 1
when any request failed, or none was made.
"""

import argparse
import csv
import datetime
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from gateway.units import parse_duration
from loadtests.accounting import cpu_seconds, memory
from loadtests.bench import machine
from loadtests.bench.subjects import is_ready
from loadtests.processes import ROOT, free_port, running
from loadtests.signing import KEY_ID, SECRET

RESULTS: Final = ROOT / "loadtests" / "results"
USERS: Final = ("mixed", "uploads", "downloads", "slots")
SLOT_SECRET: Final = "a-secret-shared-with-a-chat-server"
CONFIG: Final = """
[server]
port = {port}
data_dir = "{folder}/data"

[storage.main]
kind = "local"
path = "{folder}/objects"
durability = "process"

[buckets.load]
storage = "main"

[buckets.chat]
storage = "main"

[slots.chat]
bucket = "chat"
base_path = "/upload/"
secret = "{slot_secret}"

[keys.{key}]
secret = "{secret}"

[sessions]
url = "sqlite:///{folder}/sessions.db"

[memory]
spool = "{folder}/spool"
"""


def locust(users: str, count: int, seconds: float, port: int, results: Path) -> int:
    """Run it; answers its exit status."""
    environment = {
        "LOAD_ENDPOINT": f"http://127.0.0.1:{port}",
        "LOAD_KEY_ID": KEY_ID,
        "LOAD_SECRET": SECRET,
        "LOAD_SLOT_SECRET": SLOT_SECRET,
    }
    command = [
        sys.executable, "-m", "locust", "--headless", "--locustfile", f"loadtests/locust/{users}.py",
        "--host", environment["LOAD_ENDPOINT"], "--users", str(count), "--spawn-rate", str(max(1, count // 4)),
        "--run-time", f"{seconds:.0f}s", "--only-summary",
        "--html", str(results / "report.html"), "--csv", str(results / "locust"),
    ]  # fmt: skip
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=False).returncode


def requests_made(statistics: Path) -> int:
    """How many requests locust's statistics tell of (its file ``*_stats.csv``)."""
    with statistics.open(newline="") as file:
        return sum(
            int(row["Request Count"]) for row in csv.DictReader(file) if row["Name"] == "Aggregated"
        )


def main() -> int:
    """See the module's text."""
    parser = argparse.ArgumentParser(prog="make load", description=__doc__)
    parser.add_argument("--users", choices=USERS, default="mixed")
    parser.add_argument("--count", type=int, default=40, help="users at a time")
    parser.add_argument("--time", type=parse_duration, default=60.0)
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H%M")
    results: Path = given.results / f"load-{now}-{machine.commit()}"
    results.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sluice-load-") as name:
        folder, port = Path(name), free_port()
        config = folder / "sluice.toml"
        config.write_text(
            CONFIG.format(
                port=port, folder=folder, key=KEY_ID, secret=SECRET, slot_secret=SLOT_SECRET
            )
        )
        command = [sys.executable, "-m", "gateway", "serve", "--config", str(config)]
        with running("sluice", command, port, folder, ready=is_ready) as server:
            before = cpu_seconds(server.pid)
            status = locust(given.users, given.count, given.time, port, results)
            cpu, peak = cpu_seconds(server.pid) - before, memory(server.pid, "VmHWM")
    print(f"gateway: {cpu:.1f} CPU-s, peak RSS {peak >> 20} MiB; report: {results / 'report.html'}")
    if not requests_made(results / "locust_stats.csv"):
        print("No request was made: give it more --time.")
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
