"""A download that outlives its backend connection.

When the store breaks mid-body, reading goes on from the reached offset with ``Range`` and ``If-Match``,
so the client sees one unbroken body of one version of the object, or a broken connection: never a mix
of two versions.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from gateway.errors import (
    GatewayError,
    InvalidRange,
    NotFound,
    PreconditionFailed,
    StorageCorrupt,
    StorageThrottled,
    StorageTimeout,
    StorageUnavailable,
)
from gateway.model import ByteRange, From, Source
from gateway.telemetry import Instrument
from gateway.transfer.placement import Placement

T = TypeVar("T")

#: Breaks in a row without a byte between them after which a download is given up.
MAX_BREAKS: Final = 3


class Call(Protocol):
    """How a call to a store is made: with retries, timing and the breaker."""

    async def call(self, operation: str, fn: Callable[[], Awaitable[T]]) -> T:
        """Make it.

        Raises:
            GatewayError: it failed for good.
        """
        ...


class ResumingSource:
    """The bytes of ``span`` of the version ``etag`` of an object: out of ``source``, which begins there, and out of
    what is opened when that breaks. Without a ``source`` one is opened when the first byte is asked for."""

    def __init__(
        self,
        placement: Placement,
        etag: str,
        span: ByteRange,
        source: Source | None,
        retrier: Call,
        instrument: Instrument,
    ) -> None:
        self._placement = placement
        self._etag = etag
        self._source = source
        self._offset = span.start
        self._stop = span.stop
        self._retrier = retrier
        self._instrument = instrument
        self._breaks = 0

    @property
    def length(self) -> int:
        """Bytes still to come."""
        return self._stop - self._offset

    def end_at(self, stop: int) -> None:
        """End earlier: at ``stop``, an offset in the object that was not read past yet."""
        assert self._offset <= stop <= self._stop
        self._stop = stop

    async def read_into(self, view: memoryview, /) -> int:
        """Fill the view, over as many backend connections as it takes.

        Raises:
            StorageError: the store breaks again and again, or the object was replaced meanwhile.
        """
        while self._offset < self._stop:
            if self._source is None:
                # Outside of the try: the retrier has made its attempts, and layers of attempts multiply.
                self._source = await self._reopen()
            try:
                count = await self._read(self._source, view)
            except GatewayError as error:
                if not error.retryable or self._breaks >= MAX_BREAKS:
                    raise
                self._breaks += 1
                await self._give_up_connection()
                self._instrument.download_resumed(self._placement.store.name)
                continue
            self._breaks = 0
            self._offset += count
            return count
        return 0

    async def _read(self, source: Source, view: memoryview) -> int:
        count = await source.read_into(view[: self._stop - self._offset])
        if count == 0:
            raise StorageUnavailable("The store ended the object before its size.")
        return count

    async def _reopen(self) -> Source:
        store, key = self._placement.store, self._placement.key
        span = From(self._offset, self._stop)
        try:
            opened = await self._retrier.call(
                "GetObject", lambda: store.get(key, range=span, if_match=self._etag)
            )
        except (PreconditionFailed, NotFound, InvalidRange):
            raise _replaced() from None
        # Not every store honours If-Match.
        if opened.info.etag != self._etag or opened.range != ByteRange(self._offset, self._stop):
            await opened.source.aclose()
            raise _replaced()
        return opened.source

    async def _give_up_connection(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            await source.aclose()

    async def aclose(self) -> None:
        """Close the backend connection. Who reads on opens another one."""
        self._breaks = 0
        await self._give_up_connection()


class Watched:
    """Calls that tell ``congested`` when an attempt had begun whose answer was to ask less, or none in time."""

    def __init__(
        self, retrier: Call, congested: Callable[[float], None], clock: Callable[[], float]
    ) -> None:
        self._retrier = retrier
        self._congested = congested
        self._clock = clock

    async def call(self, operation: str, fn: Callable[[], Awaitable[T]]) -> T:
        """See :class:`Call`."""

        async def attempt() -> T:
            started = self._clock()
            try:
                return await fn()
            except (StorageThrottled, StorageTimeout):
                self._congested(started)
                raise

        return await self._retrier.call(operation, attempt)


def _replaced() -> StorageCorrupt:
    return StorageCorrupt("The object was replaced or removed while it was being read.")
