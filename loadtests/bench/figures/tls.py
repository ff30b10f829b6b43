"""Figures 1, 4 and 7 once more with TLS between client and gateway. No targets: they are shown beside the others.

The client encrypts too, in Python, and costs more than before: rates say less here than CPU does.
"""

import json
import ssl
import subprocess
import sys
import time
from functools import partial

from gateway.units import KiB, MiB, format_size
from loadtests import accounting
from loadtests.bench import plan, subjects
from loadtests.bench.figures.slow import BUDGET
from loadtests.bench.plan import Bench
from loadtests.bench.runs import Case, spread
from loadtests.bench.subjects import Setting
from loadtests.processes import ROOT, Server
from loadtests.signing import plain, presigned
from loadtests.swarm import open_idle
from loadtests.tls import Certificate, TlsWire

FIGURES = {"PUT": "1 TLS", "GET": "4 TLS"}
CROWD = "7 TLS"
#: Idle connections by which the memory of one is measured.
IDLE = 500


def measure(bench: Bench) -> None:
    """Large bodies against nginx, then a crowd of slow uploads, all over TLS."""
    folder = bench.own_folder("tls")
    certificate = Certificate.issue(folder)
    setting = Setting(tls=certificate)
    sluice = bench.stack.enter_context(subjects.sluice(folder, bench.store.port, setting))
    nginx = bench.stack.enter_context(subjects.nginx(folder, bench.store.port, tls=certificate))
    _large(bench, certificate, sluice, nginx)
    plain_one = bench.stack.enter_context(
        subjects.sluice(folder, bench.store.port, Setting(name="sluice-plain"))
    )
    _idle(bench, "over TLS", sluice, certificate.context())
    _idle(bench, "without TLS", plain_one, None)
    crowded = Setting(name="sluice-crowd", tls=certificate, budget=format_size(BUDGET))
    _crowd(
        bench,
        certificate,
        bench.stack.enter_context(subjects.sluice(folder, bench.store.port, crowded)),
    )


def _large(bench: Bench, certificate: Certificate, sluice: Server, nginx: Server) -> None:
    size, recorder = bench.scale.large, bench.recorder
    context = certificate.context()

    def connect(port: int, timeout: float) -> TlsWire:
        return TlsWire(port, context, timeout=timeout)

    put = partial(plan.put, bench, size=size, connect=connect)
    get = partial(plan.get, size=size, connect=connect)
    put(sluice, presigned)()
    bench.check_stored("large", size)
    works = {
        "PUT": (put(sluice, presigned), put(nginx, plain)),
        "GET": (get(sluice, presigned), get(nginx, plain)),
    }
    for method, (ours, theirs) in works.items():
        figure, name = FIGURES[method], f"{method} over TLS"
        recorder.interleave(
            figure, [Case(name, sluice, ours), Case(name, nginx, theirs)], bench.scale.rounds
        )
        mine, other = (recorder.of(figure, name, who) for who in ("sluice", "nginx"))
        cost, rate = recorder.ratio(mine, other, "cost"), recorder.ratio(mine, other, "rate")
        bench.found(figure, f"{name}, CPU-s per GiB against nginx", f"{cost.text()} ×")
        bench.found(figure, "its CPU-s per GiB", spread(mine, "cost").text())
        bench.found(figure, f"{name}, rate against nginx", f"{rate.text()} ×")


def _idle(bench: Bench, how: str, sluice: Server, context: ssl.SSLContext | None) -> None:
    """What a connection takes that made a request and waits for the next."""
    before = accounting.memory(sluice.pid)
    idle = open_idle(sluice.port, IDLE, context)
    each = (accounting.memory(sluice.pid) - before) / IDLE
    for sock in idle:
        sock.close()
    what = f"memory of each of {IDLE} idle connections {how}"
    bench.found(CROWD, what, f"{each / KiB:.0f} KiB")


def _crowd(bench: Bench, certificate: Certificate, sluice: Server) -> None:
    scale = bench.scale
    size, least = scale.slow_size // 3, scale.slow_size / 3 / scale.slow_rate
    count = scale.tls_clients
    command = [
        sys.executable, "-m", "loadtests.swarm", "--port", str(sluice.port), "--tls", str(certificate.authority),
        "--uploads", str(count), "--size", str(size), "--rate", str(scale.slow_rate),
        "--limit", str(least * 2 + 60),
    ]  # fmt: skip
    accounting.reset_peak([sluice.pid])
    idle, before = accounting.memory(sluice.pid), accounting.cpu_seconds(sluice.pid)
    began = time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=least * 2 + 120
    )
    took, told = time.monotonic() - began, json.loads(done.stdout)
    used = accounting.cpu_seconds(sluice.pid) - before
    peak = accounting.memory(sluice.pid, "VmHWM")
    what = (
        f"{count} uploads of {format_size(size)} at {format_size(scale.slow_rate)}/s with a budget of "
        f"{format_size(BUDGET)}: complete"
    )
    bench.found(CROWD, what, f"{told['completed']} of {count}, slowest {told['slowest']:.0f} s")
    beyond = (peak - idle - BUDGET) / count / KiB
    text = f"{peak / MiB:.0f} MiB (idle {idle / MiB:.0f} MiB; {beyond:.0f} KiB a connection beyond the budget)"
    bench.found(CROWD, "peak RSS", text)
    bench.found(CROWD, "gateway's CPU", f"{used / took:.0%} of a core")
