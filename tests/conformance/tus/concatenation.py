"""T80 and T81: uploads in parallel, made one."""

from urllib.parse import urlsplit

from tests.conformance.tus.trial import SUITE, Trial, Upload
from tests.conformance.wire import Answer

NEEDS = ("creation", "concatenation")
PARTIAL = ("Upload-Concat", "partial")


@SUITE.check(80, "A partial upload: 201, HEAD echoes partial, no object", needs=NEEDS)
def partial(trial: Trial) -> None:
    upload = trial.create(5, [PARTIAL])
    trial.patched(upload, 0, b"12345")
    found = trial.head(upload.url)
    trial.must(found.get("upload-concat") == "partial", f"it is {found.get('upload-concat')!r}")
    if "{name}" in (trial.options.download_url or ""):
        stored = trial.download(upload)
        absent = stored is not None and stored.status in {403, 404, 410}
        trial.should(absent, f"an object is there: {stored}")


def _partial(trial: Trial, data: bytes) -> Upload:
    upload = trial.create(len(data), [PARTIAL])
    trial.patched(upload, 0, data)
    return upload


def _final(trial: Trial, value: str, *more: tuple[str, str]) -> Answer:
    return trial.post([("Upload-Concat", value), *more])


@SUITE.check(
    81, "A final upload: the partial ones in order; nothing else may become one", needs=NEEDS
)
def final(trial: Trial) -> None:
    first, second = _partial(trial, b"first"), _partial(trial, b"the second")
    paths = [urlsplit(one.url).path for one in (first, second)]
    queries = [f"?{q}" if (q := urlsplit(one.url).query) else "" for one in (first, second)]
    local = [path + query for path, query in zip(paths, queries, strict=True)]
    cases = {
        "absolute URLs": (f"final;{first.url} {second.url}", b"firstthe second"),
        "absolute paths": (f"final;{local[1]} {local[0]}", b"the secondfirst"),
    }
    for what, (value, data) in cases.items():
        answer = _final(trial, value)
        if trial.must(answer.status == 201, f"{what}: answered {answer}"):
            _whole(trial, trial.made[-1], data, what)
    for what, value, data in (
        ("one twice", f"final;{first.url} {first.url}", b"firstfirst"),
        ("a space after the semicolon", f"final; {first.url}", b"first"),
    ):
        answer = _final(trial, value)
        if trial.strict(answer.status == 201, f"{what}: answered {answer}"):
            _whole(trial, trial.made[-1], data, what)
    _refused(trial, first)


def _whole(trial: Trial, upload: Upload, data: bytes, what: str) -> None:
    found = trial.head(upload.url)
    length, offset = found.number("upload-length"), found.number("upload-offset")
    trial.must(length == len(data), f"{what}: the length is {length} instead of {len(data)}")
    trial.should(offset in {len(data), None}, f"{what}: the offset is {offset} of {len(data)}")
    if offset == len(data):
        trial.compare(upload, data)
    patched = trial.patch(upload, offset or 0, b"x")
    trial.must(patched.status == 403, f"{what}: PATCH of the final is answered {patched}")


def _refused(trial: Trial, finished: Upload) -> None:
    told = _final(trial, f"final;{finished.url}", ("Upload-Length", "5"))
    trial.must(400 <= told.status < 500, f"final with Upload-Length was answered {told}")
    if not trial.offers("concatenation-unfinished"):
        half = trial.create(10, [PARTIAL])
        early = _final(trial, f"final;{finished.url} {half.url}")
        trial.must(400 <= early.status < 500, f"an unfinished partial was answered {early}")
    common = trial.create(5)
    trial.patched(common, 0, b"12345")
    wrong = _final(trial, f"final;{common.url}")
    trial.should(400 <= wrong.status < 500, f"an upload that isn't partial was answered {wrong}")
    before, slash, last = finished.url.rpartition("/")
    unknown = _final(trial, f"final;{before}{slash}{'0' * len(last)}")
    trial.must(400 <= unknown.status < 500, f"an unknown partial was answered {unknown}")
    for value in ("final", "final;", "something"):
        answer = _final(trial, value)
        trial.must(400 <= answer.status < 500, f"Upload-Concat: {value} was answered {answer}")
