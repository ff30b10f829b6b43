"""Figure 10: uploads in many small pieces, as phones send them: tus, 256 KiB a PATCH.

What they cost beside @tus/server with @tus/s3-store, with the same pieces and the same null S3; and how many bytes move
to and from the store for each that the client sends: on one machine, through one gateway of a fleet (where
what is too little for a part waits in the store), and when every piece meets another gateway of it.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from gateway.units import GiB
from loadtests.bench import subjects
from loadtests.bench.plan import Bench
from loadtests.bench.runs import Case, spread
from loadtests.bench.subjects import Setting
from loadtests.node import PeerMissing
from loadtests.processes import Server, running_module
from loadtests.signing import Headers, plain, signed
from loadtests.wire import Wire

_TUS: Headers = ((b"tus-resumable", b"1.0.0"),)
#: CPU-s per GiB of theirs over ours.
LEAST = 5.0
#: Bytes that may move to and from the store for one of the body.
ONE_GATEWAY, EVERY_OTHER = 2.1, 3.1


def measure(bench: Bench) -> None:
    """CPU first, then the bytes, of a whole large upload each."""
    folder = bench.own_folder("patches")
    _cpu(bench, folder)
    _bytes(bench, folder, "embedded", Setting(name="embedded"), 1, ONE_GATEWAY)
    with subjects.redis(folder) as redis:
        setting = Setting(name="fleet", sessions=f"redis://127.0.0.1:{redis.port}/0")
        _bytes(bench, folder, "a fleet's, always the same", setting, 1, ONE_GATEWAY)
        _bytes(bench, folder, "a fleet's, every time another", setting, 2, EVERY_OTHER)


def _cpu(bench: Bench, folder: Path) -> None:
    size = bench.scale.patched
    sluice = bench.stack.enter_context(subjects.sluice(folder, bench.store.port))
    name = f"{size >> 20} MiB in {bench.scale.patch >> 10} KiB PATCHes"
    cases = [Case(name, sluice, work(bench, bench.store, [sluice], _signed, size))]
    try:
        tus = bench.stack.enter_context(subjects.tus(folder, bench.store.port))
        cases.append(Case(name, tus, work(bench, bench.store, [tus], _bare, size)))
        with Wire(bench.store.port) as wire:
            wire.ask(plain("PUT", f"/{subjects.BUCKET}", bench.store.port))
    except PeerMissing as error:
        bench.note(f"Figure 10: tus is skipped: {error}")
    bench.recorder.interleave("10", cases, min(3, bench.scale.rounds))
    ours = bench.recorder.of("10", name, "sluice")
    bench.found("10", f"{name}: CPU-s per GiB", spread(ours, "cost").text())
    if len(cases) == 1:
        bench.found("10", "tus: CPU-s per GiB over ours", "skipped", f"≥ {LEAST:.0f} ×")
        return
    theirs = bench.recorder.of("10", name, "tus")
    ratio = bench.recorder.ratio(theirs, ours, "cost")
    told, target = f"{ratio.text(1)} ×", f"≥ {LEAST:.0f} ×"
    bench.found("10", "tus: CPU-s per GiB over ours", told, target, ratio.median >= LEAST)
    bench.found("10", "tus: its CPU-s per GiB", spread(theirs, "cost").text())


@dataclass(frozen=True, slots=True)
class Creation:
    """How an upload begins at a server: the path, and the headers' signature."""

    path: str
    sign: Callable[[str, int, Headers], bytes]


def _sign(path: str, port: int, more: Headers) -> bytes:
    return signed("POST", path, port, more)


def _leave(path: str, port: int, more: Headers) -> bytes:
    return plain("POST", path, port, more)


_signed = Creation(f"/-/uploads/{subjects.BUCKET}/patched", _sign)
_bare = Creation("/files", _leave)


def work(
    bench: Bench, store: Server, servers: Sequence[Server], creation: Creation, size: int
) -> Callable[[], float]:
    """Work: one upload of ``size`` bytes in small pieces, each to the next of ``servers``; in GiB."""
    piece = bench.scale.patch

    def upload() -> float:
        announced = [*_TUS, (b"upload-length", b"%d" % size), (b"content-length", b"0")]
        wires = [Wire(server.port) for server in servers]
        head = creation.sign(creation.path, servers[0].port, announced)
        location = wires[0].ask(head, expect=201).headers["location"]
        path = (
            "/" + location.partition("://")[2].partition("/")[2] if "://" in location else location
        )
        turns = cycle(zip(wires, servers, strict=True))
        for at in range(0, size, piece):
            count = min(piece, size - at)
            more = [
                *_TUS,
                (b"upload-offset", b"%d" % at),
                (b"content-type", b"application/offset+octet-stream"),
                (b"content-length", b"%d" % count),
            ]
            wire, server = next(turns)
            wire.put(plain("PATCH", path, server.port, more), bench.pattern, count, expect=204)
        for wire in wires:
            wire.close()
        _check(bench, store, creation, path, size)
        return size / GiB

    return upload


def _check(bench: Bench, store: Server, creation: Creation, path: str, size: int) -> None:
    name = path.rpartition("/")[2] if creation is _bare else creation.path.rpartition("/")[2]
    bench.check_stored(name, size, store)


def _bytes(
    bench: Bench, folder: Path, what: str, setting: Setting, gateways: int, most: float
) -> None:
    """Of one large upload, by a null S3 of its own."""
    size = bench.scale.large
    own = folder / f"{setting.name}-{gateways}"
    own.mkdir()
    with ExitStack() as stack:
        store = stack.enter_context(running_module("null_s3", "loadtests.null_s3", own))
        servers = []
        for number in range(gateways):
            place = own / str(number)
            place.mkdir()
            servers.append(stack.enter_context(subjects.sluice(place, store.port, setting)))
        upload = work(bench, store, servers, _signed, size)
        name = f"{size >> 20} MiB through {gateways} of {setting.name}, the first's CPU"
        case = Case(name, servers[0], upload)
        bench.recorder.measure("10", case)
    told = json.loads(store.log.read_text().splitlines()[-1])
    moved = (told["received"] + told["sent"]) / size
    text = f"{moved:.3f} × in {told['requests']} requests"
    bench.found("10", f"bytes to and from the store, {what}", text, f"≤ {most} ×", moved <= most)
