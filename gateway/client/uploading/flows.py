"""From a file to an object, whichever way: small in one PUT, large so that it can be continued."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.client.backoff import Backoff
from gateway.client.failures import Corrupt, Interrupted, Refused
from gateway.client.uploading.discovery import TUS, Offer, discover
from gateway.client.uploading.job import Job, Uploaded
from gateway.client.uploading.pace import Pace
from gateway.client.uploading.parallel import CHUNKED, NotOffered, Parallel
from gateway.client.uploading.patience import Patience
from gateway.client.uploading.record import Record
from gateway.client.uploading.serial import Gone, Serial
from gateway.client.uploading.single import send_whole
from gateway.client.uploading.steps import Flow, Request, Save, Span, ask, hashed
from gateway.client.uploading.tally import Tally
from gateway.client.uploading.verification import look, verify
from gateway.protocol.signatures.sigv4 import EMPTY_SHA256
from gateway.units import MiB

#: From this size on an upload can be continued: below it, sending all again costs little more than asking.
RESUMABLE_FROM: Final = 16 * MiB
#: How often a server may lose an upload before that is told.
_BEGINNINGS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One call of ``put``. ``new_name`` makes names that nobody else has."""

    job: Job
    backoff: Backoff
    tally: Tally
    new_name: Callable[[], str]
    resumable_from: int = RESUMABLE_FROM

    def flow(self, record: Record | None) -> Flow[Uploaded]:
        """Store the file. ``record``: what was begun earlier for this file and place.

        Raises:
            TransferFailed: see :mod:`gateway.client.failures`.
        """
        if record is not None and not self._fits(record):
            yield from self._abandon(record)
            record = None
        patience = Patience(self.backoff)
        if self.job.size >= self.resumable_from:
            pace = Pace()
            offer = yield from discover(self.job, pace, patience)
            if offer is not None:
                return (yield from self._resumable(record, offer, pace, patience))
        return (yield from send_whole(self.job, patience, self.tally))

    def _fits(self, record: Record) -> bool:
        return record.file == self.job.file and record.content_type == self.job.content_type

    def _resumable(
        self, record: Record | None, offer: Offer, pace: Pace, patience: Patience
    ) -> Flow[Uploaded]:
        sha256 = None if record is None else record.sha256
        if sha256 is None:
            sha256 = (yield from hashed(Span(0, self.job.size), "sha256")).hex()
        kind = "chunked" if self.job.parallel > 1 else "tus"
        for _ in range(_BEGINNINGS):
            if record is None:
                record = Record(
                    kind="chunked" if kind == "chunked" else "tus",
                    file=self.job.file,
                    content_type=self.job.content_type,
                    sha256=sha256,
                    session=self.new_name(),
                )
                # Before anything is asked for, so that also what a lost answer began is found again.
                yield Save(record)
            way = self._way(record, offer, pace, patience)
            try:
                return (yield from self._through(way, patience))
            except Gone:
                pass
            except NotOffered:
                kind = "tus"
            record = None
        yield Save(None)
        raise Interrupted(f"the server lost the upload {_BEGINNINGS} times")

    def _way(
        self, record: Record, offer: Offer, pace: Pace, patience: Patience
    ) -> Serial | Parallel:
        """What was begun goes on as it began, in however many requests at a time."""
        if record.kind == "chunked":
            return Parallel(self.job, record, pace=pace, patience=patience, tally=self.tally)
        return Serial(self.job, offer, record, pace=pace, patience=patience, tally=self.tally)

    def _through(self, way: Serial | Parallel, patience: Patience) -> Flow[Uploaded]:
        """Send, verify, forget."""
        job, sha256 = self.job, way.record.sha256
        try:
            complete = yield from way.send()
            sight = yield from look(job, patience)
            # A server that had all bytes when it was asked may not have come to making the object of them.
            if isinstance(way, Serial) and not complete and not sight.is_ours(job, sha256):
                yield from way.complete()
                sight = yield from look(job, patience)
            how = yield from verify(job, sha256, sight, patience, checked=way.checked)
        except (Corrupt, Refused) as error:
            # What was refused before it began can't be continued; what is refused now may be allowed again.
            if isinstance(error, Corrupt) or not way.record.location:
                yield Save(None)
            raise
        yield Save(None)
        return Uploaded(
            etag=sight.etag,
            size=job.size,
            sha256=sha256,
            verified_by=how,
            continued_from=way.continued_from,
        )

    def _abandon(self, record: Record) -> Flow[None]:
        """Begin anew: what was begun is of no use, so the server need not keep it. If that can't be told now, the
        upload expires there."""
        if record.location:
            path = record.location.encode("ascii")
            headers = {**TUS, "content-length": "0"}
            payload = None
            if path.startswith(CHUNKED + b"/"):
                headers = {"x-upload-session-id": record.session}
                payload = EMPTY_SHA256
            yield from ask(Request(method="DELETE", path=path, headers=headers, payload=payload))
        yield Save(None)
