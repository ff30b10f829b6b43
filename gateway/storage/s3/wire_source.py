"""The bodies of GetObjects as Sources."""

from gateway.errors import StorageUnavailable
from gateway.storage.s3.errors import raise_for
from gateway.storage.s3.wire_body import Body


class WireSource:
    """Reads from the socket into the caller's view; while nobody reads, the store's window closes.

    ``length``: bytes that will come, whatever the answer's framing is.
    """

    def __init__(self, body: Body, length: int) -> None:
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
        if not self._left:
            return 0
        try:
            count = await self._body.read_into(view[: self._left])
        except OSError as error:
            raise_for("GetObject", error)
        if not count:
            raise StorageUnavailable(f"GetObject: the body ended {self._left} bytes early.")
        self._left -= count
        return count

    async def aclose(self) -> None:
        """A body that was received to its end has given its connection back; of any other the connection is closed."""
        self._body.close()
