"""``python -m tests.chaos.skewed``: a gateway whose clock is ``CHAOS_AHEAD`` seconds ahead of the machine's."""

import os
import time

AHEAD = float(os.environ.get("CHAOS_AHEAD", "0"))


def main() -> None:
    """What ``sluice`` is, at another time."""
    true = time.time
    time.time = lambda: true() + AHEAD
    from gateway.cli import main as serve

    serve()


if __name__ == "__main__":
    main()
