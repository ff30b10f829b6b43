"""T79: DELETE."""

from tests.conformance.tus.trial import BODY, SUITE, Trial, Upload
from tests.conformance.wire import Connection, WireError

NEEDS = ("creation", "termination")


@SUITE.check(
    79, "DELETE: 204; then 404 or 410 to everything; a running PATCH is stopped", needs=NEEDS
)
def terminates(trial: Trial) -> None:
    for finished in (False, True):
        what = "a finished upload" if finished else "an unfinished upload"
        upload = trial.create(10)
        trial.patched(upload, 0, b"1234567890" if finished else b"12345")
        answer = trial.request("DELETE", upload.url)
        trial.should(answer.status == 204, f"DELETE of {what} was answered {answer}")
        _gone(trial, upload, what)
    upload = trial.create(20)
    with trial.begin(upload, 0, 20, b"1234567") as running:
        answer = trial.request("DELETE", upload.url)
        trial.must(answer.status in {204, 423, 409}, f"during a PATCH it was answered {answer}")
        if trial.strict(answer.status == 204, f"during a PATCH it was answered {answer}"):
            _still_gone(trial, upload, _told(running))


def _told(running: Connection) -> int | None:
    """What the stopped PATCH is told after it sent the rest; None: nothing."""
    try:
        running.send(b"x" * 13)
        return running.answer("PATCH", timeout=3).status
    except WireError:
        return None


def _still_gone(trial: Trial, upload: Upload, told: int | None) -> None:
    trial.should(told != 204, "the PATCH that ran meanwhile was answered 204 afterwards")
    _gone(trial, upload, "an upload whose PATCH ran")


def _gone(trial: Trial, upload: Upload, what: str) -> None:
    for method in ("HEAD", "PATCH", "GET", "DELETE"):
        body = b"67890" if method == "PATCH" else None
        told = [("Upload-Offset", "5"), ("Content-Type", BODY)] if body else []
        answer = trial.request(method, upload.url, told, body)
        # A server without downloads has no GET: 405 says so.
        good = answer.status in {404, 410} or (method == "GET" and answer.status == 405)
        trial.should(good, f"{method} after DELETE of {what} was answered {answer}")
