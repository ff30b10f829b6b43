"""Figure 6: the same upload through @tus/server with @tus/s3-store, and through rclone serve s3."""

from collections.abc import Callable

from gateway.units import GiB
from loadtests.bench import plan, subjects
from loadtests.bench.plan import Bench
from loadtests.bench.runs import Case, spread
from loadtests.node import PeerMissing
from loadtests.processes import Server
from loadtests.signing import Headers, plain, presigned, signed
from loadtests.wire import UnexpectedAnswer, Wire

CASE = "upload"
#: CPU-s per GiB of theirs over ours.
TARGETS = {"tus": 10.0, "rclone": 8.0}


def measure(bench: Bench) -> None:
    """Ours by presigned PUT, tus by POST and one PATCH, rclone by signed PUT."""
    folder, size = bench.own_folder("rivals"), bench.scale.large
    sluice = bench.stack.enter_context(subjects.sluice(folder, bench.store.port))
    cases = [Case(CASE, sluice, plan.put(bench, sluice, presigned, size=size))]
    with Wire(bench.store.port) as wire:
        wire.ask(plain("PUT", f"/{subjects.BUCKET}", bench.store.port))
    for name in TARGETS:
        try:
            case = _case(bench, name)
            case.work()
            if name == "rclone":
                bench.check_stored("large", size)
        except (PeerMissing, UnexpectedAnswer, AssertionError, OSError) as error:
            bench.note(f"Figure 6: {name} is skipped: {error}")
            bench.found(
                "6", f"{name}: CPU-s per GiB over ours", "skipped", f"≥ {TARGETS[name]:.0f} ×"
            )
        else:
            cases.append(case)
    recorder = bench.recorder
    recorder.interleave("6", cases, bench.scale.rounds)
    ours = recorder.of("6", CASE, "sluice")
    for case in cases[1:]:
        name = case.server.name
        theirs = recorder.of("6", CASE, name)
        ratio = recorder.ratio(theirs, ours, "cost")
        least = TARGETS[name]
        bench.found(
            "6",
            f"{name}: CPU-s per GiB over ours",
            f"{ratio.text(1)} ×",
            f"≥ {least:.0f} ×",
            ratio.median >= least,
        )
        bench.found("6", f"{name}: its CPU-s per GiB", spread(theirs, "cost").text())


def _case(bench: Bench, name: str) -> Case:
    if name == "tus":
        server = bench.stack.enter_context(subjects.tus(bench.folder / "rivals", bench.store.port))
        return Case(CASE, server, _tus_upload(bench, server))
    server = bench.stack.enter_context(subjects.rclone(bench.folder / "rivals", bench.store.port))
    return Case(CASE, server, plan.put(bench, server, _unsigned_payload, size=bench.scale.large))


def _unsigned_payload(method: str, path: str, port: int, more: Headers) -> bytes:
    return signed(method, path, port, more)


def _tus_upload(bench: Bench, server: Server) -> Callable[[], float]:
    version = (b"tus-resumable", b"1.0.0")
    size = bench.scale.large

    def work() -> float:
        with Wire(server.port) as wire:
            announced = [version, (b"upload-length", b"%d" % size), (b"content-length", b"0")]
            made = wire.ask(plain("POST", "/files", server.port, announced), expect=201)
            path = "/" + made.headers["location"].partition("://")[2].partition("/")[2]
            more = [
                version,
                (b"upload-offset", b"0"),
                (b"content-type", b"application/offset+octet-stream"),
                (b"content-length", b"%d" % size),
            ]
            wire.put(plain("PATCH", path, server.port, more), bench.pattern, size, expect=204)
        bench.check_stored(path.rpartition("/")[2], size)
        return size / GiB

    return work
