"""T22 to T27: Upload-Metadata."""

from tests.conformance.tus.trial import SUITE, KiB, Trial, b64
from tests.conformance.wire import Answer, WireError

NEEDS = ("creation",)


def _post(trial: Trial, metadata: str, length: int = 10) -> Answer:
    told = [("Upload-Length", str(length)), ("Upload-Metadata", metadata)]
    return trial.post(told, metadata=False)


def _named(trial: Trial) -> str:
    return f"filename {b64(trial.target.new_name())}"


@SUITE.check(22, "A key without a value is allowed", needs=NEEDS)
def valueless_keys(trial: Trial) -> None:
    for text in (f"{_named(trial)},is_confidential", f"is_confidential,{_named(trial)}"):
        answer = _post(trial, text)
        trial.must(answer.status == 201, f"{text.split(',')[0][:20]}…: answered {answer}")


@SUITE.check(23, "An empty Upload-Metadata is as good as none", needs=NEEDS)
def no_metadata(trial: Trial) -> None:
    empty = _post(trial, "")
    none = trial.post([("Upload-Length", "10")], metadata=False)
    trial.strict(empty.status == 201, f"with an empty Upload-Metadata, POST was answered {empty}")
    trial.strict(none.status == 201, f"without Upload-Metadata, POST was answered {none}")


@SUITE.check(24, "Bad base64, and keys that are doubled, empty or hold a space: 400", needs=NEEDS)
def bad_metadata(trial: Trial) -> None:
    cases = {
        "bad base64": "title not*base64",
        "a key with a space": "ti tle d29ybGQ=",
        "an empty key": "title d29ybGQ=,,other d29ybGQ=",
        "not ASCII": "tïtle d29ybGQ=",
    }
    for what, text in cases.items():
        answer = _post(trial, f"{_named(trial)},{text}")
        trial.must(answer.status == 400, f"{what} was answered {answer}")
    twice = _post(trial, f"{_named(trial)},title d29ybGQ=,title d2VsdA==")
    trial.must(twice.status == 400, f"a key that comes twice was answered {twice}")


@SUITE.check(25, "HEAD echoes Upload-Metadata byte for byte", needs=NEEDS)
def echo(trial: Trial) -> None:
    for text in (
        f"zeta YQ==,{_named(trial)},alpha Yg==",
        f"{_named(trial)},is_confidential,kind dGV4dA==",
        f"{_named(trial)},x-Mixed_Case.1 {b64('é')}",
    ):
        upload = trial.create(10, [("Upload-Metadata", text)], metadata=False)
        found = trial.head(upload.url).get("upload-metadata")
        trial.must(found == text, f"{text!r} came back as {found!r}")


@SUITE.check(26, "Metadata without measure: 400, 413 or 431, and the server goes on", needs=NEEDS)
def huge_metadata(trial: Trial) -> None:
    for size in (64 * KiB, 1024 * KiB):
        try:
            answer = _post(trial, f"{_named(trial)},big {b64(bytes(size * 3 // 4))}")
        except WireError as error:
            trial.saw(f"{size // KiB} KiB: {error}")
            continue
        trial.strict(
            answer.status in {400, 413, 431} or (answer.status == 201 and size < 100 * KiB),
            f"{size // KiB} KiB were answered {answer}",
        )
    again = _post(trial, _named(trial))
    trial.must(again.status == 201, f"afterwards a common POST is answered {again}")


@SUITE.check(27, "Values that aren't ASCII are kept, and reach the store", needs=NEEDS)
def unicode_values(trial: Trial) -> None:
    name = f"{trial.target.new_name()} Größe Ω 数据.txt"
    text = f"filename {b64(name)},note {b64('naïve ✓')}"
    fixed = "{name}" in trial.options.url
    data = trial.data(10)
    upload = trial.create(10, [("Upload-Metadata", text)], metadata=False)
    trial.patched(upload, 0, data)
    found = trial.head(upload.url).get("upload-metadata")
    trial.must(found == text, f"it came back as {found!r}")
    if fixed or "{name}" not in (trial.options.download_url or ""):
        trial.compare(upload, data)
