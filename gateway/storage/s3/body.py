"""A request body over memoryviews: no joining copy, re-readable, watched for progress.

Three readers want three things of one body. botocore validates that it can ``read`` and rewinds it with
``seek``; our signer takes the payload hash off it; aiohttp takes it as a payload of its own kind and
writes view by view. A plain file-like object would cost a hop to a thread for every 64 KiB.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload
from botocore.exceptions import HTTPClientError

from gateway.model import Views
from gateway.units import KiB, MiB

UNSIGNED: Final = "UNSIGNED-PAYLOAD"

#: What is written between two checks for progress. A multiple of aiohttp's drain limit (64 KiB).
_STEP: Final = 256 * KiB

#: Hashing below this is cheaper inline than the way to a thread and back.
_INLINE: Final = 256 * KiB


class ViewsBody(Payload):
    """``payload_hash`` is the value of X-Amz-Content-SHA256: hex, or one of SigV4's literals."""

    def __init__(self, views: Views, payload_hash: str = UNSIGNED, *, idle_timeout: float) -> None:
        super().__init__(views, content_type="application/octet-stream")
        self._views = [view.cast("B") if view.format != "B" else view for view in views]
        self._total = sum(view.nbytes for view in self._views)
        self._position = 0
        self._idle_timeout = idle_timeout
        self._deadline: asyncio.Timeout | None = None
        self._transport: asyncio.WriteTransport | None = None
        self.payload_hash = payload_hash

    @property
    def size(self) -> int:
        """Bytes that will be sent: the Content-Length."""
        return self._total

    # --- for botocore

    def read(self, size: int = -1) -> bytes:
        """A copy of the next bytes: only what botocore itself may ask for (never on the way to the wire)."""
        stop = self._total if size < 0 else min(self._total, self._position + size)
        data = b"".join(bytes(piece) for piece in self._slices(self._position, stop, _STEP))
        self._position = stop
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """As a file's."""
        base = (0, self._position, self._total)[whence]
        self._position = min(max(0, base + offset), self._total)
        return self._position

    def tell(self) -> int:
        """As a file's."""
        return self._position

    # --- for aiohttp

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The bytes as text: aiohttp demands it of a payload, for its debug output."""
        return b"".join(bytes(view) for view in self._views).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send all of it."""
        await self.write_with_length(writer, None)

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        """Send all of it from its start, however often it was sent before."""
        stop = self._total if content_length is None else min(self._total, content_length)
        self._transport = getattr(writer, "transport", None)
        self._progress()
        try:
            for piece in self._slices(0, stop, _STEP):
                await writer.write(piece)
                self._progress()
        except BaseException:
            # Most likely cancelled: the answer came before the body was out.
            self._abort()
            raise
        # From here aiohttp's own read timeout watches for the answer.
        self._rest()

    # --- for the plane

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Raise TimeoutError inside when sending makes no progress for ``idle_timeout`` seconds.

        aiohttp starts its read timeout when the body is out; a store that stops reading in the middle would
        otherwise hold the call for ever.
        """
        try:
            async with asyncio.timeout(None) as self._deadline:
                yield
        except (HTTPClientError, TimeoutError, OSError, asyncio.CancelledError):
            if self._transport is not None and self._transport.get_write_buffer_size() > 0:
                self._abort()
            raise
        finally:
            self._deadline = None

    def _abort(self) -> None:
        """Nothing that is still buffered may leave: closing alone would go on flushing buffers that refer to views
        which the caller now reuses."""
        if self._transport is not None:
            self._transport.abort()

    def _progress(self) -> None:
        if self._deadline is not None and not self._deadline.expired():
            now = asyncio.get_running_loop().time()
            self._deadline.reschedule(now + self._idle_timeout)

    def _rest(self) -> None:
        if self._deadline is not None and not self._deadline.expired():
            self._deadline.reschedule(None)

    def _slices(self, start: int, stop: int, step: int) -> list[memoryview]:
        """Views of at most ``step`` bytes that cover ``start`` to ``stop``."""
        pieces: list[memoryview] = []
        offset = 0
        for view in self._views:
            first, last = max(start - offset, 0), min(stop - offset, view.nbytes)
            pieces.extend(view[at : min(at + step, last)] for at in range(first, last, step))
            offset += view.nbytes
        return pieces


async def sha256_of(views: Views) -> bytes:
    """SHA-256 over all views; in a thread where that costs the event loop less."""
    if sum(view.nbytes for view in views) <= _INLINE:
        return hash_here(views)
    return await asyncio.to_thread(hash_here, views)


def hash_here(views: Views) -> bytes:
    """The same, here and now."""
    digest = hashlib.sha256()
    for view in views:
        for at in range(0, view.nbytes, MiB):
            digest.update(view[at : at + MiB])
    return digest.digest()
