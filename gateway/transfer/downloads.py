"""Downloads: conditions judged, ranges resolved, and a source that outlives its backend connection."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.errors import ConcurrentWrite, InvalidRange, PreconditionFailed
from gateway.model import ByteRange, From, ObjectInfo, Opened, RangeRequest, Source
from gateway.protocol.commands import GetObject, NotModified, ObjectOpened
from gateway.protocol.conditions import evaluate_read, if_range
from gateway.protocol.ranges import parse_range, resolve
from gateway.storage.retry import Retrier
from gateway.telemetry import Instrument
from gateway.transfer.ahead import WORTH, AheadSource, ReadAhead
from gateway.transfer.opening import open_object
from gateway.transfer.placement import Placement, Placements
from gateway.transfer.resuming import ResumingSource

#: How often a conditional GET looks again at an object that was replaced between its HEAD and its GET.
MAX_LOOKS: Final = 3


@dataclass(slots=True)  # not frozen: see gateway.model
class Download:
    """What to answer, and the bytes that go with it (None: no body). ``opened`` is a time of
    ``time.perf_counter``."""

    store: str
    reply: ObjectOpened | NotModified
    source: Source | None
    opened: float = field(default_factory=time.perf_counter)


class Downloads:
    """Opens objects for reading."""

    def __init__(
        self,
        placements: Placements,
        retriers: Mapping[str, Retrier],
        instrument: Instrument,
        ahead: ReadAhead,
    ) -> None:
        self._placements = placements
        self._retriers = retriers
        self._instrument = instrument
        self._ahead = ahead

    async def open(self, command: GetObject, principal: str) -> Download:
        """Open what the command names, for HEAD without a body. ``principal``: who pays for memory.

        An unconditional GET costs one call to the store. A condition, an ``If-Range`` or several
        ranges are judged on a HEAD first, and the GET then names the ETag that was judged, so the
        answer is of one version.

        Raises:
            ObjectNotFound: there is none.
            PreconditionFailed: a condition does not hold.
            ConcurrentWrite: it was replaced again and again while being looked at.
            InvalidRange: no byte of it lies in the range; ``size`` says how long it is.
            StorageError: the store fails.
        """
        placement = self._placements.resolve(command.key)
        requests = parse_range(command.range_header)
        looked = bool(command.conditions) or command.head_only or len(requests) > 1
        if looked or (requests and command.if_range is not None):
            return await self._judged(placement, command, requests, principal)
        try:
            opened = await self._get(placement, requests[0] if requests else None, None)
        except InvalidRange as error:
            if error.size is not None:
                raise
            info = await self._head(placement)
            raise InvalidRange(error.detail, size=info.size) from None
        partial = opened.range if requests else None
        return self._deliver(placement, opened, partial, principal)

    def finished(self, download: Download, outcome: str, sent: int) -> None:
        """A body is over: ``sent`` of its bytes are with the client. Outcome ``sent``, or what went wrong."""
        self._instrument.download_finished(
            download.store, outcome, sent, time.perf_counter() - download.opened
        )

    async def _judged(
        self,
        placement: Placement,
        command: GetObject,
        requests: tuple[RangeRequest, ...],
        principal: str,
    ) -> Download:
        for _ in range(MAX_LOOKS):
            info = await self._head(placement)
            verdict = evaluate_read(command.conditions, info)
            if verdict == "failed":
                raise PreconditionFailed("A condition of the request does not hold for the object.")
            if verdict == "not-modified":
                return Download(placement.store.name, NotModified(info), None)
            span = resolve(requests, info.size) if if_range(command.if_range, info) else None
            if command.head_only:
                return Download(placement.store.name, ObjectOpened(info=info, range=span), None)
            try:
                opened = await self._get(placement, _request(span), info.etag)
            except PreconditionFailed:
                continue  # replaced since we looked: judge what is there now
            return self._deliver(placement, opened, span, principal)
        raise ConcurrentWrite(
            "The object is replaced faster than it can be opened; try again.", retry_after=1
        )

    def _deliver(
        self, placement: Placement, opened: Opened, partial: ByteRange | None, principal: str
    ) -> Download:
        span = opened.range or ByteRange(0, 0)
        source = self._source(placement, opened, span, principal)
        return Download(placement.store.name, ObjectOpened(info=opened.info, range=partial), source)

    def _source(
        self, placement: Placement, opened: Opened, span: ByteRange, principal: str
    ) -> Source:
        etag, retrier = opened.info.etag, self._retriers[placement.store.name]
        if opened.received:
            return opened.source  # nothing of it can break any more
        if span.size < WORTH or self._ahead.streams == 1:
            return ResumingSource(placement, etag, span, opened.source, retrier, self._instrument)
        return AheadSource(
            self._ahead, principal, placement, etag, span, opened.source, retrier, self._instrument
        )

    async def _head(self, placement: Placement) -> ObjectInfo:
        retrier = self._retriers[placement.store.name]
        return await retrier.call("HeadObject", lambda: placement.store.head(placement.key))

    async def _get(
        self, placement: Placement, request: RangeRequest | None, etag: str | None
    ) -> Opened:
        retrier = self._retriers[placement.store.name]
        return await open_object(placement, request, etag, retrier)


def _request(span: ByteRange | None) -> RangeRequest | None:
    return None if span is None else From(span.start, span.stop)
