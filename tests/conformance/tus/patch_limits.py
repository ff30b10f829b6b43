"""T52 to T54, T56: bodies that are too long, that say no length, that never end."""

import time

from tests.conformance.tus.trial import BODY, SUITE, Trial
from tests.conformance.wire import WireError, chunked, head

NEEDS = ("creation",)


@SUITE.check(52, "Data beyond the length: 413, and never a longer file", needs=NEEDS)
def beyond(trial: Trial) -> None:
    data = trial.data(10)
    for how in ("Content-Length", "chunked"):
        upload = trial.create(10)
        trial.patched(upload, 0, data[:5])
        told = [("Upload-Offset", "5"), ("Content-Type", BODY)]
        body = data[5:] + b"too much"
        if how == "chunked":
            fields = trial.fields([*told, ("Transfer-Encoding", "chunked")])
            raw = head("PATCH", upload.url, fields) + chunked([body[:6], body[6:]])
            answer = trial.exchange("PATCH", upload.url, raw)
        else:
            answer = trial.patch(upload, 5, body)
        trial.should(answer.status == 413, f"{how}: 13 bytes for 5 were answered {answer}")
        offset = trial.offset(upload)
        trial.must(5 <= offset <= 10, f"{how}: HEAD says {offset} of 10")
        if offset < 10:
            trial.finish(upload, data, patience=2)
        else:
            trial.compare(upload, data)


@SUITE.check(53, "Too long, with Expect: 100-continue: 413 without 100", needs=NEEDS)
def expectation(trial: Trial) -> None:
    upload = trial.create(10)
    told = [
        ("Upload-Offset", "0"),
        ("Content-Type", BODY),
        ("Content-Length", "1000"),
        ("Expect", "100-continue"),
    ]
    with trial.connect(upload.url) as link:
        link.send(head("PATCH", upload.url, trial.fields(told)))
        interim = link.interim(timeout=3)
        trial.strict(interim is None, f"answered {interim} although it is to be refused")
        if interim is not None:
            link.send(bytes(1000))
        answer = link.answer("PATCH", timeout=5)
    trial.should(answer.status == 413, f"the answer is {answer}")


@SUITE.check(54, "PATCH in the chunked transfer coding: 204", needs=NEEDS)
def chunks(trial: Trial) -> None:
    data = trial.data(5000)
    upload = trial.create(5000)
    told = [("Upload-Offset", "0"), ("Content-Type", BODY), ("Transfer-Encoding", "chunked")]
    pieces = [data[at : at + 700] for at in range(0, 5000, 700)]
    raw = head("PATCH", upload.url, trial.fields(told)) + chunked(pieces)
    answer = trial.exchange("PATCH", upload.url, raw)
    trial.must(answer.status == 204, f"it was answered {answer}")
    told_offset = answer.number("upload-offset")
    trial.must(told_offset == 5000, f"Upload-Offset is {told_offset}")
    trial.compare(upload, data)


@SUITE.check(
    56, "A client that stalls is closed; its bytes are kept, the upload is free", needs=NEEDS
)
def stalls(trial: Trial) -> None:
    data = trial.data(20)
    upload = trial.create(20)
    with trial.begin(upload, 0, 20, data[:7]) as link:
        started = time.monotonic()
        closed = link.closed_within(trial.options.patience)
        seconds = time.monotonic() - started
        trial.should(closed, f"still open after {seconds:.0f} s (--patience)")
        if closed:
            trial.saw(f"closed after {seconds:.1f} s")
        try:
            offset = trial.offset(upload)
        except WireError as error:
            trial.stop(f"HEAD afterwards: {error}")
        trial.must(offset <= 7, f"HEAD says {offset}, 7 bytes were sent")
        trial.should(offset == 7, f"HEAD says {offset} of the 7 bytes that were sent")
        answer = trial.patch(upload, offset, data[offset:])
    if trial.should(answer.status == 204, f"going on there is answered {answer}"):
        trial.compare(upload, data)
