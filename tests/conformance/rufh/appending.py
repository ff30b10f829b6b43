"""R33 to R44: appending. What is told of progress meanwhile (R43): :mod:`.interim`."""

import json

from tests.conformance.rufh.trial import (
    MORE,
    PARTIAL,
    SUITE,
    complete,
    drafted,
    limits,
)
from tests.conformance.tus.trial import Trial
from tests.conformance.wire import chunked, head


@SUITE.check(33, "An append with ?0: 2xx and ?0")
def appends(trial: Trial) -> None:
    draft = drafted(trial)
    upload = draft.started(10)
    answer = draft.append(upload, 0, b"1234", False)
    trial.must(200 <= answer.status < 300, f"it was answered {answer}")
    trial.must(complete(answer) is False, f"Upload-Complete is {answer.get('upload-complete')}")
    offset = answer.number("upload-offset")
    trial.should(offset == 4, f"Upload-Offset is {offset}")
    draft.is_at(upload, 4, "an append of 4 bytes")


@SUITE.check(34, "The last append: the object's own answer with ?1, also when that is an error")
def last(trial: Trial) -> None:
    draft = drafted(trial)
    data = trial.data(10)
    upload = draft.started(10, data[:4])
    answer = draft.append(upload, 4, data[4:], True)
    trial.must(200 <= answer.status < 300, f"the last was answered {answer}")
    trial.must(complete(answer) is True, f"Upload-Complete is {answer.get('upload-complete')}")
    trial.compare(upload, data)
    if draft.method == "POST":
        return
    # A condition that holds at the beginning, and no more at the end.
    name = trial.target.new_name()
    made = draft.begin_upload([MORE, ("If-None-Match", "*")], data[:4], name)
    trial.need(200 <= made.status < 300, f"a creation with If-None-Match was answered {made}")
    meanwhile = trial.request(draft.method, trial.target.creation_url(name), (), b"another")
    trial.need(200 <= meanwhile.status < 300, f"a plain request was answered {meanwhile}")
    refused = draft.append(trial.made[-1], 4, data[4:], True)
    trial.must(refused.status == 412, f"though there is an object now it was answered {refused}")
    trial.must(complete(refused) is True, f"Upload-Complete is {refused.get('upload-complete')}")
    trial.compare(trial.made[-1], b"another")


@SUITE.check(35, "Another offset: 409, ?0, Upload-Offset, a problem")
def mismatch(trial: Trial) -> None:
    draft = drafted(trial)
    upload = draft.started(10, b"12345")
    for offset in (0, 7):
        answer = draft.append(upload, offset, b"abc", False)
        trial.must(answer.status == 409, f"{offset} at 5 was answered {answer}")
        trial.must(
            answer.number("upload-offset") == 5, f"Upload-Offset is {answer.get('upload-offset')}"
        )
        trial.must(complete(answer) is False, f"Upload-Complete is {answer.get('upload-complete')}")
        try:
            problem = json.loads(answer.body)
        except ValueError:
            trial.should(False, "the body is no problem document")
            continue
        told = (problem.get("expected-offset"), problem.get("provided-offset"))
        trial.should(told == (5, offset), f"the problem says {told}")
        trial.should(
            "mismatching-upload-offset" in problem.get("type", ""),
            f"its type is {problem.get('type')}",
        )
    draft.is_at(upload, 5, "that")


@SUITE.check(36, "An append without Upload-Offset or Upload-Complete: 400")
def missing(trial: Trial) -> None:
    upload = drafted(trial).started(10)
    content = ("Content-Type", PARTIAL)
    for what, told in (
        ("Upload-Complete", [("Upload-Offset", "0"), content]),
        ("Upload-Offset", [MORE, content]),
    ):
        answer = trial.request("PATCH", upload.url, told, b"12345")
        trial.must(answer.status == 400, f"without {what} it was answered {answer}")


@SUITE.check(37, "An append of another media type: 415")
def media_type(trial: Trial) -> None:
    upload = drafted(trial).started(10)
    told = [("Upload-Offset", "0"), MORE, ("Content-Type", "application/octet-stream")]
    answer = trial.request("PATCH", upload.url, told, b"12345")
    trial.should(answer.status == 415, f"it was answered {answer}")


