"""T43, T44, T59, T60, T62, T63: what was acknowledged stays, whatever happens to the server or its store.

These need hooks: ``--fault-url`` (a fault proxy in front of the server's S3), or ``--kill-command`` and
``--restart-command``. The last word is always
the SHA-256 of what is stored, where ``--download-url`` says how to get it.
"""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from tests.conformance.checks import Stopped
from tests.conformance.tus.trial import SUITE, KiB, MiB, Trial, Upload
from tests.conformance.wire import Answer, WireError

NEEDS = ("creation",)
TRANSIENT = {409, 423, 429}
#: Seconds that a fault outlasts the answer to the client: the server may still be trying.
STUBBORN = 3.0
#: How long a client goes on trying.
RETRIES = 20.0


def _transient(answer: Answer) -> bool:
    """Whether tus-js-client and its like try again."""
    return answer.status >= 500 or answer.status in TRANSIENT


@SUITE.check(43, "HEAD while the store is down: the offset, or 503/423 with Retry-After; no other 4xx",
             needs=NEEDS, alone=True)  # fmt: skip
def store_down(trial: Trial) -> None:
    _needs_faults(trial)
    upload = trial.create(20)
    trial.patched(upload, 0, b"1234567")
    trial.fault(operation="*", status=503, code="ServiceUnavailable", times=None)
    try:
        answer = trial.head(upload.url)
    finally:
        trial.heal()
    trial.must(answer.status in {200, 204} or _transient(answer), f"HEAD was answered {answer}")
    if answer.status in {200, 204}:
        trial.must(answer.number("upload-offset") == 7, f"HEAD says {answer.get('upload-offset')}")
        trial.saw("HEAD needs no store")
    else:
        good = answer.status in {503, 423} and answer.get("retry-after") is not None
        trial.strict(good, f"HEAD was answered {answer}, Retry-After {answer.get('retry-after')}")
    trial.finish(upload, b"1234567" + trial.data(13), patience=RETRIES)


@SUITE.check(
    44,
    "HEAD never says less than was acknowledged, nor more than is durable",
    needs=NEEDS,
    alone=True,
)
def never_less(trial: Trial) -> None:
    data = trial.data(300 * KiB)
    upload = trial.create(len(data))
    lows: list[str] = []
    done = threading.Event()
    acknowledged = [0]

    def watch() -> None:
        while not done.wait(0.01):
            floor = acknowledged[0]
            answer = trial.head(upload.url)
            told = answer.number("upload-offset")
            if told is not None and told < floor:
                lows.append(f"HEAD said {told} after {floor} was acknowledged")

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        try:
            while acknowledged[0] < len(data):
                answer = trial.patch(upload, acknowledged[0], data[acknowledged[0] :][: 50 * KiB])
                trial.need(answer.status in {204, 409, 423}, f"PATCH was answered {answer}")
                acknowledged[0] = answer.number("upload-offset") or trial.offset(upload)
        finally:
            done.set()
            watching.result()
    trial.must(not lows, "; ".join(lows[:2]))
    trial.compare(upload, data)
    if trial.options.fault_url:
        _lost_tail(trial)
    if trial.options.kill_command and trial.options.restart_command:
        _kill_after_answer(trial)


def _lost_tail(trial: Trial) -> None:
    """Bytes too few for a part are acknowledged; then the store refuses whatever would replace them."""
    data = trial.data(4 * MiB)
    for operation in ("PutObject", "UploadPart", "CompleteMultipartUpload", "DeleteObject", "*"):
        upload = trial.create(len(data))
        trial.patched(upload, 0, data[:MiB])
        trial.fault(operation=operation, status=503, code="ServiceUnavailable", times=None)
        try:
            trial.patch(upload, MiB, data[MiB : 2 * MiB], timeout=60)
        except WireError as error:
            trial.saw(f"{operation} failing: {error}")
        finally:
            trial.heal()
        told = trial.offset(upload)
        if trial.must(
            told >= MiB, f"with {operation} failing, HEAD fell back from {MiB} to {told}"
        ):
            trial.finish(upload, data, patience=RETRIES)
    trial.saw("tails survive a failing store")


