"""The body of a GetObject as a Source."""

from typing import Any, Final

from gateway.errors import StorageUnavailable
from gateway.storage.s3.errors import map_s3_errors
from gateway.units import KiB

#: The most that is taken off aiohttp's buffer at a time: what it joins it copies.
_READ: Final = 256 * KiB


class BodySource:
    """Pulls a response body; while nobody pulls, aiohttp stops reading the socket after 128 KiB."""

    def __init__(self, body: Any, length: int) -> None:
        self._body = body
        self._left = length

    @property
    def length(self) -> int | None:
        """Bytes still to come."""
        return self._left

    async def read_into(self, view: memoryview, /) -> int:
        """See :class:`gateway.model.Source`.

        Raises:
            StorageUnavailable: the body broke off; a new GET from the reached offset may go on.
            StorageTimeout: the same, by silence.
        """
        if self._left == 0:
            return 0
        with map_s3_errors("GetObject"):
            data = await self._body.read(min(len(view), self._left, _READ))
        if not data:
            raise StorageUnavailable(f"GetObject: the body ended {self._left} bytes early.")
        view[: len(data)] = data
        self._left -= len(data)
        return len(data)

    async def aclose(self) -> None:
        """A body that was read to its end has given its connection back; of any other the connection is closed,
        as draining could cost gigabytes."""
        await self._body.aclose()
