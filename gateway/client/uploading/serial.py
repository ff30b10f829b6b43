"""One upload over tus 1.0 (https://tus.io/protocols/resumable-upload): in order, from wherever the server is.

The upload's own URL is enough to continue it, so no clock and no signature has to hold until the end. Each request
carries the digest of its bytes where the server verifies one. After whatever went wrong, the server is asked how
far it is: only it knows.
"""

from base64 import b64encode
from dataclasses import replace
from typing import Final

from gateway.client.failures import Corrupt, Interrupted
from gateway.client.uploading.discovery import TUS, UPLOADS, Offer, expiry, heed, number
from gateway.client.uploading.job import Job
from gateway.client.uploading.locations import same_server_path
from gateway.client.uploading.pace import Pace
from gateway.client.uploading.patience import Patience, setback
from gateway.client.uploading.record import Record
from gateway.client.uploading.steps import (
    COMPLETION,
    Answer,
    Broken,
    Detour,
    Flow,
    Request,
    Save,
    Span,
    Unchanged,
    ask,
    hashed,
)
from gateway.client.uploading.tally import Tally
from gateway.protocol.signatures.sigv4 import EMPTY_SHA256

_BODY: Final = {"content-type": "application/offset+octet-stream"}
#: Seconds by which an end has to move before it is written down again.
_WORTH_NOTING: Final = 600


class Gone(Detour):
    """The server knows the upload no more: it has to begin anew."""


class Serial:
    """The upload of a file in order. ``record`` is how far it is remembered, and kept up to date."""

    def __init__(
        self,
        job: Job,
        offer: Offer,
        record: Record,
        *,
        pace: Pace,
        patience: Patience,
        tally: Tally,
    ) -> None:
        self.record = record
        self.continued_from = 0
        self._job: Final = job
        self._offer: Final = offer
        self._pace: Final = pace
        self._patience: Final = patience
        self._tally: Final = tally

    @property
    def checked(self) -> bool:
        """Whether the server verified each request's bytes."""
        return self._offer.checksum is not None

    def send(self) -> Flow[bool]:
        """Bring the server all bytes. Whether it has said that the object is complete: False where it had all bytes
        already, and perhaps did not come to making the object of them.

        Raises:
            Gone: it has to begin anew.
            TransferFailed: see :mod:`gateway.client.failures`.
        """
        if self.record.location:
            self.continued_from = offset = yield from self._ask()
        else:
            offset = yield from self._create()
        complete = False
        while offset < self._job.size:
            offset, complete = yield from self._append(offset)
        return complete

    def complete(self) -> Flow[None]:
        """Have the server make the object, when it has all bytes: by a request without any.

        Raises:
            Gone, TransferFailed: as :meth:`send`.
        """
        while True:
            outcome = yield from ask(self._patch(self._job.size, {"content-length": "0"}, None))
            if isinstance(outcome, Answer) and outcome.good:
                return
            yield from self._recover(outcome)

    def _create(self) -> Flow[int]:
        headers = {
            **TUS,
            "upload-length": str(self._job.size),
            "upload-metadata": _metadata(self.record),
            # A creation whose answer was lost is found again.
            "idempotency-key": self.record.session,
            "content-length": "0",
        }
        request = Request(
            method="POST",
            path=self._job.path(UPLOADS),
            headers=headers,
            payload=EMPTY_SHA256,
        )
        answer = yield from self._patience.insist(request)
        if answer.status != 201:
            raise answer.refusal
        path = same_server_path(answer.headers.get("location", ""), request.path)
        if path is None:
            raise Corrupt("the server began an upload and did not say where")
        self._patience.progressed()
        heed(answer.headers, self._pace)
        record = replace(self.record, location=path, expires=expiry(answer.headers))
        self.record = record
        yield Save(record)
        # It may be one that an earlier, unanswered request began; then it has no bytes yet either.
        self._tally.reached(0)
        return 0

    def _ask(self) -> Flow[int]:
        """How far the server is."""
        request = Request(method="HEAD", path=self.record.location.encode("ascii"), headers=TUS)
        answer = yield from self._patience.insist(request)
        offset = number(answer.headers.get("upload-offset"))
        if answer.status in (404, 410):
            raise Gone
        if not answer.good:
            raise answer.refusal
        length = number(answer.headers.get("upload-length"))
        if offset is None or offset > self._job.size or length not in (None, self._job.size):
            raise Gone  # it is not this file's
        heed(answer.headers, self._pace)
        yield from self._note(answer)
        self._tally.reached(offset)
        return offset

    def _append(self, offset: int) -> Flow[tuple[int, bool]]:
        """Send one request's worth. Where the server is afterwards, and whether its answer to the last bytes came."""
        span = Span(offset, min(self._job.size, offset + self._pace.size))
        yield Unchanged()
        headers = {**_BODY, "content-length": str(span.size)}
        if self._offer.checksum is not None:
            digest = yield from hashed(span, self._offer.checksum)
            headers["upload-checksum"] = f"{self._offer.checksum} {b64encode(digest).decode()}"
        outcome = yield from ask(self._patch(offset, headers, span))
        reached = _reached(outcome, span)
        if reached is not None and isinstance(outcome, Answer):
            self._pace.sent(span.size, outcome.seconds)
            self._patience.progressed()
            self._tally.reached(reached)
            yield from self._note(outcome)
            return reached, reached == self._job.size
        self._tally.lost(span)
        yield from self._recover(outcome)
        reached = yield from self._ask()
        if reached > offset:
            self._patience.progressed()
        return reached, False

    def _patch(self, offset: int, headers: dict[str, str], body: Span | None) -> Request:
        path = self.record.location.encode("ascii")
        headers = {**TUS, **_BODY, **headers, "upload-offset": str(offset)}
        last = body is None or body.stop == self._job.size
        wait = COMPLETION if last else 60.0
        return Request(method="PATCH", path=path, headers=headers, body=body, wait=wait)

    def _recover(self, outcome: Answer | Broken) -> Flow[None]:
        """Do what helps after a request that did not bring what it should."""
        status = outcome.status if isinstance(outcome, Answer) else 0
        if status in (404, 410):
            raise Gone
        if status == 413 and self._pace.too_large():
            return
        if status in (0, 408, 460):
            self._pace.broke()
        error = setback(outcome)
        if isinstance(outcome, Answer) and outcome.good:
            error = Interrupted("the server did not say how far the upload is")
        elif status == 409:
            error = Interrupted(
                "the upload is elsewhere than it was: does another one continue it?"
            )
        elif status == 460:
            error = Interrupted("the bytes that arrived were not those that were sent")
        yield from self._patience.wait(error)

    def _note(self, answer: Answer) -> Flow[None]:
        """Write down when the server will forget the upload, if that has changed by much."""
        told = expiry(answer.headers)
        if told is None or abs(told - (self.record.expires or 0)) < _WORTH_NOTING:
            return
        self.record = replace(self.record, expires=told)
        yield Save(self.record)


def _reached(outcome: Answer | Broken, span: Span) -> int | None:
    """Where the server is, by its answer to a span; None where it does not say, or says what can't be."""
    if isinstance(outcome, Broken) or not outcome.good:
        return None
    offset = number(outcome.headers.get("upload-offset"))
    return offset if offset is not None and span.start < offset <= span.stop else None


def _metadata(record: Record) -> str:
    """Upload-Metadata: the type, and the digest as it is kept with every object that this client sends."""
    pairs = {"filetype": record.content_type, "sha256": record.sha256}
    return ",".join(f"{name} {b64encode(value.encode()).decode()}" for name, value in pairs.items())
