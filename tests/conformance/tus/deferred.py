"""T65 to T70: a length that is told later."""

from tests.conformance.tus.trial import SUITE, Trial

NEEDS = ("creation", "creation-defer-length")
LATER = 510 * 10**9


@SUITE.check(65, "PATCH without a length: 204", needs=NEEDS)
def no_length(trial: Trial) -> None:
    upload = trial.create(None)
    trial.patched(upload, 0, b"12345")
    offset = trial.offset(upload)
    trial.must(offset == 5, f"HEAD says {offset}")


@SUITE.check(66, "PATCH with Upload-Length: fixed from then, no Upload-Defer-Length", needs=NEEDS)
def fixed(trial: Trial) -> None:
    data = trial.data(10)
    upload = trial.create(None)
    trial.patched(upload, 0, data[:5])
    trial.patched(upload, 5, data[5:7], [("Upload-Length", "10")])
    answer = trial.head(upload.url)
    length = answer.number("upload-length")
    trial.must(length == 10, f"HEAD says a length of {length}")
    deferred = answer.get("upload-defer-length")
    trial.must(deferred is None, f"HEAD still says Upload-Defer-Length: {deferred}")
    trial.patched(upload, 7, data[7:])
    trial.compare(upload, data)


@SUITE.check(67, "A second, other Upload-Length: 400", needs=NEEDS)
def twice(trial: Trial) -> None:
    upload = trial.create(None)
    trial.patched(upload, 0, b"12345", [("Upload-Length", "10")])
    other = trial.patch(upload, 5, b"6", [("Upload-Length", "12")])
    trial.must(400 <= other.status < 500, f"12 after 10 was answered {other}")
    trial.strict(other.status in {400, 204}, f"12 after 10 was answered {other}")
    length = trial.head(upload.url).number("upload-length")
    trial.must(length == 10, f"HEAD says a length of {length}")


@SUITE.check(68, "Upload-Length below the offset: 400; above the limit: 413", needs=NEEDS)
def out_of_bounds(trial: Trial) -> None:
    upload = trial.create(None)
    trial.patched(upload, 0, b"12345")
    below = trial.patch(upload, 5, b"", [("Upload-Length", "3")])
    trial.strict(below.status == 400, f"3 at 5 was answered {below}")
    length = trial.head(upload.url).number("upload-length")
    trial.must(length is None or length >= 5, f"HEAD says a length of {length} at 5")
    if trial.target.max_size:
        above = trial.patch(upload, 5, b"", [("Upload-Length", str(trial.target.max_size + 1))])
        trial.must(above.status == 413, f"more than Tus-Max-Size was answered {above}")


@SUITE.check(69, "PATCH of nothing with Upload-Length = offset: complete", needs=NEEDS)
def ends(trial: Trial) -> None:
    data = trial.data(5)
    upload = trial.create(None)
    trial.patched(upload, 0, data)
    answer = trial.patch(upload, 5, b"", [("Upload-Length", "5")])
    trial.must(answer.status == 204, f"it was answered {answer}")
    found = trial.head(upload.url)
    trial.must(
        (found.number("upload-offset"), found.number("upload-length")) == (5, 5),
        f"HEAD says {found.get('upload-offset')} of {found.get('upload-length')}",
    )
    trial.compare(upload, data)


@SUITE.check(70, "A deferred length may become larger than 10,000 small parts", needs=NEEDS)
def horizon(trial: Trial) -> None:
    if trial.target.max_size and trial.target.max_size < LATER:
        trial.skip(f"Tus-Max-Size is {trial.target.max_size}")
    upload = trial.create(None)
    answer = trial.patch(upload, 0, b"12345", [("Upload-Length", str(LATER))])
    trial.must(answer.status == 204, f"510 GB told with the first PATCH is answered {answer}")
    trial.saw("510 GB are accepted; whether all of them can be sent is not tried")
