"""T30 to T36: creation with the first bytes."""

import time
from email.utils import parsedate_to_datetime

from tests.conformance.checks import Level
from tests.conformance.tus.trial import BODY, SETTLE, SUITE, Trial, b64
from tests.conformance.wire import head

NEEDS = ("creation", "creation-with-upload")
CONTENT = ("Content-Type", BODY)


@SUITE.check(30, "POST with 5 of 10 bytes: 201, Upload-Offset 5", needs=NEEDS)
def some(trial: Trial) -> None:
    data = trial.data(10)
    upload = trial.create(10, body=data[:5])
    told = upload.answer.number("upload-offset")
    trial.must(told == 5, f"Upload-Offset of the answer is {told}")
    offset = trial.offset(upload)
    trial.must(offset == 5, f"HEAD says {offset}")
    trial.finish(upload, data)


@SUITE.check(31, "POST with the whole: 201, complete, readable", needs=NEEDS)
def whole(trial: Trial) -> None:
    data = trial.data(1000)
    upload = trial.create(1000, body=data)
    told = upload.answer.number("upload-offset")
    trial.must(told == 1000, f"Upload-Offset of the answer is {told}")
    offset = trial.offset(upload)
    trial.must(offset == 1000, f"HEAD says {offset}")
    expires = upload.answer.get("upload-expires")
    if expires is not None:
        good = parsedate_to_datetime(expires).timestamp() > time.time()
        trial.should(good, f"it expired already: {expires}")
    trial.compare(upload, data)


@SUITE.check(32, "A body of another Content-Type: 415, or it is not taken", needs=NEEDS)
def other_content(trial: Trial) -> None:
    made = len(trial.made)
    answer = trial.post([("Upload-Length", "10"), ("Content-Type", "text/plain")], b"12345")
    if answer.status == 201:
        trial.need(len(trial.made) > made, "201 without a Location")
        offset = trial.offset(trial.made[-1])
        trial.strict(offset == 0, f"the body was taken as data: HEAD says {offset}")
        trial.saw("the body is ignored")
    else:
        trial.strict(answer.status == 415, f"POST was answered {answer}")
        trial.saw("refused")


@SUITE.check(33, "A body longer than Upload-Length: 413, no Location", needs=NEEDS)
def too_long(trial: Trial) -> None:
    answer = trial.post([("Upload-Length", "5"), CONTENT], b"1234567890")
    trial.should(answer.status == 413, f"10 bytes for 5 were answered {answer}")
    if answer.status >= 400:
        trial.must(answer.get("location") is None, "refused, but with a Location")
    elif trial.made:
        offset = trial.offset(trial.made[-1])
        trial.must(offset <= 5, f"HEAD says {offset} of 5")


@SUITE.check(34, "A connection that drops mid-body: what came is kept", needs=NEEDS)
def dropped(trial: Trial) -> None:
    name = trial.target.new_name()
    url = trial.target.creation_url(name)
    told = [
        ("Upload-Length", "20"),
        ("Upload-Metadata", f"filename {b64(name)}"),
        ("Idempotency-Key", f"dropped-{b64(name)}"),
    ]
    first = [*told, CONTENT, ("Content-Length", "20")]
    with trial.connect(url) as link:
        link.send(head("POST", url, trial.fields(first)) + b"1234567")
        time.sleep(SETTLE)
        link.hang_up()
    time.sleep(SETTLE)
    again = trial.post(told, name=name, metadata=False)
    trial.need(again.status == 201, f"the next POST was answered {again}")
    if (offset := trial.offset(trial.made[-1])) == 0:
        trial.skip("the client can't learn the URL: not to be seen from outside")
    trial.strict(
        offset == 7, f"the same Idempotency-Key leads to an offset of {offset}, 7 were sent"
    )
    trial.saw("found again by its Idempotency-Key")


@SUITE.check(
    35, "Expect: 100-continue with a creation to be refused: the refusal, no 100", needs=NEEDS
)
def expectation(trial: Trial) -> None:
    url = trial.target.creation_url(trial.target.new_name())
    told = [
        ("Upload-Length", "-3"),
        CONTENT,
        ("Content-Length", "1000"),
        ("Expect", "100-continue"),
    ]
    with trial.connect(url) as link:
        link.send(head("POST", url, trial.fields(told)))
        interim = link.interim(timeout=3)
        if interim is not None:
            trial.stop(f"answered {interim} although it is to be refused", Level.STRICT)
        answer = link.answer("POST", timeout=5)
    trial.should(400 <= answer.status < 500, f"answered {answer}")


@SUITE.check(36, "An empty body of the right Content-Type: 201, Upload-Offset 0", needs=NEEDS)
def nothing(trial: Trial) -> None:
    upload = trial.create(10, body=b"")
    told = upload.answer.number("upload-offset")
    trial.strict(told == 0, f"Upload-Offset of the answer is {told}")
    trial.must(trial.offset(upload) == 0, "HEAD does not say 0")
