"""T75 to T78: a PATCH that carries its digest."""

import hashlib
import time
import zlib
from collections.abc import Callable
from typing import Final

from tests.conformance.tus.trial import BODY, SETTLE, SUITE, Trial, b64
from tests.conformance.wire import chunked, head

NEEDS = ("creation", "checksum")
DIGESTS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    **{
        name: lambda data, name=name: hashlib.new(name, data).digest()  # type: ignore[misc]
        for name in ("md5", "sha1", "sha256", "sha384", "sha512")
    },
}


def digest(algorithm: str, data: bytes) -> str:
    """The value of Upload-Checksum."""
    return f"{algorithm} {b64(DIGESTS[algorithm](data))}"


@SUITE.check(
    75,
    "Upload-Checksum: right 204, wrong 460, unknown or malformed 400, offset unchanged",
    needs=NEEDS,
)
def checksums(trial: Trial) -> None:
    known = [name for name in trial.target.algorithms if name in DIGESTS]
    trial.need(bool(known), f"no algorithm that is known here: {trial.target.algorithms}")
    for algorithm in known:
        data = trial.data(20)
        upload = trial.create(20)
        trial.patched(upload, 0, data[:10], [("Upload-Checksum", digest(algorithm, data[:10]))])
        wrong = trial.patch(upload, 10, data[10:], [("Upload-Checksum", digest(algorithm, b"no"))])
        trial.must(wrong.status == 460, f"a wrong {algorithm} was answered {wrong}")
        offset = trial.offset(upload)
        trial.must(offset == 10, f"a wrong {algorithm} moved the offset to {offset}")
        trial.patched(upload, offset, data[offset:])
        trial.compare(upload, data)
    upload = trial.create(20)
    for value in (
        f"foo42 {b64(b'1234')}", "sha1", "sha1 not*base64", f"sha1 {b64(b'short')}", "",
    ):  # fmt: skip
        answer = trial.patch(upload, 0, b"1234567890", [("Upload-Checksum", value)])
        trial.must(answer.status == 400, f"Upload-Checksum {value!r} was answered {answer}")
    offset = trial.offset(upload)
    trial.must(offset == 0, f"what was refused moved the offset to {offset}")
    trial.saw(f"tried: {', '.join(known)}")


@SUITE.check(76, "A wrong checksum of a chunk of several parts: none of it counts", needs=NEEDS)
def large(trial: Trial) -> None:
    size = trial.options.large
    data = trial.data(size)
    upload = trial.create(size + 1000)
    trial.patched(upload, 0, data[:1000])
    wrong = trial.patch(
        upload, 1000, data, [("Upload-Checksum", digest("sha1", b"no"))], timeout=60
    )
    trial.must(wrong.status == 460, f"it was answered {wrong}")
    offset = trial.offset(upload)
    trial.must(offset == 1000, f"HEAD says {offset} instead of 1000")
    if offset == 1000:
        trial.finish(upload, data[:1000] + data)


@SUITE.check(77, "A chunk with a checksum that breaks off: nothing of it is kept", needs=NEEDS)
def breaks_off(trial: Trial) -> None:
    data = trial.data(20)
    upload = trial.create(20)
    told = [
        ("Upload-Offset", "0"),
        ("Content-Type", BODY),
        ("Content-Length", "20"),
        ("Upload-Checksum", digest("sha1", data)),
    ]
    with trial.connect(upload.url) as link:
        link.send(head("PATCH", upload.url, trial.fields(told)) + data[:7])
        time.sleep(SETTLE)
        link.hang_up()
    time.sleep(SETTLE)
    offset = trial.offset(upload)
    trial.must(offset == 0, f"HEAD says {offset}: that can't have been verified")
    trial.finish(upload, data)


@SUITE.check(
    78,
    "The checksum as a trailer: right 204, wrong 460, both 400",
    needs=("creation", "checksum-trailer"),
)
def trailers(trial: Trial) -> None:
    data = trial.data(10)
    cases = (
        (204, digest("sha1", data), ()),
        (460, digest("sha1", b"no"), ()),
        (400, digest("sha1", data), (("Upload-Checksum", digest("sha1", data)),)),
    )
    for wanted, value, more in cases:
        upload = trial.create(10)
        told = [
            ("Upload-Offset", "0"),
            ("Content-Type", BODY),
            ("Transfer-Encoding", "chunked"),
            ("Trailer", "Upload-Checksum"),
            *more,
        ]
        body = chunked([data], [("Upload-Checksum", value)])
        raw = head("PATCH", upload.url, trial.fields(told)) + body
        answer = trial.exchange("PATCH", upload.url, raw)
        what = {204: "a right one", 460: "a wrong one", 400: "a leading one beside it"}[wanted]
        good = answer.status == wanted
        level = trial.strict if wanted == 400 else trial.must
        level(good, f"{what} was answered {answer}")
        offset = trial.offset(upload)
        kept = 10 if answer.status == 204 else 0
        trial.must(offset == kept, f"after {what}, HEAD says {offset}")