@SUITE.check(38, "More than the length: refused, and the upload is no more")
def too_long(trial: Trial) -> None:
    draft = drafted(trial)
    for how in ("Content-Length", "chunked"):
        upload = draft.started(10, b"12345")
        if how == "chunked":
            told = [
                ("Upload-Offset", "5"),
                MORE,
                ("Content-Type", PARTIAL),
                ("Transfer-Encoding", "chunked"),
            ]
            raw = head("PATCH", upload.url, trial.fields(told)) + chunked([bytes(8)])
            answer = trial.exchange("PATCH", upload.url, raw)
        else:
            answer = draft.append(upload, 5, bytes(8), False)
        trial.must(400 <= answer.status < 500, f"{how}: 13 bytes of 10 were answered {answer}")
        for what, after in (
            ("HEAD", trial.head(upload.url)),
            ("PATCH", draft.append(upload, 5, b"67890", True)),
        ):
            trial.must(
                after.status in {400, 404, 410}, f"{how}: {what} afterwards was answered {after}"
            )


@SUITE.check(39, "?1 before the length is reached: 400, inconsistent")
def too_short(trial: Trial) -> None:
    draft = drafted(trial)
    upload = draft.started(10)
    answer = draft.append(upload, 0, b"12345", True)
    trial.must(answer.status == 400, f"?1 with 5 of 10 was answered {answer}")
    trial.must(complete(answer) is not True, "Upload-Complete is ?1")


@SUITE.check(40, "Nothing with ?1 where the length is reached completes")
def ends(trial: Trial) -> None:
    draft = drafted(trial)
    data = trial.data(10)
    upload = draft.started(10, data)
    last = draft.append(upload, 10, b"", True)
    trial.must(200 <= last.status < 300, f"nothing with ?1 was answered {last}")
    trial.must(complete(last) is True, f"Upload-Complete is {last.get('upload-complete')}")
    trial.compare(upload, data)


@SUITE.check(41, "All bytes with ?0 are not complete")
def not_yet(trial: Trial) -> None:
    draft = drafted(trial)
    upload = draft.started(10)
    full = draft.append(upload, 0, bytes(10), False)
    trial.must(200 <= full.status < 300, f"all of it with ?0 was answered {full}")
    trial.must(complete(full) is False, f"Upload-Complete is {full.get('upload-complete')}")
    trial.must(complete(trial.head(upload.url)) is False, "it is complete without ?1")
    found = trial.download(upload)
    published = found is not None and found.status == 200
    trial.must(not published, "the object is there without ?1")


@SUITE.check(42, "Appends are held to the limits that were told, and to no others")
def sizes(trial: Trial) -> None:
    draft = drafted(trial)
    told = limits(trial.request("OPTIONS", trial.target.creation_url("any"))) or {}
    most, least = told.get("max-append-size"), told.get("min-append-size", 0)
    large = trial.data(trial.options.large)
    if most is None:
        upload = draft.started(len(large))
        answer = draft.append(upload, 0, large, True)
        trial.must(200 <= answer.status < 300, f"{len(large)} bytes at once: {answer}")
        trial.compare(upload, large)
    elif most < len(large):
        answer = draft.append(draft.started(most + 1), 0, large[: most + 1], True)
        trial.must(answer.status == 413, f"more than max-append-size was answered {answer}")
        trial.must(limits(answer) is not None, f"Upload-Limit is {answer.get('upload-limit')}")
    answer = draft.append(draft.started(100), 0, b"1", False)
    if least > 1:
        refused = 400 <= answer.status < 500
        trial.must(refused, f"less than min-append-size was answered {answer}")
    else:
        trial.must(200 <= answer.status < 300, f"one byte was answered {answer}")


@SUITE.check(
    44, "The last append again, after its answer was lost: the same answer, or 409 elsewhere"
)
def again(trial: Trial) -> None:
    draft = drafted(trial)
    upload = draft.started(10)
    first = draft.append(upload, 0, bytes(10), True)
    trial.need(200 <= first.status < 300, f"the append was answered {first}")
    repeated = draft.append(upload, 10, b"", True)
    trial.should(repeated.status in {first.status, 404, 410}, f"nothing at the end: {repeated}")
    wrong = draft.append(upload, 3, b"abc", True)
    trial.must(
        400 <= wrong.status < 500, f"an append at 3 of a complete upload was answered {wrong}"
    )