def _kill_after_answer(trial: Trial) -> None:
    data = trial.data(3 * MiB)
    upload = trial.create(len(data))
    for offset in (0, 100 * KiB, 2 * MiB):
        end = {0: 100 * KiB, 100 * KiB: 2 * MiB, 2 * MiB: len(data) - 1}[offset]
        trial.patched(upload, offset, data[offset:end])
        _kill(trial)
        told = trial.offset(upload)
        trial.need(told == end, f"after a kill, HEAD says {told} instead of {end}")
    trial.finish(upload, data, patience=RETRIES)
    trial.saw("acknowledged bytes survive kills")


@SUITE.check(
    59,
    "204 to the last PATCH only after the store has completed the object",
    needs=NEEDS,
    alone=True,
)
def completed(trial: Trial) -> None:
    data = trial.data(trial.options.large)
    upload = trial.create(len(data))
    if trial.options.fault_url:
        trial.heal()
        trial.fault(operation="CompleteMultipartUpload", delay=1.5, times=None)
    elif trial.options.download_url is None:
        trial.skip("needs --download-url or --fault-url")
    started = time.monotonic()
    answer = trial.patch(upload, 0, data, timeout=120)
    seconds = time.monotonic() - started
    trial.need(answer.status == 204, f"PATCH was answered {answer}")
    stored = trial.download(upload)
    if stored is not None:
        trial.must(stored.status == 200, f"at once after 204, the object is answered {stored}")
    trial.compare(upload, data)
    if trial.options.fault_url:
        calls = trial.heal()
        if "CompleteMultipartUpload" in calls:
            trial.must(
                seconds >= 1.5,
                f"204 came after {seconds:.1f} s, CompleteMultipartUpload took longer",
            )
        else:
            trial.saw("the store was asked for no CompleteMultipartUpload")


@SUITE.check(
    60,
    "The store fails to complete: 5xx; a PATCH of nothing completes it later",
    needs=NEEDS,
    alone=True,
)
def completing_fails(trial: Trial) -> None:
    _needs_faults(trial)
    data = trial.data(trial.options.large)
    upload = trial.create(len(data))
    trial.fault(
        operation="CompleteMultipartUpload", status=503, code="ServiceUnavailable", times=None
    )
    try:
        answer = trial.patch(upload, 0, data, timeout=120)
    finally:
        calls = trial.heal()
    if "CompleteMultipartUpload" not in calls:
        trial.skip("the store was asked for no CompleteMultipartUpload")
    trial.must(answer.status != 204, "PATCH was answered 204 although the object isn't there")
    trial.should(_transient(answer), f"PATCH was answered {answer}")
    offset = trial.offset(upload)
    if offset == len(data):
        again = trial.patch(upload, offset, timeout=60)
        if not trial.strict(again.status == 204, f"the PATCH of nothing was answered {again}"):
            stored = trial.download(upload)
            there = stored is not None and stored.status == 200
            trial.must(
                there, "HEAD says that it is complete, but there is no object, and no way to one"
            )
            return
    trial.finish(upload, data, patience=RETRIES)


HOLE = {"operation": "UploadPart", "status": 503, "code": "SlowDown"}
#: Orders for the store, one per upload. What is refused late lets the parts after it succeed first: a hole.
FAULTS = (
    {**HOLE, "match": "partNumber=1&"},
    {**HOLE, "match": "partNumber=1&", "delay": 1.0},
    {**HOLE, "match": "partNumber=2&", "delay": 0.1},
    {"operation": "UploadPart", "match": "partNumber=2&", "fault": "RESET"},
    {"operation": "UploadPart", "match": "partNumber=3&", "status": 500, "code": "InternalError"},
    {"operation": "UploadPart", "nth": 2, "fault": "LOST", "times": 1},
    {"operation": "CreateMultipartUpload", "status": 503, "code": "SlowDown"},
    {"operation": "CompleteMultipartUpload", "fault": "LOST", "times": 1},
    {"operation": "PutObject", "status": 503, "code": "SlowDown"},
)


