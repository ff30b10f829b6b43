"""R1 to R25: syntax, discovery, creation."""

import time

from tests.conformance.rufh.trial import (
    DONE,
    INTEROP,
    MORE,
    SUITE,
    DraftTarget,
    complete,
    drafted,
    limits,
)
from tests.conformance.tus.trial import SETTLE, Trial
from tests.conformance.wire import head

KNOWN = {"max-size", "min-size", "max-append-size", "min-append-size", "max-age"}


@SUITE.check(1, "Upload-Complete of another type, or in two lines, is ignored")
def other_types(trial: Trial) -> None:
    draft = drafted(trial)
    upload = draft.started(10)
    for value in ("1", '"?1"', "true"):
        told = [
            ("Upload-Offset", "0"),
            ("Upload-Complete", value),
            ("Content-Type", "application/partial-upload"),
        ]
        answer = trial.request("PATCH", upload.url, told, b"12345")
        trial.must(
            answer.status == 400, f"an append with Upload-Complete: {value} was answered {answer}"
        )
    twice = draft.append(upload, 0, b"12345", False, [DONE])
    trial.must(twice.status == 400, f"an append with two Upload-Complete was answered {twice}")
    draft.is_at(upload, 0, "those")


@SUITE.check(2, "A negative or decimal Upload-Offset counts as none: 400")
def bad_offsets(trial: Trial) -> None:
    draft = drafted(trial)
    upload = draft.started(10)
    for value in ("-1", "1.5", "abc", '"0"'):
        answer = draft.append(upload, value, b"12345", False)
        trial.must(answer.status == 400, f"Upload-Offset: {value} was answered {answer}")
    draft.is_at(upload, 0, "those")


@SUITE.check(3, "Parameters of items are ignored")
def parameters(trial: Trial) -> None:
    draft = drafted(trial)
    upload = draft.started(10)
    answer = draft.append(upload, "0;a=1", b"12345", False)
    trial.must(200 <= answer.status < 300, f"Upload-Offset: 0;a=1 was answered {answer}")
    draft.is_at(upload, 5, "that")


@SUITE.check(5, "OPTIONS: 2xx with Upload-Limit, a dictionary of integers (R4, R6)")
def discovery(trial: Trial) -> None:
    answer = trial.request("OPTIONS", trial.target.creation_url("any"))
    trial.must(200 <= answer.status < 300, f"OPTIONS was answered {answer}")
    found = limits(answer)
    trial.need(found is not None, f"Upload-Limit is {answer.get('upload-limit')!r}")
    trial.strict(set(found or ()) <= KNOWN, f"unknown limits: {sorted(set(found or ()) - KNOWN)}")
    trial.saw(f"Upload-Limit: {answer.get('upload-limit')}")


@SUITE.check(10, "The whole with Upload-Complete: ?1: the resource's own answer, with ?1")
def whole(trial: Trial) -> None:
    draft = drafted(trial)
    data = trial.data(1000)
    answer = draft.begin_upload([DONE], data)
    trial.must(200 <= answer.status < 300, f"it was answered {answer}")
    trial.must(complete(answer) is True, f"Upload-Complete is {answer.get('upload-complete')}")
    if trial.made:
        trial.compare(trial.made[-1], data)


@SUITE.check(11, "With interop version 8: 104 with Location before the body is read")
def interim(trial: Trial) -> None:
    target = trial.target
    assert isinstance(target, DraftTarget)
    url = target.creation_url(target.new_name())
    fields = trial.fields([DONE, ("Content-Length", "10")])
    with trial.connect(url) as link:
        link.send(head(target.method, url, fields))
        time.sleep(SETTLE)
        link.send(b"1234567890")
        answer = link.answer(target.method)
    told = next((one for one in answer.early if one.status == 104), None)
    if told is None:
        trial.stop("there is no 104")
    trial.must(told.get("location") is not None, "104 without Location")
    trial.must(told.get(INTEROP[0]) == "8", f"{INTEROP[0]} of the 104 is {told.get(INTEROP[0])}")
    trial.should(limits(told) is not None, f"Upload-Limit of the 104 is {told.get('upload-limit')}")


