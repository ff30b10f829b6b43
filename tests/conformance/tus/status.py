"""T37 to T42: HEAD."""

import time

from tests.conformance.tus.trial import SUITE, Trial

NEEDS = ("creation",)


@SUITE.check(37, "HEAD: Upload-Offset always, Upload-Length, Cache-Control: no-store", needs=NEEDS)
def says_the_offset(trial: Trial) -> None:
    data = trial.data(10)
    upload = trial.create(10)
    for offset in (0, 5, 10):
        if offset:
            trial.patched(upload, offset - 5, data[offset - 5 : offset])
        answer = trial.head(upload.url)
        trial.must(answer.status in {200, 204}, f"HEAD was answered {answer}")
        told, length = answer.number("upload-offset"), answer.number("upload-length")
        trial.must(told == offset, f"Upload-Offset is {told} of {offset}")
        trial.must(length == 10, f"at {offset}, Upload-Length is {length}")
        cache = (answer.get("cache-control") or "").lower()
        trial.must("no-store" in cache, f"at {offset}, Cache-Control is {cache!r}")


@SUITE.check(38, "HEAD of a deferred length: Upload-Defer-Length: 1, no Upload-Length",
             needs=("creation", "creation-defer-length"))  # fmt: skip
def says_deferred(trial: Trial) -> None:
    upload = trial.create(None)
    answer = trial.head(upload.url)
    trial.must(
        answer.get("upload-defer-length") == "1",
        f"Upload-Defer-Length is {answer.get('upload-defer-length')}",
    )
    trial.must(answer.get("upload-length") is None, "there is an Upload-Length")
    trial.must(answer.number("upload-offset") == 0, "Upload-Offset is not 0")


@SUITE.check(
    39, "HEAD of what is unknown or another's: 404, 410 or 403, no Upload-Offset", needs=NEEDS
)
def unknown(trial: Trial) -> None:
    upload = trial.create(10)
    before, slash, last = upload.url.rpartition("/")
    urls = {"unknown": f"{before}{slash}{'0' * len(last)}", "mistyped": upload.url + "x"}
    for what, url in urls.items():
        answer = trial.head(url)
        good = answer.status in {403, 404, 410}
        trial.should(good, f"HEAD of an {what} upload is answered {answer}")
        trial.must(answer.get("upload-offset") is None, f"an {what} upload has an Upload-Offset")
    if trial.options.other_headers:
        other = trial.exchange_as_other("HEAD", upload.url)
        trial.strict(other.status in {403, 404, 410}, f"another's credentials: answered {other}")


@SUITE.check(40, "HEAD has no body, and its Content-Length says nothing else", needs=NEEDS)
def no_body(trial: Trial) -> None:
    answer = trial.head(trial.create(10).url)
    trial.must(not answer.stray, f"{len(answer.stray)} bytes came after the head")
    length = answer.get("content-length")
    trial.strict(length in {None, "0"}, f"Content-Length is {length}")


@SUITE.check(41, "HEAD echoes Upload-Concat", needs=("creation", "concatenation"))
def says_concat(trial: Trial) -> None:
    partial = trial.create(5, [("Upload-Concat", "partial")])
    found = trial.head(partial.url).get("upload-concat")
    trial.must(found == "partial", f"of a partial upload it is {found!r}")
    trial.patched(partial, 0, b"12345")
    answer = trial.post([("Upload-Concat", f"final;{partial.url}")])
    trial.need(answer.status == 201, f"the final upload was answered {answer}")
    found = trial.head(trial.made[-1].url).get("upload-concat") or ""
    trial.must(found.startswith("final;"), f"of a final upload it is {found!r}")


@SUITE.check(
    42, "HEAD while a PATCH hangs: within a second, and its offset is accepted", needs=NEEDS
)
def while_a_patch_hangs(trial: Trial) -> None:
    data = trial.data(20)
    upload = trial.create(20)
    with trial.begin(upload, 0, 20, data[:7]):
        started = time.monotonic()
        offset = trial.offset(upload)
        seconds = time.monotonic() - started
        trial.must(0 <= offset <= 7, f"HEAD says {offset}, 7 bytes were sent")
        trial.strict(seconds <= 1, f"HEAD took {seconds:.1f} s")
        answer = trial.patch(upload, offset, data[offset:])
        trial.should(
            answer.status == 204, f"HEAD said {offset}, but a PATCH there is answered {answer}"
        )
    trial.saw(f"HEAD took {seconds * 1000:.0f} ms and said {offset} of 7")
    if answer.status == 204:
        trial.compare(upload, data)
