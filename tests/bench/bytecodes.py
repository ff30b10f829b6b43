"""How many bytecodes a small request costs, by function: the measure that a busy machine cannot blur.

Run it: ``python -m tests.bench.bytecodes PUT`` (or GET). A gateway in front of the null S3 serves presigned
requests of 16 KiB, first untraced, so that what is remembered is, then traced; the figures are per request. Interpreted
code is most of what such a request costs, and this is how much of it there is. ``--signed head`` signs them in their
headers instead, and ``--signed body`` their bodies too.
"""

import argparse
import asyncio
import hashlib
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

from gateway.cli import main as sluice
from gateway.server.run import DrainingServer
from loadtests import signing
from loadtests.bench.subjects import BUCKET, is_ready, sluice_config
from loadtests.processes import free_port, running, running_module
from loadtests.wire import Pattern, Wire

SIZE: Final = 16 * 1024
CONNECTIONS: Final = 16
REQUESTS: Final = 320
SHOWN: Final = 60


class Tracer:
    """Counts while it is on, and prints when it is turned off."""

    def __init__(self) -> None:
        self._on = False
        self._bytecodes: Counter[CodeType] = Counter()
        self._calls: Counter[CodeType] = Counter()
        self._native: Counter[CodeType] = Counter()

    def toggle(self) -> None:
        """Begin, or end."""
        self._on = not self._on
        sys.settrace(self._trace if self._on else None)
        sys.setprofile(self._profile if self._on else None)
        if not self._on:
            self._print()

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "call":
            self._calls[frame.f_code] += 1
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif event == "opcode":
            self._bytecodes[frame.f_code] += 1
        return self._trace

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call":
            self._native[frame.f_code] += 1

    def _print(self) -> None:
        totals = [sum(one.values()) for one in (self._bytecodes, self._calls, self._native)]
        print("\n   bytecodes      calls   C calls  function")
        print("{:12.0f} {:10.0f} {:9.0f}  all".format(*(total / REQUESTS for total in totals)))
        for code, count in self._bytecodes.most_common(SHOWN):
            where = code.co_filename.rpartition("/gateway/")[2].rpartition("site-packages/")[2]
            figures = (count, self._calls[code], self._native[code])
            shown = "{:12.1f} {:10.2f} {:9.2f}".format(*(figure / REQUESTS for figure in figures))
            print(f"{shown}  {code.co_qualname} ({where})", flush=True)


class TracedServer(DrainingServer):
    """Turns its tracer on and off on SIGUSR1."""

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, Tracer().toggle)


def serve() -> None:
    """What the traced process does."""
    from gateway.server import run

    run.DrainingServer = TracedServer  # type: ignore[misc]
    sluice()


def measure(method: str, signed: str | None = None) -> str:
    """The table."""
    pattern = Pattern()
    with (
        tempfile.TemporaryDirectory() as name,
        running_module("null-s3", "loadtests.null_s3", folder := Path(name)) as store,
    ):
        port = free_port()
        config = sluice_config(folder, port, store.port)
        code = "from tests.bench.bytecodes import serve; serve()"
        command = [sys.executable, "-c", code, "serve", "--config", str(config)]
        root = str(Path(__file__).parent.parent.parent)
        with running(
            "sluice", command, port, folder, ready=is_ready, environment={"PYTHONPATH": root}
        ) as server:
            wires = [Wire(port) for _ in range(CONNECTIONS)]
            for traced in (False, True):
                if traced:
                    server.process.send_signal(signal.SIGUSR1)
                drive(wires, method, port, pattern, signed)
            server.process.send_signal(signal.SIGUSR1)
            for wire in wires:
                wire.close()
        log = server.log.read_text()
    return log[log.index("\n   bytecodes") :]


def drive(
    wires: list[Wire], method: str, port: int, pattern: Pattern, signed: str | None = None
) -> None:
    """:data:`REQUESTS` requests of :data:`SIZE` bytes, each to an object of its own, on all wires in step.
    ``signed``: in their headers (``head``) and with their bodies (``body``); None: they are presigned."""
    framing = [(b"content-length", b"%d" % SIZE)] if method == "PUT" else []
    sign: Callable[..., bytes] = signing.presigned
    if signed is not None:
        sign = signing.signed
    if signed == "body":
        digest = pattern.sha256(SIZE) if method == "PUT" else hashlib.sha256().hexdigest()
        sign = partial(signing.signed, payload=digest)
    for first in range(0, REQUESTS, len(wires)):
        for number, wire in enumerate(wires, first):
            head = sign(method, f"/{BUCKET}/{number}/{SIZE}", port, framing)
            wire.begin(head, pattern, SIZE if method == "PUT" else 0)
        for wire in wires:
            wire.answered(200)


def arguments(parser: argparse.ArgumentParser) -> None:
    """What kind of requests."""
    parser.add_argument("method", choices=("PUT", "GET"))
    parser.add_argument("--signed", choices=("head", "body"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    arguments(parser)
    given = parser.parse_args()
    print(measure(given.method, given.signed))
