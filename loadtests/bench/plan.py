"""What one run of the benchmark shares: how much is measured, where results go, what was found so far."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from gateway.units import GiB, KiB, MiB
from loadtests import signing
from loadtests.bench.profile import Hot
from loadtests.bench.runs import Finding, Recorder
from loadtests.bench.subjects import BUCKET
from loadtests.processes import Server
from loadtests.wire import Pattern, Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is measured. Sizes in bytes, times in seconds."""

    large: int = GiB
    small: int = 16 * KiB
    patched: int = 128 * MiB
    patch: int = 256 * KiB
    rounds: int = 5
    requests: int = 5000
    slow_clients: int = 2000
    slow_size: int = 6 * MiB
    slow_rate: int = 64 * KiB
    tls_clients: int = 400
    soak: float = 600.0
    idle: int = 1000
    active: int = 64
    profile: float = 6.0


QUICK = Scale(
    large=256 * MiB,
    patched=32 * MiB,
    rounds=3,
    requests=500,
    slow_clients=200,
    slow_size=MiB,
    tls_clients=50,
    soak=15.0,
    idle=200,
    profile=3.0,
)


@dataclass
class Bench:
    """One run. ``folder`` is for the servers' files and is thrown away, ``results`` is kept."""

    scale: Scale
    folder: Path
    results: Path
    store: Server
    recorder: Recorder
    pattern: Pattern
    stack: ExitStack
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    profiles: dict[str, list[Hot]] = field(default_factory=dict)
    series: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def own_folder(self, name: str) -> Path:
        """A new folder for a figure's servers."""
        folder = self.folder / name
        folder.mkdir()
        return folder

    def found(
        self, figure: str, what: str, found: str, target: str = "", reached: bool | None = None
    ) -> None:
        """Add a row to the report, and show it."""
        self.findings.append(Finding(figure, what, found, target, reached))
        mark = {True: "reached", False: "MISSED", None: ""}[reached]
        self.recorder.progress(f"== {figure}: {what}: {found}  {target}  {mark}")

    def check_stored(self, name: str, size: int, store: Server | None = None) -> None:
        """See that the null S3 (or another) has got all of an object: what loses bytes is cheap.

        Raises:
            AssertionError: it has another size.
            UnexpectedAnswer: it has no such object.
        """
        first = [(b"range", b"bytes=0-0")]
        port = (store or self.store).port
        head = signing.plain("GET", f"/{BUCKET}/{name}", port, first)
        with Wire(port) as wire:
            told = wire.ask(head, expect=206).headers["content-range"]
        stored = int(told.rpartition("/")[2])
        if stored != size:
            raise AssertionError(f"{name}: {stored} bytes were stored of {size} that were sent")

    def note(self, text: str) -> None:
        """Something that readers of the report must know."""
        self.notes.append(text)
        self.recorder.progress(f"-- {text}")


Sign = Callable[[str, str, int, signing.Headers], bytes]
#: A client's connection to a port, where nothing may stand still for so many seconds.
Connect = Callable[[int, float], Wire]


def plainly(port: int, timeout: float) -> Wire:
    """A connection without TLS."""
    return Wire(port, timeout=timeout)


def put(
    bench: Bench,
    server: Server,
    sign: Sign,
    *,
    size: int,
    chunked: bool = False,
    timeout: float = 120.0,
    connect: Connect = plainly,
) -> Callable[[], float]:
    """Work: one PUT of ``size`` bytes on a connection of its own, where nothing may stand still for ``timeout``
    seconds; in GiB."""

    def work() -> float:
        framing = (
            (b"transfer-encoding", b"chunked") if chunked else (b"content-length", b"%d" % size)
        )
        head = sign("PUT", f"/{BUCKET}/large", server.port, [framing])
        with connect(server.port, timeout) as wire:
            send = wire.put_chunked if chunked else wire.put
            send(head, bench.pattern, size)
        return size / GiB

    return work


def get(
    server: Server, sign: Sign, *, size: int, connect: Connect = plainly
) -> Callable[[], float]:
    """Work: one GET of an object of ``size`` bytes; in GiB."""

    def work() -> float:
        with connect(server.port, 120.0) as wire:
            answer = wire.ask(sign("GET", f"/{BUCKET}/null/{size}", server.port, ()))
            if answer.size != size:
                raise AssertionError(f"{answer.size} bytes came instead of {size}")
        return size / GiB

    return work


def small(
    bench: Bench, server: Server, sign: Sign, method: str, connections: int
) -> Callable[[], float]:
    """Work: small requests, each to an object of its own, on ``connections`` in step; in requests."""
    size, count = bench.scale.small, bench.scale.requests
    framing = [(b"content-length", b"%d" % size)] if method == "PUT" else []
    heads = [
        sign(method, f"/{BUCKET}/{number}/{size}", server.port, framing) for number in range(count)
    ]

    def work() -> float:
        wires = [Wire(server.port) for _ in range(connections)]
        for first in range(0, count, connections):
            step = list(zip(wires, heads[first : first + connections], strict=False))
            for wire, head in step:
                wire.begin(head, bench.pattern, size if method == "PUT" else 0)
            for wire, _ in step:
                wire.answered(200)
        for wire in wires:
            wire.close()
        return count

    return work
