"""What looks at bytes as they pass: checksums and the length guard. Synchronous; a chain calls them.

A tap sees each filled slab once. Costly digests of large slabs are computed in a thread, one slab at a
time and in order, while the next is being received; small ones inline, where a thread would cost more
than it brings. Nothing is decided before the end: :meth:`Chain.verify` is what stands between a body and
its publication.
"""

import asyncio
import hmac
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from gateway.errors import (
    DigestMismatch,
    IncompleteBody,
    PayloadHashMismatch,
    TooLarge,
    TooSmall,
)
from gateway.model import Digest
from gateway.pipeline.owner import unbroken
from gateway.storage.checksums import Checksum
from gateway.units import MiB, format_size

#: From this size on, costly digests go to a thread.
THREADED: Final = 1 * MiB


class Tap(Protocol):
    """Looks at bytes, in order, and never keeps them."""

    #: Whether an update costs enough to leave the event loop for (and releases the interpreter lock).
    costly: bool

    def update(self, data: memoryview, /) -> None:
        """See the next bytes.

        Raises:
            GatewayError: the body must not go on.
        """
        ...


class LengthGuard:
    """Counts, and holds the body to its declared ``length``, to ``max_size`` (None: no such bound) and to
    ``min_size``. Bytes."""

    costly = False

    def __init__(
        self, length: int | None = None, max_size: int | None = None, min_size: int = 0
    ) -> None:
        self._length = length
        self._max_size = max_size
        self._min_size = min_size
        self.size = 0

    def update(self, data: memoryview, /) -> None:
        """See the next bytes.

        Raises:
            IncompleteBody: they run past the declared length.
            TooLarge: they run past the limit.
        """
        self.size += len(data)
        if self._max_size is not None and self.size > self._max_size:
            raise TooLarge(f"The body is over the limit of {format_size(self._max_size)}.")
        if self._length is not None and self.size > self._length:
            raise IncompleteBody(f"The body runs past its declared length of {self._length} bytes.")

    def verify(self) -> None:
        """Hold the end against the declared length and the least size.

        Raises:
            IncompleteBody: bytes are missing.
            TooSmall: the body is under the least size.
        """
        if self._length is not None and self.size != self._length:
            raise IncompleteBody(
                f"The body ended after {self.size} of its declared {self._length} bytes."
            )
        if self.size < self._min_size:
            raise TooSmall(f"The body must have at least {self._min_size} bytes.")


_PRESIGNED_TOO_EARLY: Final = (
    " It is that of an empty body: presign with requestChecksumCalculation set to WHEN_REQUIRED."
)


class Chain:
    """All that looks at one body.

    ``length`` is declared, ``max_size`` allowed (bytes, None: unknown, unlimited), ``min_size``
    demanded; ``claims`` are digests
    that the client sent, ``signed`` those that its signature covers, ``compute`` further algorithms
    that the answer wants.

    Raises:
        InvalidDigest: an algorithm is unknown.
    """

    def __init__(
        self,
        *,
        length: int | None = None,
        max_size: int | None = None,
        min_size: int = 0,
        claims: Sequence[Digest] = (),
        signed: Sequence[Digest] = (),
        compute: Iterable[str] = (),
        taps: Sequence[Tap] = (),
    ) -> None:
        self._guard = LengthGuard(length, max_size, min_size)
        self._claims = tuple(claims)
        self._signed = tuple(signed)
        self._batch: asyncio.Future[None] | None = None
        self._checksums: dict[str, Checksum] = {}
        self._light: list[Tap] = [self._guard]
        self._costly: list[Tap] = []
        if claims or signed or compute or taps:
            self._look_closer(compute, taps)

    def _look_closer(self, compute: Iterable[str], taps: Sequence[Tap]) -> None:
        """More than the length is of interest."""
        claims = (*self._claims, *self._signed)
        algorithms = dict.fromkeys((*(digest.algorithm for digest in claims), *compute))
        self._checksums = {algorithm: Checksum(algorithm) for algorithm in algorithms}
        all_taps: list[Tap] = [*self._checksums.values(), *taps]
        self._light += [tap for tap in all_taps if not tap.costly]
        self._costly += [tap for tap in all_taps if tap.costly]

    @property
    def size(self) -> int:
        """Bytes seen so far."""
        return self._guard.size

    async def feed(self, data: memoryview, done: Callable[[], None]) -> None:
        """Show the next bytes to all taps. ``done`` is called when they are no longer looked at: before this
        returns, or later, when a thread has finished with them.

        Raises:
            IncompleteBody: they run past the declared length.
            TooLarge: they run past the limit.
        """
        try:
            for tap in self._light:
                tap.update(data)
            if self._costly:
                await self.settle()
                if len(data) >= THREADED:
                    self._start(data, done)
                    return
                self._digest(data)
        except BaseException:
            data.release()
            done()
            raise
        data.release()
        done()

    def look(self, data: memoryview) -> None:
        """Show bytes to all taps, here and now: for a body that is small and all here.

        Raises:
            IncompleteBody, TooLarge: as :meth:`feed`.
        """
        assert self._batch is None, "settle() comes first"
        for tap in self._light:
            tap.update(data)
        self._digest(data)

    def _start(self, data: memoryview, done: Callable[[], None]) -> None:
        def end(_: asyncio.Future[None]) -> None:
            data.release()
            done()

        self._batch = asyncio.get_running_loop().run_in_executor(None, self._digest, data)
        self._batch.add_done_callback(end)

    def _digest(self, data: memoryview) -> None:
        for tap in self._costly:
            tap.update(data)

    async def settle(self) -> None:
        """Wait for the thread, if it is at work. Not given up on cancellation: it reads memory that is lent to it."""
        batch, self._batch = self._batch, None
        if batch is not None:
            await unbroken(_result(batch))

    def verify(self) -> None:
        """Hold everything that was claimed against what came. Call it after the source's end, before the sink
        completes.

        Raises:
            IncompleteBody: bytes are missing.
            TooSmall: fewer than are demanded.
            PayloadHashMismatch: a digest that was signed differs.
            DigestMismatch: a digest that was sent differs.
        """
        assert self._batch is None, "settle() comes first"
        self._guard.verify()
        for signed in self._signed:
            if not self._holds(signed):
                raise PayloadHashMismatch(
                    f"The body's {signed.algorithm} is not the one that was signed."
                )
        for claim in self._claims:
            if not self._holds(claim):
                detail = f"The body's {claim.algorithm} is not the one that was sent."
                # That of nothing: an SDK that presigned a PUT before it knew the body.
                early = claim == Checksum(claim.algorithm).digest()
                raise DigestMismatch(detail + (_PRESIGNED_TOO_EARLY if early else ""))

    def _holds(self, claim: Digest) -> bool:
        return hmac.compare_digest(self.digest(claim.algorithm).value, claim.value)

    def digest(self, algorithm: str) -> Digest:
        """The computed digest of all bytes.

        Raises:
            KeyError: it was not asked for.
        """
        return self._checksums[algorithm].digest()

    def digests(self) -> tuple[Digest, ...]:
        """All that were computed."""
        return tuple(checksum.digest() for checksum in self._checksums.values())


async def _result(batch: asyncio.Future[None]) -> None:
    await batch
