"""`make load`: locust, headless, against a gateway of its own; the report goes to build/load.html."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from loadtests.running import KEY_ID, SECRET, running_gateway


def main() -> int:
    """Run locust; answer its exit status: 1 when a request failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=60)
    arguments = parser.parse_args()
    Path("build").mkdir(exist_ok=True)
    with running_gateway() as gateway:
        environ = {
            "LOAD_ENDPOINT": gateway.account.endpoint,
            "LOAD_KEY_ID": KEY_ID,
            "LOAD_SECRET": SECRET,
        }
        command = [
            sys.executable, "-m", "locust", "--headless", "--locustfile", "loadtests/users.py",
            "--host", gateway.account.endpoint, "--users", str(arguments.users),
            "--spawn-rate", str(arguments.users), "--run-time", f"{arguments.seconds}s",
            "--only-summary", "--html", "build/load.html",
        ]  # fmt: skip
        return subprocess.run(command, env=os.environ | environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