@SUITE.check(62, "The store fails midway: the offset is the end of the unbroken run, and the content is right",
             needs=NEEDS, alone=True)  # fmt: skip
def store_fails(trial: Trial) -> None:
    _needs_faults(trial)
    size = trial.options.large
    data = trial.data(size)
    for order in FAULTS:
        what = " ".join(f"{key}={value}" for key, value in order.items())
        upload = trial.create(size)
        trial.fault(**{"times": None, **order})
        try:
            answer = trial.patch(upload, 0, data, timeout=120)
            trial.should(
                answer.status == 204 or _transient(answer), f"{what}: PATCH was answered {answer}"
            )
        except WireError as error:
            trial.saw(f"{what}: {error}")
        finally:
            time.sleep(STUBBORN)
            trial.heal()
        before = len(trial.failed)
        _resume(trial, upload, data)
        if len(trial.failed) > before:
            trial.failed[before:] = [
                (level, f"{what}: {text}") for level, text in trial.failed[before:]
            ]
    trial.saw(f"{len(FAULTS)} kinds of faults")


def _resume(trial: Trial, upload: Upload, data: bytes) -> None:
    """Resume, and go on with the next fault also where that fails."""
    try:
        if trial.offset(upload) == len(data):
            trial.compare(upload, data)
        else:
            trial.finish(upload, data, patience=RETRIES)
    except Stopped:
        return


@SUITE.check(
    63,
    "Killed at any moment: nothing acknowledged is lost, and the content is right",
    needs=NEEDS,
    alone=True,
)
def killed(trial: Trial) -> None:
    if not (trial.options.kill_command and trial.options.restart_command):
        trial.skip("needs --kill-command and --restart-command")
    chance = random.Random(f"{trial.options.seed}/kills")
    for turn in range(trial.options.rounds):
        size = chance.choice([200 * KiB, 3 * MiB, trial.options.large])
        _one_kill(trial, trial.data(size), chance, turn)
    trial.saw(f"{trial.options.rounds} rounds, seed {trial.options.seed}")


def _one_kill(trial: Trial, data: bytes, chance: random.Random, turn: int) -> None:
    """An upload in random chunks, with a kill at a random moment of one of them."""
    upload = trial.create(len(data))
    offset, acknowledged = 0, 0
    chunk = chance.choice([len(data), max(1, len(data) // 3), max(1, len(data) // 7)])
    first = chance.randrange(0, len(data), chunk)
    while offset < len(data):
        body = data[offset : offset + chunk]
        timer = None
        if offset >= first:
            first = len(data)
            timer = threading.Timer(chance.uniform(0, 0.5), _kill, (trial,))
            timer.start()
        try:
            answer = trial.patch(upload, offset, body, timeout=120)
            if answer.status == 204:
                acknowledged = max(acknowledged, answer.number("upload-offset") or 0)
        except WireError:
            answer = None
        if timer:
            timer.join()
            trial.target.wait_until_up()
        offset = _offset_within(trial, upload, RETRIES)
        trial.need(
            offset >= acknowledged,
            f"round {turn}: HEAD says {offset} after {acknowledged} was acknowledged",
        )
        trial.need(
            answer is None or offset < len(data) or answer.status == 204 or timer is not None,
            f"round {turn}: PATCH was answered {answer}",
        )
    trial.finish(upload, data, patience=RETRIES)


def _offset_within(trial: Trial, upload: Upload, seconds: float) -> int:
    """HEAD's offset, where it may take a while until the server says one again."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            answer = trial.head(upload.url)
            if answer.status in {200, 204} or time.monotonic() > deadline:
                return trial.offset(upload)
        except WireError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.2)


def _kill(trial: Trial) -> None:
    """Kill it and start it anew."""
    trial.target.restart(trial.options.kill_command)


def _needs_faults(trial: Trial) -> None:
    if trial.options.fault_url is None:
        trial.skip("needs --fault-url, a fault proxy between the server and its store")
