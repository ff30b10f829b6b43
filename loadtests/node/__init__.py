"""What runs on Node or in a browser: packages at the exact versions of ``package-lock.json``, which npm installs into a
folder that git ignores. The benchmark's peers, the conformance suite's and the tests' clients are all from there."""

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from loadtests.processes import ROOT

_HERE: Final = Path(__file__).parent
_FOLDER: Final = ROOT / ".bench" / "node"
_FILES: Final = ("package.json", "package-lock.json", ".npmrc")
_INSTALL_LIMIT: Final = 300


class PeerMissing(Exception):
    """Another's program is not here and can't be installed; the text says why."""


def installed() -> Path:
    """The folder with ``node_modules``; installed at its first use and whenever the lock file changes.

    Raises:
        PeerMissing: no node, or npm can't install.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise PeerMissing("node and npm are not installed")
    _FOLDER.mkdir(parents=True, exist_ok=True)
    lock = (_HERE / "package-lock.json").read_text()
    with (_FOLDER / "lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # tests run in several processes
        done = _FOLDER / "installed"
        if not done.exists() or done.read_text() != lock:
            for name in _FILES:
                shutil.copyfile(_HERE / name, _FOLDER / name)
            run([npm, "ci", "--ignore-scripts", "--prefix", str(_FOLDER), "--loglevel", "error"])
            done.write_text(lock)
    return _FOLDER


def script(source: Path) -> Path:
    """Put a script where it finds the packages that it imports, and answer its path there.

    Raises:
        PeerMissing: they can't be installed.
    """
    place = installed() / source.name
    draft = place.with_suffix(f".{os.getpid()}{place.suffix}")
    shutil.copyfile(source, draft)
    draft.rename(place)
    return place


def bundle(source: Path) -> Path:
    """A module and all that it imports as one classic script for browsers; answers its path.

    Raises:
        PeerMissing: it can't be made.
    """
    entry = script(source)
    place = entry.with_suffix(".bundle.js")
    draft = place.with_suffix(f".{os.getpid()}.js")
    esbuild = entry.parent / "node_modules" / ".bin" / "esbuild"
    run(
        [
            str(esbuild),
            str(entry),
            "--bundle",
            "--format=iife",
            "--log-level=error",
            f"--outfile={draft}",
        ]
    )
    draft.rename(place)
    return place


def tus_server() -> list[str]:
    """The command that runs @tus/server; its environment says of what.

    Raises:
        PeerMissing: it can't be installed.
    """
    return ["node", str(script(_HERE / "tus_server.mjs"))]


def version(package: str) -> str:
    """``package@version``, as ``package.json`` pins it."""
    pinned = json.loads((_HERE / "package.json").read_text())["dependencies"]
    return f"{package}@{pinned[package]}"


def node_version() -> str:
    """As ``node --version`` says it."""
    found = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    return found.stdout.strip()


def run(command: list[str]) -> None:
    """A command that installs or builds something.

    Raises:
        PeerMissing: it failed.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_INSTALL_LIMIT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerMissing(f"{' '.join(command)}: {error}") from None
    if done.returncode:
        raise PeerMissing(f"{' '.join(command)}: {done.stderr.strip()[-500:]}")
