"""T57 and T58: two at once."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from tests.conformance.tus.trial import SETTLE, SUITE, KiB, Trial, statuses
from tests.conformance.wire import Answer, WireError

NEEDS = ("creation",)


@SUITE.check(
    57,
    "A second PATCH while the first runs: the first is stopped, nothing interleaves",
    needs=NEEDS,
)
def second(trial: Trial) -> None:
    data = trial.data(20)
    upload = trial.create(20)
    with trial.begin(upload, 0, 20, data[:7]) as first:
        started = time.monotonic()
        answer = trial.patch(upload, 0, data)
        seconds = time.monotonic() - started
        trial.must(answer.status in {204, 409, 423}, f"the second was answered {answer}")
        with suppress(WireError):
            first.send(b"X" * 13)
            late = first.answer("PATCH", timeout=3)
            took = late.status == 204 and answer.status == 204
            trial.must(not took, "both were answered 204")
    trial.strict(seconds <= 2, f"the second was answered {answer} after {seconds:.1f} s")
    trial.saw(f"the second was answered {answer} after {seconds * 1000:.0f} ms")
    time.sleep(SETTLE)
    offset = trial.offset(upload)
    if answer.status == 204:
        trial.must(offset == 20, f"204, but HEAD says {offset}")
        return trial.compare(upload, data)
    if offset == 20:  # the first came through after all: its bytes, and only its
        return trial.compare(upload, data[:7] + b"X" * 13)
    trial.must(offset >= 7 or offset == 0, f"HEAD says {offset}")
    trial.finish(upload, data)
    return None


@SUITE.check(58, "Two at the same offset: exactly one 204, the other 409 or 423", needs=NEEDS)
def same_offset(trial: Trial) -> None:
    for size in (10, 256 * KiB):
        contents = (b"A" * size, b"B" * size)
        upload = trial.create(size)

        def send(body: bytes, upload: object = upload) -> Answer | None:
            try:
                return trial.patch(trial.made[-1], 0, body)
            except WireError:
                return None

        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(send, contents))
        good = [answer for answer in answers if answer and answer.status == 204]
        trial.must(len(good) <= 1, f"{size} bytes: both were answered 204")
        rest = [answer for answer in answers if answer and answer.status != 204]
        refused = all(answer.status in {409, 423} for answer in rest)
        trial.should(refused, f"{size} bytes: answered {statuses(rest)}")
        if not good:
            trial.should(False, f"{size} bytes: none was answered 204")
            continue
        offset = trial.offset(upload)
        trial.must(offset == size, f"HEAD says {offset} of {size}")
        winner = answers.index(good[0])
        trial.compare(upload, contents[winner])
