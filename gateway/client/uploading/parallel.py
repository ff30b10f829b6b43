"""One upload in several requests at a time: a chunked session (``/-/chunked/{bucket}/{key}``).

For links where one connection does not fill the pipe. Each chunk is signed with its SHA-256, so it is stored as it
was read or not at all; their order does not matter, and one that comes twice does no harm.
"""

import json
from base64 import b64encode
from dataclasses import replace
from typing import Any, Final

from gateway.client.failures import Corrupt, Interrupted, Refused, TransferFailed
from gateway.client.uploading.gaps import Gaps, read_missing
from gateway.client.uploading.job import DIGEST_HEADER, Job
from gateway.client.uploading.pace import Pace
from gateway.client.uploading.patience import Patience, setback
from gateway.client.uploading.record import Record
from gateway.client.uploading.serial import Gone
from gateway.client.uploading.steps import (
    COMPLETION,
    Answer,
    Broken,
    Detour,
    Flow,
    Request,
    Save,
    Span,
    Together,
    Unchanged,
    ask,
    hashed,
)
from gateway.client.uploading.tally import Tally
from gateway.protocol.dates import parse_date
from gateway.protocol.signatures.sigv4 import EMPTY_SHA256
from gateway.units import MiB

CHUNKED: Final = b"/-/chunked"
#: Errors by which a server says that a chunk is not the one that was signed.
_GARBLED: Final = frozenset({"payload-hash-mismatch", "digest-mismatch"})
#: From this size on a chunk can be a part of its own in S3.
_LEAST_SHARE: Final = 5 * MiB


class NotOffered(Detour):
    """The server has no chunked sessions."""


class Parallel:
    """The upload of a file in any order. ``record`` is how far it is remembered."""

    #: Each chunk's bytes are verified by the server.
    checked: Final = True

    def __init__(
        self, job: Job, record: Record, *, pace: Pace, patience: Patience, tally: Tally
    ) -> None:
        self.record = record
        self.continued_from = 0
        self._job: Final = job
        self._pace: Final = pace
        self._patience: Final = patience
        self._tally: Final = tally
        self._gaps = Gaps(())

    def send(self) -> Flow[None]:
        """Bring the server all bytes, and have it make the object: this ends only when the server says that it is
        there.

        Raises:
            NotOffered: not in this way.
            Gone: it has to begin anew.
            TransferFailed: see :mod:`gateway.client.failures`.
        """
        if not self.record.location:
            yield from self._create()
        self._pace.advise(best=self.record.chunk_size)
        complete = yield from self._ask()
        self.continued_from = self._tally.kept
        while not complete:
            lanes = tuple(self._lane() for _ in range(self._job.parallel))
            yield Together(lanes)
            complete = yield from self._ask()
            if not complete and not self._gaps.size:
                # All is there, and whoever was to make the object of it failed: a repeated chunk does it.
                self._gaps = Gaps([Span(self._job.size - 1, self._job.size)])
                yield from self._patience.wait(Interrupted("the server has all and no object"))

    def _create(self) -> Flow[None]:
        headers = {
            "x-total-size": str(self._job.size),
            "content-type": self._job.content_type,
            DIGEST_HEADER: self.record.sha256,
            "content-length": "0",
        }
        answer = yield from self._patience.insist(self._request("POST", headers))
        if answer.status in (404, 405, 501):
            raise NotOffered
        if not answer.good:
            raise answer.refusal
        document = _document(answer)
        size = document.get("chunk_size")
        self.record = replace(
            self.record,
            location=self._job.path(CHUNKED).decode("ascii"),
            expires=_end(document),
            chunk_size=size if isinstance(size, int) and size > 0 else None,
        )
        yield Save(self.record)

    def _ask(self) -> Flow[bool]:
        """What is missing. Whether the object is complete."""
        answer = yield from self._patience.insist(self._request("GET", {}))
        if answer.status in (404, 410):
            raise Gone
        if not answer.good:
            raise answer.refusal
        document = _document(answer)
        if document.get("length") != self._job.size:
            raise Gone  # it is not this file's
        if document.get("complete") is True:
            self._tally.reached(self._job.size)
            return True
        missing = read_missing(document.get("missing"), self._job.size)
        if missing is None:
            raise Corrupt("the server does not say what is missing of the upload")
        self._gaps = Gaps(missing)
        self._tally.reached(self._job.size - self._gaps.size)
        return False

    def _lane(self) -> Flow[None]:
        """Send chunk after chunk, until there is none that nobody sends."""
        patience = self._patience.fresh()
        while (span := self._gaps.take(self._most(), self.record.chunk_size)) is not None:
            outcome = yield from self._chunk(span)
            if isinstance(outcome, Answer) and outcome.good:
                self._pace.sent(span.size, outcome.seconds)
                patience.progressed()
                self._tally.arrived(span, span.size)
                continue
            # Back to all: the next to take it may take less of it.
            self._gaps.give_back(span)
            self._tally.lost(span)
            yield from self._recover(outcome, patience)

    def _most(self) -> int:
        """The next chunk's size: towards the end smaller, so that all lanes end at about the same time."""
        share = self._gaps.size // self._job.parallel
        return min(self._pace.size, max(_LEAST_SHARE, share))

    def _chunk(self, span: Span) -> Flow[Answer | Broken]:
        """One chunk, tried once."""
        yield Unchanged()
        digest = yield from hashed(span, "sha256")
        headers = {
            "content-range": f"bytes {span.start}-{span.stop - 1}/{self._job.size}",
            "content-length": str(span.size),
            # Beside the signature, so that nothing of it is kept before all of it is verified.
            "content-digest": f"sha-256=:{b64encode(digest).decode()}:",
        }
        request = self._request("PUT", headers, body=span, payload=digest.hex())
        return (yield from ask(request))

    def _recover(self, outcome: Answer | Broken, patience: Patience) -> Flow[None]:
        error: TransferFailed = setback(outcome)
        if isinstance(outcome, Broken) or outcome.status == 408:
            self._pace.broke()
        elif outcome.status in (404, 409, 410):
            raise Gone  # 409: other bytes are at its place
        elif isinstance(error, Refused) and error.code in _GARBLED:
            error = Interrupted("the bytes that arrived were not those that were sent")
        yield from patience.wait(error)

    def _request(
        self,
        method: str,
        headers: dict[str, str],
        *,
        body: Span | None = None,
        payload: str = EMPTY_SHA256,
    ) -> Request:
        return Request(
            method=method,
            path=self._job.path(CHUNKED),
            headers={"x-upload-session-id": self.record.session, **headers},
            body=body,
            payload=payload,
            wait=60.0 if self._gaps.size else COMPLETION,
        )


def _end(document: dict[str, Any]) -> float | None:
    """When the session ends, in Unix seconds; None where the server does not say."""
    told = document.get("expires")
    date = parse_date(told) if isinstance(told, str) else None
    return None if date is None else date.timestamp()


def _document(answer: Answer) -> dict[str, Any]:
    """The JSON of an answer; empty where there is none."""
    try:
        found = json.loads(answer.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
