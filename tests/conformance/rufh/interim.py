"""R11, R12, R15, R16, R23, R43: interim responses."""

import time

from tests.conformance.rufh.trial import (
    DONE,
    INTEROP,
    MORE,
    PARTIAL,
    SUITE,
    DraftTarget,
    complete,
    drafted,
    limits,
)
from tests.conformance.tus.trial import SETTLE, Trial
from tests.conformance.wire import Answer, Connection, head


def begun(trial: Trial, length: int, *more: tuple[str, str]) -> tuple[Connection, str, str]:
    """A creation of ``length`` bytes of which none is sent: the connection, its URL and its name."""
    target = trial.target
    assert isinstance(target, DraftTarget)
    name = target.new_name()
    url = target.creation_url(name)
    link = trial.connect(url)
    fields = trial.fields([DONE, ("Content-Length", str(length)), *more])
    link.send(head(target.method, url, fields))
    return link, url, name


def progress(link: Connection, patience: float) -> Answer | None:
    """The next interim response with an offset; None: none came."""
    deadline = time.monotonic() + patience
    while (left := deadline - time.monotonic()) > 0:
        found = link.early(timeout=left)
        if found is None or found.get("upload-offset") is not None:
            return found
    return None


def is_progress(trial: Trial, told: Answer | None, sent: int) -> int:
    """Hold a 104 with an offset to what was sent; answers the offset.

    Raises:
        Stopped: there is none.
    """
    trial.need(told is not None, f"no 104 with Upload-Offset came for {sent} bytes")
    assert told is not None
    offset = told.number("upload-offset")
    trial.must(told.status == 104, f"Upload-Offset came in a {told}")
    trial.must(offset is not None and 0 < offset <= sent, f"Upload-Offset is {offset} of {sent}")
    trial.must(told.get(INTEROP[0]) == "8", f"{INTEROP[0]} is {told.get(INTEROP[0])}")
    return offset or 0


@SUITE.check(11, "With interop version 8: 104 with Location before the body is read")
def interim(trial: Trial) -> None:
    link, _, _ = begun(trial, 10)
    with link:
        told = link.early(timeout=3)
        link.send(b"1234567890")
        link.answer()
    if told is None or told.status != 104:
        trial.stop(f"there is no 104 before the body: {told}")
    trial.must(told.get("location") is not None, "104 without Location")
    trial.must(told.get(INTEROP[0]) == "8", f"{INTEROP[0]} of the 104 is {told.get(INTEROP[0])}")
    trial.must(limits(told) is not None, f"Upload-Limit of the 104 is {told.get('upload-limit')}")


@SUITE.check(12, "Without an interop version, or of another: no 104")
def no_interim(trial: Trial) -> None:
    data = trial.data(trial.options.large)
    for value in ("", "2"):
        answer = drafted(trial).begin_upload([DONE, (INTEROP[0], value)], data)
        told = 104 in answer.interim
        trial.must(not told, f"version {value or 'none'} was answered 104 all the same")


@SUITE.check(15, "104 and final response name the same Location")
def one_location(trial: Trial) -> None:
    upload = drafted(trial).started(10, b"12345")
    early = [one.get("location") for one in upload.answer.early if one.get("location")]
    trial.should(bool(early), "there is no 104 with Location")
    final = upload.answer.get("location")
    trial.must(all(one == final for one in early), f"104 said {early}, the answer {final}")


@SUITE.check(16, "104 with Upload-Offset while a creation's body comes; what it says is kept")
def creation_progress(trial: Trial) -> None:
    data = trial.data(trial.options.large)
    link, url, name = begun(trial, len(data))
    with link:
        told = link.early(timeout=3)
        trial.need(told is not None and told.get("location") is not None, "no 104 with Location")
        assert told is not None
        upload = drafted(trial).kept(url, told.get("location") or "", name)
        link.send(data[:-1])
        offset = is_progress(trial, progress(link, trial.options.patience), len(data) - 1)
        link.cut()
    time.sleep(SETTLE)
    after = trial.offset(upload)
    trial.must(after >= offset, f"104 said {offset}, HEAD says {after}")
    last = drafted(trial).append(upload, after, data[after:], True)
    trial.must(200 <= last.status < 300, f"the rest was answered {last}")
    trial.compare(upload, data)


@SUITE.check(23, "Expect: 100-continue: 100 is sent, also when 104 is")
def expected(trial: Trial) -> None:
    link, _, _ = begun(trial, 10, ("Expect", "100-continue"))
    with link:
        seen = []
        while (found := link.interim(timeout=2)) is not None:
            seen.append(found)
            if found == 100:
                break
        trial.must(100 in seen, f"before the body came {seen}")
        trial.should(104 in seen, f"before the body came {seen}")
        link.send(b"1234567890")
        answer = link.answer()
    trial.must(200 <= answer.status < 300, f"the whole was answered {answer}")


@SUITE.check(43, "104 with Upload-Offset while an append's body comes: without Location")
def append_progress(trial: Trial) -> None:
    draft = drafted(trial)
    data = trial.data(trial.options.large)
    upload = draft.started(len(data))
    told = [
        ("Upload-Offset", "0"), DONE, ("Content-Type", PARTIAL), ("Content-Length", str(len(data))),
    ]  # fmt: skip
    with trial.connect(upload.url) as link:
        link.send(head("PATCH", upload.url, trial.fields(told)) + data[:-1])
        found = progress(link, trial.options.patience)
        is_progress(trial, found, len(data) - 1)
        assert found is not None
        trial.must(found.get("location") is None, f"it has a Location: {found.get('location')}")
        link.send(data[-1:])
        answer = link.answer("PATCH")
    trial.must(200 <= answer.status < 300, f"the append was answered {answer}")
    trial.must(complete(answer) is True, f"Upload-Complete is {answer.get('upload-complete')}")
    trial.compare(upload, data)
    quiet = trial.request(
        "PATCH",
        draft.started(5).url,
        [("Upload-Offset", "0"), MORE, ("Content-Type", PARTIAL), (INTEROP[0], "")],
        b"12345",
    )
    trial.must(104 not in quiet.interim, "an append without a version was answered 104")
