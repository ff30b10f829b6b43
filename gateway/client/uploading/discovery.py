"""What a server offers for uploads that can be continued (tus 1.0, OPTIONS), and its advice."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.client.uploading.job import Job
from gateway.client.uploading.pace import Pace
from gateway.client.uploading.patience import Patience
from gateway.client.uploading.steps import Flow, Request
from gateway.protocol.dates import parse_date

UPLOADS: Final = b"/-/uploads"
TUS: Final = {"tus-resumable": "1.0.0"}
#: Digests of single requests, best first: tus's name, and hashlib's.
_ALGORITHMS: Final = ("sha256", "sha1")
_LIMIT: Final = re.compile(r"(?:^|[,\s])(max|min)-append-size=([0-9]{1,15})\b", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,19}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """``checksum``: the digest that the server verifies of each request, None: none."""

    checksum: str | None


def discover(job: Job, pace: Pace, patience: Patience) -> Flow[Offer | None]:
    """Ask; None where uploads can't be continued there, so that a plain PUT is the way.

    Raises:
        TransferFailed: nobody answers.
    """
    answer = yield from patience.insist(Request(method="OPTIONS", path=job.path(UPLOADS)))
    words = _words(answer.headers.get("tus-version"))
    extensions = _words(answer.headers.get("tus-extension"))
    if "1.0.0" not in words or "creation" not in extensions:
        return None
    most = number(answer.headers.get("tus-max-size"))
    if most is not None and job.size > most:
        return None  # what the server says to a PUT tells the user more than we could
    heed(answer.headers, pace)
    algorithms = _words(answer.headers.get("tus-checksum-algorithm"))
    offered = (name for name in _ALGORITHMS if "checksum" in extensions and name in algorithms)
    return Offer(checksum=next(offered, None))


def heed(headers: Mapping[str, str], pace: Pace) -> None:
    """Take what an Upload-Limit advises (draft-ietf-httpbis-resumable-upload, "Limits")."""
    found = {name: int(size) for name, size in _LIMIT.findall(headers.get("upload-limit", ""))}
    if found:
        pace.advise(most=found.get("max"), least=found.get("min"))


def number(text: str | None) -> int | None:
    """A count of bytes from a header; None where there is none that can be read."""
    return int(text) if text is not None and _NUMBER.fullmatch(text) else None


def expiry(headers: Mapping[str, str]) -> float | None:
    """Upload-Expires in Unix seconds; None where there is none that can be read."""
    date = parse_date(headers.get("upload-expires"))
    return None if date is None else date.timestamp()


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",")]
