"""R1 to R3, R10 to R25: syntax, creation. What is told of progress meanwhile: :mod:`.interim`."""

from tests.conformance.rufh.trial import (
    DONE,
    MORE,
    SUITE,
    DraftTarget,
    complete,
    drafted,
    limits,
)
from tests.conformance.tus.trial import Trial


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


@SUITE.check(10, "The whole with Upload-Complete: ?1: the resource's own answer, with ?1")
def whole(trial: Trial) -> None:
    draft = drafted(trial)
    data = trial.data(1000)
    answer = draft.begin_upload([DONE], data)
    trial.must(200 <= answer.status < 300, f"it was answered {answer}")
    trial.must(complete(answer) is True, f"Upload-Complete is {answer.get('upload-complete')}")
    if trial.made:
        trial.compare(trial.made[-1], data)


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
        trial.saw("there is no max-size")
        return
    answer = drafted(trial).begin_upload([MORE, ("Upload-Length", str(limit + 1))], b"")
    trial.must(answer.status in {400, 413}, f"{limit + 1} of {limit} was answered {answer}")
    trial.must(
        answer.status != 413 or limits(answer) is not None,
        f"413 with Upload-Limit: {answer.get('upload-limit')}",
    )
    trial.must(answer.get("location") is None, "there is a Location")


@SUITE.check(22, "A creation that breaks off: the bytes are kept, not complete")
def breaks_off(trial: Trial) -> None:
    upload = drafted(trial).broken_off([DONE, ("Content-Length", "20")], b"1234567")
    answer = trial.head(upload.url)
    trial.must(complete(answer) is False, f"Upload-Complete is {answer.get('upload-complete')}")
    offset = answer.number("upload-offset")
    trial.should(offset == 7, f"HEAD says {offset} of the 7 bytes that were sent")


@SUITE.check(19, "Below min-size: perhaps without 104, but processed or refused as any request")
def below(trial: Trial) -> None:
    least = (limits(trial.request("OPTIONS", trial.target.creation_url("any"))) or {}).get(
        "min-size", 0
    )
    data = trial.data(max(1, least - 1))
    answer = drafted(trial).begin_upload([DONE], data)
    if 200 <= answer.status < 300:
        trial.must(complete(answer) is True, f"Upload-Complete is {answer.get('upload-complete')}")
    else:
        trial.must(
            400 <= answer.status < 500 and least > 0, f"{len(data)} bytes were answered {answer}"
        )
    if trial.made:
        trial.compare(trial.made[-1], data)


@SUITE.check(20, "The length is kept: Upload-Length's, and Content-Length's with ?1")
def recorded(trial: Trial) -> None:
    draft = drafted(trial)
    said = trial.head(draft.started(10, b"12345").url)
    trial.must(said.number("upload-length") == 10, f"Upload-Length is {said.get('upload-length')}")
    upload = draft.broken_off([DONE, ("Content-Length", "20")], b"1234567")
    found = trial.head(upload.url)
    trial.must(
        found.number("upload-length") == 20,
        f"?1 with 20 bytes: Upload-Length is {found.get('upload-length')}",
    )
    open_ended = draft.started(None, b"12345")
    unsaid = trial.head(open_ended.url)
    trial.must(
        unsaid.get("upload-length") is None, f"nobody said it: {unsaid.get('upload-length')}"
    )
    answer = draft.append(open_ended, 5, b"678", False, [("Upload-Length", "8")])
    trial.must(200 <= answer.status < 300, f"an append that tells it was answered {answer}")
    later = trial.head(open_ended.url)
    trial.must(
        later.number("upload-length") == 8, f"Upload-Length is {later.get('upload-length')} then"
    )


@SUITE.check(21, "Without Upload-Complete it is a plain request")
def plain(trial: Trial) -> None:
    target = trial.target
    assert isinstance(target, DraftTarget)
    name = target.new_name()
    url = target.creation_url(name)
    if target.method == "POST":
        trial.saw("a plain POST may mean anything; PUT is asked for with --method PUT")
        return
    answer = trial.request(target.method, url, (), b"12345")
    trial.must(200 <= answer.status < 300, f"it was answered {answer}")
    trial.must(104 not in answer.interim, "there is a 104")
    for field in ("upload-offset", "upload-complete", "upload-limit", "upload-length"):
        trial.must(answer.get(field) is None, f"{field} is {answer.get(field)}")
    trial.compare(drafted(trial).object_at(url, name), b"12345")


@SUITE.check(24, "The file name of Content-Disposition is taken, and never leads elsewhere")
def named(trial: Trial) -> None:
    target = trial.target
    assert isinstance(target, DraftTarget)
    place = target.creation_url("").rstrip("/")
    data = trial.data(100)
    for shown in ("{}", "../../{}", "C:\\\\temp\\\\{}", "/etc/{}"):
        name = target.new_name()
        value = f'attachment; filename="{shown.format(name)}"'
        answer = trial.request("POST", place, [DONE, ("Content-Disposition", value)], data)
        if shown == "{}":
            trial.must(200 <= answer.status < 300, f"{value} was answered {answer}")
        else:
            trial.must(answer.status < 500, f"{value} was answered {answer}")
        if 200 <= answer.status < 300:
            trial.compare(drafted(trial).object_at(target.creation_url(name), name), data)


@SUITE.check(25, "The creation's Content-Type is the object's; appends have their own")
def typed(trial: Trial) -> None:
    draft = drafted(trial)
    kind = "text/x-of-the-object"
    before = len(trial.made)
    answer = draft.begin_upload([MORE, ("Content-Type", kind), ("Upload-Length", "10")], b"12345")
    trial.must(200 <= answer.status < 300, f"a creation of type {kind} was answered {answer}")
    trial.need(len(trial.made) > before, "there is no Location")
    upload = trial.made[-1]
    last = draft.append(upload, 5, b"67890", True)
    trial.must(200 <= last.status < 300, f"the last append was answered {last}")
    found = trial.download(upload)
    if found is not None:
        told = (found.get("content-type") or "").partition(";")[0]
        trial.must(told == kind, f"the object's Content-Type is {told}")
