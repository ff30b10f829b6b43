"""R4 to R9: what is told before an upload begins."""

from tests.conformance.rufh.trial import SUITE, drafted, limits
from tests.conformance.tus.trial import Trial
from tests.conformance.wire import Answer, Connection, head

KNOWN = {"max-size", "min-size", "max-append-size", "min-append-size", "max-age"}
#: Seconds that may pass between two answers.
_PASSED = 5


def told(trial: Trial) -> Answer:
    """What OPTIONS says where an upload begins."""
    return trial.request("OPTIONS", trial.target.creation_url("any"))


@SUITE.check(4, "Upload-Limit is a dictionary of integers of known names, wherever it stands")
def dictionary(trial: Trial) -> None:
    upload = drafted(trial).started(10)
    for what, answer in (
        ("OPTIONS", told(trial)),
        ("the creation", upload.answer),
        ("HEAD", trial.head(upload.url)),
        *(("104", one) for one in upload.answer.early if one.get("location")),
    ):
        found = limits(answer)
        trial.must(found is not None, f"{what}: Upload-Limit is {answer.get('upload-limit')!r}")
        unknown = sorted(set(found or ()) - KNOWN)
        trial.strict(not unknown, f"{what}: unknown limits {unknown}")


@SUITE.check(5, "OPTIONS where an upload begins: 2xx with Upload-Limit")
def discovery(trial: Trial) -> None:
    answer = told(trial)
    trial.must(200 <= answer.status < 300, f"OPTIONS was answered {answer}")
    trial.must(limits(answer) is not None, f"Upload-Limit is {answer.get('upload-limit')!r}")
    trial.saw(f"Upload-Limit: {answer.get('upload-limit')}")


@SUITE.check(6, "Upload-Limit is there without any limit too: min-size=0")
def no_limits(trial: Trial) -> None:
    upload = drafted(trial).started(10)
    for what, answer in (("OPTIONS", told(trial)), ("HEAD", trial.head(upload.url))):
        trial.must(bool(limits(answer)), f"{what}: Upload-Limit is {answer.get('upload-limit')!r}")


@SUITE.check(7, "OPTIONS *: the same limits, where all resources have them")
def whole_server(trial: Trial) -> None:
    url = trial.target.creation_url("any")
    raw = head("OPTIONS", url, trial.fields())
    raw = b"OPTIONS * HTTP/1.1\r\n" + raw.partition(b"\r\n")[2]
    with Connection(url, insecure=trial.options.insecure) as link:
        link.send(raw)
        answer = link.answer("OPTIONS")
    trial.should(200 <= answer.status < 300, f"OPTIONS * was answered {answer}")
    trial.should(
        limits(answer) is not None and limits(answer) == limits(told(trial)),
        f"Upload-Limit of * is {answer.get('upload-limit')!r}",
    )


@SUITE.check(8, "What an upload is held to later is no narrower than what OPTIONS said")
def honest(trial: Trial) -> None:
    before = limits(told(trial)) or {}
    upload = drafted(trial).started(10)
    for what, answer in (("creation", upload.answer), ("HEAD", trial.head(upload.url))):
        later = limits(answer) or {}
        for name in ("max-size", "max-append-size", "max-age"):
            passed = _PASSED if name == "max-age" else 0
            narrower = name in later and later[name] < before.get(name, later[name]) - passed
            trial.should(not narrower, f"{name}: {before.get(name)}, at {what} {later.get(name)}")
        for name in ("min-size", "min-append-size"):
            narrower = later.get(name, 0) > before.get(name, 0)
            trial.should(not narrower, f"{name}: {before.get(name)}, at {what} {later.get(name)}")
    if "max-size" in before:
        largest = drafted(trial).started(before["max-size"])
        trial.saw(f"{before['max-size']} bytes were begun: {largest.answer}")


@SUITE.check(9, "Nobody has to be told Accept-Patch before an append")
def no_accept_patch(trial: Trial) -> None:
    named = told(trial).words("accept-patch")
    wrong = named and "application/partial-upload" not in named
    trial.should(not wrong, f"Accept-Patch is {named}, without application/partial-upload")
    draft = drafted(trial)
    upload = draft.started(5)
    answer = draft.append(upload, 0, b"12345", True)
    trial.must(200 <= answer.status < 300, f"an append was answered {answer}")