@SUITE.check(12, "Without an interop version, or of another: no 104")
def no_interim(trial: Trial) -> None:
    for value in ("", "2"):
        answer = drafted(trial).begin_upload([DONE, (INTEROP[0], value)], b"1234567890")
        told = 104 in answer.interim
        trial.must(not told, f"version {value or 'none'} was answered 104 all the same")


@SUITE.check(13, "?0: 201, Location, Upload-Limit, Upload-Complete: ?0, Upload-Offset")
def part(trial: Trial) -> None:
    draft = drafted(trial)
    upload = draft.started(10, b"12345")
    answer = upload.answer
    trial.should(answer.status == 201, f"it was answered {answer}")
    trial.must(answer.get("location") is not None, "there is no Location")
    trial.must(complete(answer) is False, f"Upload-Complete is {answer.get('upload-complete')}")
    trial.must(limits(answer) is not None, f"Upload-Limit is {answer.get('upload-limit')}")
    offset = answer.number("upload-offset")
    trial.should(offset == 5, f"Upload-Offset is {offset}")
    early = [one.get("location") for one in answer.early if one.status == 104]
    same = all(one == answer.get("location") for one in early)
    trial.must(same, f"the Locations of 104 and 201 differ (R15): {early}")
    draft.is_at(upload, 5, "that")


@SUITE.check(14, "?0 with an empty body: 201, offset 0")
def careful(trial: Trial) -> None:
    draft = drafted(trial)
    upload = draft.started(10)
    trial.should(upload.answer.status == 201, f"it was answered {upload.answer}")
    draft.is_at(upload, 0, "that")


@SUITE.check(17, "?1 with another Upload-Length than Content-Length: 400, a problem")
def inconsistent(trial: Trial) -> None:
    answer = drafted(trial).begin_upload([DONE, ("Upload-Length", "100")], bytes(60))
    trial.must(answer.status == 400, f"60 bytes as the whole of 100 were answered {answer}")
    trial.must(complete(answer) is not True, "Upload-Complete is ?1")
    trial.should(b"inconsistent-upload-length" in answer.body, "the body is no such problem")


@SUITE.check(18, "Upload-Length above max-size: 413 or 400")
def above(trial: Trial) -> None:
    limit = (limits(trial.request("OPTIONS", trial.target.creation_url("any"))) or {}).get(
        "max-size"
    )
    if limit is None or limit >= 10**15 - 1:
        trial.skip("there is no max-size")
    answer = drafted(trial).begin_upload([MORE, ("Upload-Length", str(limit + 1))], b"")
    trial.must(answer.status in {400, 413}, f"{limit + 1} of {limit} was answered {answer}")
    trial.must(answer.get("location") is None, "there is a Location")


@SUITE.check(22, "A creation that breaks off: the bytes are kept, not complete")
def breaks_off(trial: Trial) -> None:
    target = trial.target
    assert isinstance(target, DraftTarget)
    name = target.new_name()
    url = target.creation_url(name)
    with trial.connect(url) as link:
        link.send(
            head(target.method, url, trial.fields([DONE, ("Content-Length", "20")])) + b"1234567"
        )
        told = link.early(timeout=3)
        time.sleep(SETTLE)
        link.hang_up()
    if told is None or told.get("location") is None:
        trial.skip("there is no 104 that says where it is")
    time.sleep(SETTLE)
    upload = drafted(trial).kept(url, told.get("location") or "", name)
    answer = trial.head(upload.url)
    trial.must(complete(answer) is False, f"Upload-Complete is {answer.get('upload-complete')}")
    offset = answer.number("upload-offset")
    trial.should(offset == 7, f"HEAD says {offset} of the 7 bytes that were sent")
