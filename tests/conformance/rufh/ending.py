"""R45 and R46: cancelling, and what keeps an upload whole and its owner's."""

import base64
import gzip
import hashlib
import time
from urllib.parse import urlsplit

from tests.conformance.rufh.trial import DONE, MORE, PARTIAL, SUITE, drafted
from tests.conformance.tus.trial import SETTLE, Trial
from tests.conformance.wire import WireError, chunked, head

#: Letters that a URL nobody guesses has at least: 128 random bits in base64url.
_LETTERS = 22


def sha256(data: bytes) -> str:
    """As digest fields have it."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


@SUITE.check(45, "DELETE: 204, a running append is over; then 404 or 410")
def cancels(trial: Trial) -> None:
    draft = drafted(trial)
    upload = draft.started(20)
    with draft.begin(upload, 0, 20, b"1234567") as running:
        answer = trial.request("DELETE", upload.url)
        try:
            running.send(bytes(13))
            late = running.answer("PATCH", timeout=3)
            trial.must(late.status >= 400, f"the running append was answered {late}")
        except WireError:
            pass
    trial.should(answer.status == 204, f"DELETE was answered {answer}")
    time.sleep(SETTLE)
    for what, after in (
        ("HEAD", trial.head(upload.url)),
        ("PATCH", draft.append(upload, 7, b"8", False)),
        ("DELETE", trial.request("DELETE", upload.url)),
    ):
        gone = after.status in {404, 410}
        trial.must(gone, f"{what} after DELETE was answered {after}")
    found = trial.download(upload)
    trial.must(found is None or found.status != 200, "the object is there after DELETE")


@SUITE.check(46, "Digests are held to, codings are counted as they are, URLs can't be guessed")
def safe(trial: Trial) -> None:
    _digests(trial)
    _wanted(trial)
    _codings(trial)
    _guessing(trial)


def _digests(trial: Trial) -> None:
    draft = drafted(trial)
    upload = draft.started(10)
    wrong = ("Content-Digest", sha256(b"no"))
    answer = draft.append(upload, 0, b"12345", False, [wrong])
    trial.must(400 <= answer.status < 500, f"a wrong Content-Digest was answered {answer}")
    draft.is_at(upload, 0, "a wrong Content-Digest")
    right = ("Content-Digest", sha256(b"12345"))
    answer = draft.append(upload, 0, b"12345", False, [right])
    trial.must(200 <= answer.status < 300, f"a right Content-Digest was answered {answer}")
    name = trial.target.new_name()
    whole = draft.begin_upload([DONE, ("Repr-Digest", sha256(b"no"))], b"1234567890", name)
    trial.must(400 <= whole.status < 500, f"a wrong Repr-Digest was answered {whole}")
    found = trial.download(draft.object_at(trial.target.creation_url(name), name))
    trial.must(
        found is None or found.status != 200, "what has a wrong Repr-Digest is there all the same"
    )


def _wanted(trial: Trial) -> None:
    data = trial.data(1000)
    told = [DONE, ("Want-Repr-Digest", "sha-256=1")]
    answer = drafted(trial).begin_upload(told, data)
    trial.must(200 <= answer.status < 300, f"with Want-Repr-Digest it was answered {answer}")
    found = answer.get("repr-digest")
    trial.should(found == sha256(data), f"Repr-Digest is {found}")


def _codings(trial: Trial) -> None:
    draft = drafted(trial)
    coded = gzip.compress(b"a" * 1000)
    answer = draft.begin_upload([MORE, ("Content-Encoding", "gzip")], coded)
    trial.need(200 <= answer.status < 300, f"a coded body was answered {answer}")
    draft.is_at(trial.made[-1], len(coded), f"{len(coded)} coded bytes of 1000")
    upload = draft.started(None)
    told = [
        ("Upload-Offset", "0"), MORE, ("Content-Type", PARTIAL), ("Transfer-Encoding", "chunked"),
    ]  # fmt: skip
    raw = head("PATCH", upload.url, trial.fields(told)) + chunked([b"1234", b"567"])
    answer = trial.exchange("PATCH", upload.url, raw)
    trial.must(200 <= answer.status < 300, f"a chunked body was answered {answer}")
    draft.is_at(upload, 7, "7 bytes in two chunks")


def _guessing(trial: Trial) -> None:
    draft = drafted(trial)
    first, second = (urlsplit(draft.started(5).url).path for _ in range(2))
    kept = sum(one == other for one, other in zip(first[::-1], second[::-1], strict=False))
    trial.must(first != second, "two uploads have one URL")
    last = first.rstrip("/").rpartition("/")[2]
    trial.should(len(last) >= _LETTERS, f"the URL ends in {len(last)} letters")
    trial.should(kept < len(last) // 2, f"two URLs share {kept} letters of {len(last)}")
