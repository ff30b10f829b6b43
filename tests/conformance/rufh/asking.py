"""R26 to R32: asking for the offset."""

import time

from tests.conformance.rufh.trial import SUITE, complete, drafted, limits
from tests.conformance.tus.trial import Trial
from tests.conformance.wire import Answer, WireError

#: Long enough for a lifetime in whole seconds to count down.
_TICK = 1.2


def has_state(trial: Trial, answer: Answer, offset: int, length: int) -> None:
    """Hold an answer to all that an upload's state consists of."""
    trial.must(200 <= answer.status < 300, f"it was answered {answer}")
    trial.must(
        answer.number("upload-offset") == offset, f"Upload-Offset is {answer.get('upload-offset')}"
    )
    trial.must(
        answer.number("upload-length") == length, f"Upload-Length is {answer.get('upload-length')}"
    )
    trial.must(limits(answer) is not None, f"Upload-Limit is {answer.get('upload-limit')}")
    cache = (answer.get("cache-control") or "").lower()
    trial.must("no-store" in cache, f"Cache-Control is {cache!r}")


@SUITE.check(26, "HEAD: Upload-Offset, Upload-Complete, Upload-Length, Upload-Limit, no-store")
def asks(trial: Trial) -> None:
    upload = drafted(trial).started(10, b"12345")
    answer = trial.head(upload.url)
    has_state(trial, answer, 5, 10)
    trial.must(complete(answer) is False, f"Upload-Complete is {answer.get('upload-complete')}")
    trial.strict(answer.status == 204, f"HEAD was answered {answer}")


@SUITE.check(27, "GET may say the same as HEAD, and nothing else")
def gets(trial: Trial) -> None:
    upload = drafted(trial).started(10, b"12345")
    answer = trial.request("GET", upload.url)
    if answer.status in {404, 405, 501}:
        trial.saw(f"GET is not offered: {answer}")
        return
    has_state(trial, answer, 5, 10)
    trial.must(complete(answer) is False, f"Upload-Complete is {answer.get('upload-complete')}")


@SUITE.check(28, "No redirect that would change the method")
def redirects(trial: Trial) -> None:
    draft = drafted(trial)
    upload = draft.started(10)
    for what, answer in (
        ("HEAD", trial.head(upload.url)),
        ("HEAD of its URL with a slash", trial.head(upload.url + "/")),
        ("PATCH", draft.append(upload, 0, b"12345", False)),
        ("HEAD", trial.head(upload.url)),
    ):
        trial.must(answer.status not in {301, 302, 303}, f"{what} was answered {answer}")


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


@SUITE.check(31, "max-age counts down, and its end never comes earlier; other limits stay as wide")
def lifetime(trial: Trial) -> None:
    draft = drafted(trial)
    upload = draft.started(10)
    first, at = limits(trial.head(upload.url)) or {}, time.monotonic()
    time.sleep(_TICK)
    second = limits(trial.head(upload.url)) or {}
    draft.append(upload, 0, b"12345", False)
    third = limits(trial.head(upload.url)) or {}
    passed = time.monotonic() - at
    if "max-age" in first:
        trial.must(
            second.get("max-age", -1) < first["max-age"], f"max-age: {first}, later {second}"
        )
        # Whole seconds: one is lost in rounding.
        ends = third.get("max-age", 0) + passed >= first["max-age"] - 1
        trial.must(ends, f"max-age: {first}, and {passed:.1f} s later {third}")
    for later in (second, third):
        for name in ("max-size", "max-append-size"):
            trial.must(
                name not in first or later.get(name, first[name]) >= first[name],
                f"{name} shrank: {first}, later {later}",
            )
        for name in ("min-size", "min-append-size"):
            trial.must(
                later.get(name, 0) <= first.get(name, 0), f"{name} grew: {first}, later {later}"
            )


@SUITE.check(32, "HEAD of a finished upload: ?1, and the offset is the length")
def finished(trial: Trial) -> None:
    draft = drafted(trial)
    upload = draft.started(10)
    last = draft.append(upload, 0, bytes(10), True)
    trial.need(200 <= last.status < 300, f"the last append was answered {last}")
    found = trial.head(upload.url)
    if found.status in {404, 410}:
        trial.should(False, f"HEAD of a finished upload was answered {found}")
        return
    trial.must(complete(found) is True, f"Upload-Complete is {found.get('upload-complete')}")
    trial.must(found.number("upload-offset") == 10, f"HEAD says {found.get('upload-offset')}")
    length = found.number("upload-length")
    trial.must(length in {None, 10}, f"Upload-Length is {length}")
