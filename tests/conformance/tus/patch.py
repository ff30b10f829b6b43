"""T45 to T51, T55, T61, T64: PATCH, one at a time."""

import time

from tests.conformance.checks import Level
from tests.conformance.tus.trial import BODY, SETTLE, SUITE, Trial, Upload, statuses

NEEDS = ("creation",)


def unchanged(trial: Trial, upload: Upload, offset: int, after: str) -> None:
    """Record it when HEAD says anything but ``offset``."""
    found = trial.offset(upload)
    trial.must(found == offset, f"after {after}, HEAD says {found} instead of {offset}")


@SUITE.check(45, "PATCH at the offset: 204, Upload-Offset grown by what was sent", needs=NEEDS)
def appends(trial: Trial) -> None:
    data = trial.data(30)
    upload = trial.create(30)
    for offset in (0, 10, 20):
        answer = trial.patched(upload, offset, data[offset : offset + 10])
        trial.must(not answer.body and not answer.stray, "204 with a body")
        unchanged(trial, upload, offset + 10, f"PATCH at {offset}")
    trial.compare(upload, data)


@SUITE.check(46, "PATCH of another Content-Type: 415", needs=NEEDS)
def content_types(trial: Trial) -> None:
    upload = trial.create(10)
    for content in ("text/plain", "application/octet-stream"):
        answer = trial.patch(upload, 0, b"12345", content=content)
        trial.should(answer.status == 415, f"{content} was answered {answer}")
    bare = trial.request("PATCH", upload.url, [("Upload-Offset", "0")], b"12345")
    trial.should(bare.status == 415, f"no Content-Type at all was answered {bare}")
    unchanged(trial, upload, 0, "a PATCH of another Content-Type")
    suffixed = trial.patch(upload, 0, b"12345", content=f"{BODY};charset=utf-8")
    trial.saw(f"with ;charset=utf-8 it is answered {suffixed}")
    trial.strict(suffixed.status in {204, 415}, f"with ;charset=utf-8 it is answered {suffixed}")


@SUITE.check(47, "PATCH without Upload-Offset, or with a malformed one: 400", needs=NEEDS)
def bad_offsets(trial: Trial) -> None:
    upload = trial.create(10)
    bare = trial.request("PATCH", upload.url, [("Content-Type", BODY)], b"12345")
    trial.should(bare.status == 400, f"without Upload-Offset it was answered {bare}")
    for value in ("-1", "abc", "1.5", "", "0x0", "+0"):
        told = [("Upload-Offset", value), ("Content-Type", BODY)]
        answer = trial.request("PATCH", upload.url, told, b"12345")
        trial.should(answer.status == 400, f"{value!r} was answered {answer}")
        if answer.status == 204:
            trial.must(value in {"0x0", "+0"}, f"{value!r} was taken as an offset")
            upload = trial.create(10)
    unchanged(trial, upload, 0, "malformed offsets")


@SUITE.check(48, "PATCH at another offset: 409, nothing changed", needs=NEEDS)
def wrong_offsets(trial: Trial) -> None:
    upload = trial.create(20)
    trial.patched(upload, 0, b"1234567890")
    for offset in (0, 5, 11, 20, 10**6):
        answer = trial.patch(upload, offset, b"xyz")
        trial.must(answer.status == 409, f"at {offset} of 10, it was answered {answer}")
        told = answer.number("upload-offset")
        trial.strict(told == 10, f"at {offset}, the refusal says Upload-Offset {told}")
    unchanged(trial, upload, 10, "PATCHes at wrong offsets")


@SUITE.check(49, "PATCH of what is unknown: 404", needs=NEEDS)
def unknown(trial: Trial) -> None:
    upload = trial.create(10)
    before, slash, last = upload.url.rpartition("/")
    strange = Upload(f"{before}{slash}{'0' * len(last)}", "", upload.answer)
    answer = trial.patch(strange, 0, b"12345")
    trial.should(answer.status in {403, 404, 410}, f"it was answered {answer}")


@SUITE.check(50, "PATCH of nothing at the offset: 204, the same offset", needs=NEEDS)
def nothing(trial: Trial) -> None:
    upload = trial.create(10)
    for offset in (0, 5):
        answer = trial.patch(upload, offset)
        told = answer.number("upload-offset")
        trial.must(answer.status == 204, f"nothing at {offset} was answered {answer}")
        trial.must(told == offset, f"nothing at {offset} moved Upload-Offset to {told}")
        if not offset:
            trial.patched(upload, 0, b"12345")


@SUITE.check(51, "After the end: PATCH of nothing 204, of data at an old offset 409", needs=NEEDS)
def after_the_end(trial: Trial) -> None:
    data = trial.data(10)
    upload = trial.create(10)
    trial.patched(upload, 0, data)
    old = trial.patch(upload, 0, data)
    trial.must(old.status == 409, f"data at 0 was answered {old}")
    empty = trial.patch(upload, 10)
    trial.strict(empty.status == 204, f"nothing at the end was answered {empty}")
    unchanged(trial, upload, 10, "that")
    trial.compare(upload, data)


@SUITE.check(55, "A connection cut after 7 of 20 bytes: HEAD says 7", needs=NEEDS)
def cut(trial: Trial) -> None:
    data = trial.data(20)
    for how in ("hang up", "cut"):
        upload = trial.create(20)
        with trial.begin(upload, 0, 20, data[:7]) as link:
            link.cut() if how == "cut" else link.hang_up()
        time.sleep(SETTLE)
        offset = trial.offset(upload)
        trial.must(offset <= 7, f"HEAD says {offset} after {how}: more than was sent")
        trial.should(offset == 7, f"HEAD says {offset} after {how}")
        trial.finish(upload, data)


@SUITE.check(61, "PATCH after DELETE: 404 or 410", needs=("creation", "termination"))
def deleted(trial: Trial) -> None:
    upload = trial.create(10)
    trial.patched(upload, 0, b"12345")
    trial.request("DELETE", upload.url)
    answers = [trial.patch(upload, 5, b"67890"), trial.patch(upload, 0, b"12345")]
    good = all(answer.status in {404, 410} for answer in answers)
    trial.must(good, f"at 5 and at 0 it was answered {statuses(answers)}")


@SUITE.check(64, "Upload-Length in a PATCH of a known length: 400 when it differs", needs=NEEDS)
def lengths_in_patch(trial: Trial) -> None:
    upload = trial.create(10)
    equal = trial.patch(upload, 0, b"12345", [("Upload-Length", "10")])
    trial.expect(equal.status == 204, f"the same length was answered {equal}", Level.STRICT)
    offset = trial.offset(upload)
    other = trial.patch(upload, offset, b"6", [("Upload-Length", "12")])
    trial.strict(other.status == 400, f"another length was answered {other}")
    length = trial.head(upload.url).number("upload-length")
    trial.must(length == 10, f"HEAD says a length of {length} afterwards")
