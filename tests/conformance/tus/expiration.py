"""T71 to T74: uploads end."""

import re
import time
from email.utils import parsedate_to_datetime
from typing import Final

from tests.conformance.tus.trial import SUITE, Trial
from tests.conformance.wire import Answer

NEEDS = ("creation", "expiration")
IMF: Final = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT"
)


def _expires(trial: Trial, answer: Answer, what: str) -> float | None:
    """When, in seconds since 1970."""
    text = answer.get("upload-expires")
    if text is None:
        return None
    if not trial.must(IMF.fullmatch(text) is not None, f"{what}: {text!r} is no HTTP date"):
        return None
    when = parsedate_to_datetime(text).timestamp()
    trial.must(when > time.time() - 1, f"{what}: {text} is past")
    return when


@SUITE.check(71, "Upload-Expires in the answer to POST, an HTTP date", needs=NEEDS)
def at_creation(trial: Trial) -> None:
    upload = trial.create(10)
    if _expires(trial, upload.answer, "POST") is not None:
        return trial.saw(f"Upload-Expires: {upload.answer.get('upload-expires')}")
    later = trial.patch(upload, 0, b"12345").get("upload-expires")
    trial.must(later is None, "it is known at the first PATCH, but not told at creation")
    trial.should(
        later is not None, "uploads don't say that they expire, though the extension is listed"
    )
    return None


@SUITE.check(72, "Upload-Expires in every 204 of an unfinished upload", needs=NEEDS)
def at_patches(trial: Trial) -> None:
    upload = trial.create(10)
    first = _expires(trial, upload.answer, "POST")
    for offset in (0, 3):
        answer = trial.patched(upload, offset, b"123")
        when = _expires(trial, answer, f"PATCH at {offset}")
        if first is None and when is None:
            trial.skip("uploads don't expire as this server is set up")
        trial.must(when is not None, f"PATCH at {offset} has no Upload-Expires")


def _wait(trial: Trial, answer: Answer) -> None:
    """Until just after it expired.

    Raises:
        Skipped: that is too long.
    """
    when = _expires(trial, answer, "POST")
    if when is None:
        trial.skip("uploads don't expire as this server is set up")
    seconds = when - time.time() + 1.5
    if seconds > trial.options.patience:
        trial.skip(f"uploads expire in {seconds:.0f} s: more than --patience")
    time.sleep(max(0.0, seconds))


@SUITE.check(73, "Expired: 410 or 404", needs=NEEDS)
def expired(trial: Trial) -> None:
    upload = trial.create(10)
    answer = trial.patched(upload, 0, b"12345")
    _wait(trial, answer if answer.get("upload-expires") else upload.answer)
    for method, found in (
        ("HEAD", trial.head(upload.url)),
        ("PATCH", trial.patch(upload, 5, b"67890")),
    ):
        trial.should(
            found.status in {404, 410}, f"{method} of an expired upload is answered {found}"
        )
        trial.saw(f"{method}: {found}")


@SUITE.check(74, "What is finished does not expire", needs=NEEDS)
def finished(trial: Trial) -> None:
    if trial.options.download_url is None:
        trial.skip("needs --download-url")
    data = trial.data(10)
    upload = trial.create(10)
    trial.patched(upload, 0, data)
    _wait(trial, upload.answer)
    trial.compare(upload, data)
