"""Figure 3: what verification adds to a large PUT: a signed SHA-256, chunked transfer, a checksum for the store."""

from functools import partial

from loadtests.bench import plan, subjects
from loadtests.bench.plan import Bench
from loadtests.bench.runs import Case, Spread
from loadtests.bench.subjects import Setting
from loadtests.signing import presigned, signed

BASE = "PUT, presigned"
SIGNED = "PUT, signed SHA-256"
CHUNKED = "PUT, chunked"
CHECKSUM = "PUT, CRC64NVME to the store"


def measure(bench: Bench) -> None:
    """Two gateways: one of them sends checksums to the store."""
    folder, size = bench.own_folder("payloads"), bench.scale.large
    sluice = bench.stack.enter_context(subjects.sluice(folder, bench.store.port))
    setting = Setting(name="sluice-crc64", checksums="crc64nvme")
    checking = bench.stack.enter_context(subjects.sluice(folder, bench.store.port, setting))
    digest = bench.pattern.sha256(size)

    def with_sha(method: str, path: str, port: int, more: plan.signing.Headers) -> bytes:
        return signed(method, path, port, more, digest)

    put = partial(plan.put, bench, size=size)
    recorder = bench.recorder
    recorder.interleave(
        "3",
        [
            Case(BASE, sluice, put(sluice, presigned)),
            Case(SIGNED, sluice, put(sluice, with_sha)),
            Case(CHUNKED, sluice, put(sluice, presigned, chunked=True)),
            Case(CHECKSUM, checking, put(checking, presigned)),
        ],
        bench.scale.rounds,
    )
    base = recorder.of("3", BASE, "sluice")
    for case, subject, most in (
        (SIGNED, "sluice", 0.7),
        (CHUNKED, "sluice", 0.3),
        (CHECKSUM, "sluice-crc64", 0.1),
    ):
        runs = recorder.of("3", case, subject)
        extra = Spread.of([run.cost - plain.cost for run, plain in zip(runs, base, strict=True)])
        what = f"{case.removeprefix('PUT, ')}: extra CPU-s per GiB"
        bench.found("3", what, extra.text(), f"≤ {most}", extra.median <= most)
    chunked = recorder.ratio(recorder.of("3", CHUNKED, "sluice"), base, "rate")
    bench.found(
        "3",
        "chunked: rate against Content-Length",
        f"{chunked.text()} ×",
        "≥ 0.5 ×",
        chunked.median >= 0.5,
    )
