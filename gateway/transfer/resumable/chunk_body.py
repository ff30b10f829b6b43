"""The body of a chunk, taken in run by run."""

from collections.abc import Sequence
from typing import Final

from gateway.errors import TooLarge
from gateway.model import Digest, Source
from gateway.pipeline.source import LimitedSource
from gateway.pipeline.transforms import Chain
from gateway.storage.checksums import Checksum
from gateway.transfer.resumable.chunk_sink import ChunkSink
from gateway.transfer.resumable.proof import CRC
from gateway.units import KiB

_SCRATCH: Final = 64 * KiB


class _RunCrc:
    """A tap whose CRC-64/NVME begins anew with each run."""

    costly = False

    def __init__(self) -> None:
        self._checksum = Checksum(CRC)

    def update(self, data: memoryview, /) -> None:
        """See the next bytes."""
        self._checksum.update(data)

    def take(self) -> int:
        """The CRC of the run, which ends here."""
        done, self._checksum = self._checksum, Checksum(CRC)
        return int.from_bytes(done.digest().value, "big")


class ChunkBody:
    """All of it goes through one chain."""

    def __init__(
        self, source: Source, length: int, claims: Sequence[Digest], signed: Sequence[Digest]
    ) -> None:
        self._source = source
        self._tap = _RunCrc()
        self._chain = Chain(length=length, claims=claims, signed=signed, taps=(self._tap,))

    async def into(self, sink: ChunkSink, size: int) -> int:
        """Fill a sink with the next ``size`` bytes; answers their CRC-64/NVME."""
        await sink.fill(LimitedSource(self._source, size), self._chain)
        return self._tap.take()

    async def crc(self, size: int) -> int:
        """The CRC-64/NVME of the next ``size`` bytes, which go nowhere."""
        scratch = memoryview(bytearray(min(size, _SCRATCH)))
        while size:
            count = await self._source.read_into(scratch[:size])
            if not count:
                self._chain.verify()  # says what is missing
            await self._chain.feed(scratch[:count], _nothing)
            await self._chain.settle()
            size -= count
        return self._tap.take()

    async def end(self) -> None:
        """All of it is here: hear the source say so, and hold it against what was claimed.

        Raises:
            DigestMismatch, IncompleteBody: it is another.
        """
        if await self._source.read_into(memoryview(bytearray(1))):
            raise TooLarge("The body is longer than its range.")
        self._chain.verify()


def _nothing() -> None: ...
