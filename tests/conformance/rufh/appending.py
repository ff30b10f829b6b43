"""R26 to R46: asking, appending, cancelling."""

import base64
import hashlib
import json
import time

from tests.conformance.rufh.trial import (
    DONE,
    MORE,
    PARTIAL,
    SUITE,
    complete,
    drafted,
    limits,
)
from tests.conformance.tus.trial import SETTLE, Trial
from tests.conformance.wire import WireError, chunked, head


@SUITE.check(
    26,
    "HEAD: Upload-Offset, Upload-Complete, Upload-Length, Upload-Limit, no-store; no redirect (R28)",
)
def asks(trial: Trial) -> None:
    upload = drafted(trial).started(10, b"12345")
    answer = trial.head(upload.url)
    trial.must(200 <= answer.status < 300, f"HEAD was answered {answer}")
    trial.must(
        answer.number("upload-offset") == 5, f"Upload-Offset is {answer.get('upload-offset')}"
    )
    trial.must(complete(answer) is False, f"Upload-Complete is {answer.get('upload-complete')}")
    trial.must(
        answer.number("upload-length") == 10, f"Upload-Length is {answer.get('upload-length')}"
    )
    trial.must(limits(answer) is not None, f"Upload-Limit is {answer.get('upload-limit')}")
    cache = (answer.get("cache-control") or "").lower()
    trial.must("no-store" in cache, f"Cache-Control is {cache!r}")


@SUITE.check(29, "What is unknown: 404 or 410")
def unknown(trial: Trial) -> None:
    upload = drafted(trial).started(10)
    before, slash, last = upload.url.rpartition("/")
    answer = trial.head(f"{before}{slash}{'0' * len(last)}")
    trial.should(answer.status in {403, 404, 410}, f"HEAD was answered {answer}")
    trial.must(answer.get("upload-offset") is None, "there is an Upload-Offset")


@SUITE.check(30, "HEAD during an append: its offset is then accepted, the append is over")
def during(trial: Trial) -> None:
    draft = drafted(trial)
    data = trial.data(20)
    upload = draft.started(20)
    with draft.begin(upload, 0, 20, data[:7]) as running:
        offset = trial.offset(upload)
        answer = draft.append(upload, offset, data[offset:], True)
        good = 200 <= answer.status < 300
        trial.must(good, f"HEAD said {offset}, but an append there is answered {answer}")
        try:
            running.send(b"X" * 13)
            late = running.answer("PATCH", timeout=3)
            trial.must(late.status >= 400, f"the append before it was answered {late}")
        except WireError:
            pass
    trial.compare(upload, data)


@SUITE.check(33, "An append with ?0: 2xx, ?0; with ?1: complete (R32, R34)")
def appends(trial: Trial) -> None:
    draft = drafted(trial)
    data = trial.data(10)
    upload = draft.started(10)
    answer = draft.append(upload, 0, data[:4], False)
    trial.must(200 <= answer.status < 300, f"it was answered {answer}")
    trial.must(complete(answer) is False, f"Upload-Complete is {answer.get('upload-complete')}")
    draft.is_at(upload, 4, "an append of 4 bytes")
    last = draft.append(upload, 4, data[4:], True)
    trial.must(200 <= last.status < 300, f"the last was answered {last}")
    trial.must(
        complete(last) is True, f"Upload-Complete of the last is {last.get('upload-complete')}"
    )
    found = trial.head(upload.url)
    if found.status < 400:
        trial.must(complete(found) is True, "HEAD does not say that it is complete")
        trial.must(found.number("upload-offset") == 10, f"HEAD says {found.get('upload-offset')}")
    trial.compare(upload, data)


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


@SUITE.check(38, "More than the length: refused, also in the chunked coding")
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
        after = trial.head(upload.url)
        kept = after.number("upload-offset")
        trial.must(kept is None or kept <= 10, f"{how}: HEAD says {kept} of 10")


@SUITE.check(39, "?1 before the length is reached: 400, inconsistent")
def too_short(trial: Trial) -> None:
    draft = drafted(trial)
    upload = draft.started(10)
    answer = draft.append(upload, 0, b"12345", True)
    trial.must(answer.status == 400, f"?1 with 5 of 10 was answered {answer}")
    trial.must(complete(answer) is not True, "Upload-Complete is ?1")


@SUITE.check(40, "Nothing with ?1 at the end completes; ?0 at the end does not (R41)")
def ends(trial: Trial) -> None:
    draft = drafted(trial)
    data = trial.data(10)
    upload = draft.started(10)
    full = draft.append(upload, 0, data, False)
    trial.must(200 <= full.status < 300, f"all of it with ?0 was answered {full}")
    trial.must(complete(trial.head(upload.url)) is False, "it is complete without ?1")
    last = draft.append(upload, 10, b"", True)
    trial.must(200 <= last.status < 300, f"nothing with ?1 was answered {last}")
    trial.must(complete(last) is True, f"Upload-Complete is {last.get('upload-complete')}")
    trial.compare(upload, data)


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


@SUITE.check(45, "DELETE: 204; then 404 or 410")
def cancels(trial: Trial) -> None:
    draft = drafted(trial)
    upload = draft.started(20)
    with draft.begin(upload, 0, 20, b"1234567"):
        answer = trial.request("DELETE", upload.url)
    trial.should(answer.status == 204, f"DELETE was answered {answer}")
    time.sleep(SETTLE)
    for what, after in (
        ("HEAD", trial.head(upload.url)),
        ("PATCH", draft.append(upload, 7, b"8", False)),
    ):
        trial.must(400 <= after.status < 500, f"{what} after DELETE was answered {after}")


@SUITE.check(46, "Content-Digest that doesn't match: nothing appended; Repr-Digest: not published")
def digests(trial: Trial) -> None:
    draft = drafted(trial)
    wrong = base64.b64encode(hashlib.sha256(b"no").digest()).decode()
    upload = draft.started(10)
    answer = draft.append(upload, 0, b"12345", False, [("Content-Digest", f"sha-256=:{wrong}:")])
    trial.must(400 <= answer.status < 500, f"a wrong Content-Digest was answered {answer}")
    draft.is_at(upload, 0, "a wrong Content-Digest")
    whole = draft.begin_upload([DONE, ("Repr-Digest", f"sha-256=:{wrong}:")], b"1234567890")
    trial.must(400 <= whole.status < 500, f"a wrong Repr-Digest was answered {whole}")
