"""Is the object what the file is? Asked when an upload is complete."""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

from gateway.client.failures import Corrupt
from gateway.client.uploading.discovery import number
from gateway.client.uploading.job import DIGEST_HEADER, Job
from gateway.client.uploading.patience import Patience
from gateway.client.uploading.steps import Flow, Request
from gateway.protocol.signatures.sigv4 import EMPTY_SHA256

_REPR_DIGEST: Final = re.compile(r"\bsha-256=:([A-Za-z0-9+/=]*):")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """The object as HEAD shows it. ``readable``: False where this key may only write. ``digest`` is its SHA-256 as
    the server knows it, ``kept`` as this client left it there; in hex, None: not told."""

    readable: bool
    there: bool
    etag: str = ""
    size: int | None = None
    digest: str | None = None
    kept: str | None = None

    def is_ours(self, job: Job, sha256: str) -> bool:
        """Whether it is what this upload makes."""
        return self.there and self.size == job.size and self.kept == sha256


def look(job: Job, patience: Patience) -> Flow[Sight]:
    """Ask for the object's head.

    Raises:
        TransferFailed: nobody answers, or something else is wrong.
    """
    headers = {"accept-encoding": "identity"}
    request = Request(method="HEAD", path=job.path(), headers=headers, payload=EMPTY_SHA256)
    answer = yield from patience.insist(request)
    if answer.status in (401, 403, 404):
        return Sight(readable=answer.status == 404, there=False)
    if not answer.good:
        raise answer.refusal
    return Sight(
        readable=True,
        there=True,
        etag=answer.headers.get("etag", "").strip('"'),
        size=number(answer.headers.get("content-length")),
        digest=_sha256(answer.headers.get("repr-digest", "")),
        kept=answer.headers.get(DIGEST_HEADER),
    )


def verify(job: Job, sha256: str, sight: Sight, patience: Patience, *, checked: bool) -> Flow[str]:
    """How the object is known to be the file: see :class:`.job.Uploaded`. ``checked``: each chunk was verified.

    Raises:
        Corrupt: it is not.
        TransferFailed: nobody can tell.
    """
    if sight.readable and not sight.there:
        raise Corrupt(f"{job.key}: the upload was accepted, but the object is not there")
    if sight.there and (sight.size != job.size or sight.kept not in (None, sha256)):
        raise Corrupt(f"{job.key}: another object is there than the one that was sent")
    if sight.digest is not None:
        return _compared(job, sight.digest, sha256, "sha-256")
    if checked:
        return "chunks"
    headers = {"accept-encoding": "identity"}
    request = Request(
        method="GET", path=job.path(), headers=headers, payload=EMPTY_SHA256, hashed=True
    )
    answer = yield from patience.insist(request)
    if not answer.good:
        raise Corrupt(f"{job.key}: what was stored could not be verified ({answer.refusal})")
    return _compared(job, answer.sha256, sha256, "reading")


def _compared(job: Job, found: str, wanted: str, how: str) -> str:
    if found != wanted:
        raise Corrupt(f"{job.key}: what was stored does not have the SHA-256 of the file")
    return how


def _sha256(field: str) -> str | None:
    match = _REPR_DIGEST.search(field)
    if match is None:
        return None
    try:
        return base64.b64decode(match[1], validate=True).hex()
    except binascii.Error:
        return None
