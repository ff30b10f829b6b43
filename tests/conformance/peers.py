"""Servers that are measured beside each other: installed by npm into a folder that git ignores, run on loopback."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.servers.ports import free_port, wait_for_port

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / ".bench" / "conformance"
TUS_SERVER: Final = "@tus/server@2.4.5"
FILE_STORE: Final = "@tus/file-store@2.1.1"
S3_STORE: Final = "@tus/s3-store@2.0.7"
BUCKET: Final = "conformance"
_INSTALL_LIMIT: Final = 300

_PROGRAM: Final = """
import { createServer } from "node:http";
import { Server } from "@tus/server";
import { FileStore } from "@tus/file-store";
import { S3Store } from "@tus/s3-store";

const { STORE, FOLDER, PORT, BUCKET, KEY, SECRET, LIFETIME } = process.env;
const expirationPeriodInMilliseconds = 1000 * Number(LIFETIME);
const datastore = STORE
  ? new S3Store({
      expirationPeriodInMilliseconds,
      s3ClientConfig: {
        bucket: BUCKET, region: "us-east-1", endpoint: STORE, forcePathStyle: true,
        credentials: { accessKeyId: KEY, secretAccessKey: SECRET },
      },
    })
  : new FileStore({ directory: FOLDER, expirationPeriodInMilliseconds });
const tus = new Server({ path: "/files", datastore, maxSize: 5 * 2 ** 40 });
// Node 20 ends it now and then with "ReadableStream is already closed", when a GET has been answered.
process.on("uncaughtException", (error) => console.error("would have ended the process:", error));
createServer((request, response) => tus.handle(request, response)).listen(Number(PORT), "127.0.0.1");
"""


class PeerMissing(Exception):
    """A server is not here and can't be installed; the text says why."""


@dataclass(frozen=True)
class Peer:
    """A running server. The commands are for the suite."""

    url: str
    kill_command: str
    stop_command: str
    restart_command: str
    log: Path


def install() -> Path:
    """Where @tus/server and its stores are.

    Raises:
        PeerMissing: no node, or npm can't install them.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise PeerMissing("@tus/server needs node and npm")
    wanted = FOLDER / "wanted"
    packages = [TUS_SERVER, FILE_STORE, S3_STORE]
    if not wanted.exists() or wanted.read_text() != " ".join(packages):
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / "package.json").write_text('{"private": true, "type": "module"}\n')
        command = [npm, "install", "--prefix", str(FOLDER), "--no-audit", "--no-fund", *packages]
        try:
            subprocess.run(command, capture_output=True, timeout=_INSTALL_LIMIT, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            raise PeerMissing(f"npm install: {error}") from None
        wanted.write_text(" ".join(packages))
    (FOLDER / "server.mjs").write_text(_PROGRAM)
    return FOLDER


def node_version() -> str:
    """As ``node --version`` says it."""
    found = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    return found.stdout.strip()


@contextmanager
def revivable(
    command: list[str], port: int, folder: Path, environment: Mapping[str, str]
) -> Iterator[Peer]:
    """A server on ``port`` that can be killed and started again by shell commands, and is ended with the block.

    Raises:
        PeerMissing: it does not come up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pid, log, script = folder / "pid", folder / "log", folder / "start.sh"
    exports = "\n".join(f"export {k}={shlex.quote(v)}" for k, v in environment.items())
    started = f"{shlex.join(command)} >> {shlex.quote(str(log))} 2>&1 < /dev/null &"
    script.write_text(f"{exports}\n{started}\necho $! > {shlex.quote(str(pid))}\n")
    restart = f"sh {shlex.quote(str(script))}"
    kill, stop = (f"kill {name} $(cat {shlex.quote(str(pid))})" for name in ("-KILL", "-TERM"))
    subprocess.run(["sh", str(script)], check=True, cwd=folder)
    try:
        try:
            wait_for_port(port)
        except TimeoutError as error:
            raise PeerMissing(f"{error}:\n{log.read_text()[-1000:]}") from None
        yield Peer(f"http://127.0.0.1:{port}", kill, stop, restart, log)
    finally:
        with suppress(ProcessLookupError):
            os.kill(int(pid.read_text()), signal.SIGTERM)


@contextmanager
def tus_server(folder: Path, environment: Mapping[str, str]) -> Iterator[Peer]:
    """@tus/server; with STORE in ``environment`` in front of that S3, otherwise of a folder.

    Raises:
        PeerMissing: it can't be installed here.
    """
    program = install() / "server.mjs"
    port = free_port()
    files = folder / "files"
    files.mkdir(parents=True)
    told = {"PORT": str(port), "FOLDER": str(files), "BUCKET": BUCKET, **environment}
    with revivable(["node", str(program)], port, folder, told) as peer:
        yield peer


@contextmanager
def fault_proxy(upstream: str, folder: Path) -> Iterator[tuple[str, str]]:
    """The proxy in front of an S3: its URL, and its control URL."""
    port, control = free_port(), free_port()
    command = [
        sys.executable, "-m", "tests.conformance.fault_proxy", upstream,
        "--port", str(port), "--control-port", str(control),
    ]  # fmt: skip
    told = {"PYTHONPATH": str(ROOT)}
    with revivable(command, port, folder, told):
        wait_for_port(control)
        yield f"http://127.0.0.1:{port}", f"http://127.0.0.1:{control}/"
