"""Bytes that are here already, as a source."""


class HeldSource:
    """Gives ``data`` away: a memory store's, or a body that came with its head. Nothing of it can fail any more, and no
    connection is held for it."""

    def __init__(self, data: memoryview) -> None:
        self._data = data

    @property
    def length(self) -> int:
        """Bytes still to come."""
        return len(self._data)

    async def read_into(self, view: memoryview, /) -> int:
        """See :class:`gateway.model.Source`."""
        size = min(len(view), len(self._data))
        view[:size] = self._data[:size]
        self._data = self._data[size:]
        return size

    def take_at_once(self, size: int, /) -> memoryview | None:
        """All that is left, if that is ``size`` bytes: the caller's from then on."""
        if size != len(self._data):
            return None
        data, self._data = self._data, memoryview(b"")
        return data

    async def aclose(self) -> None:
        """Let go of the bytes."""
        self._data = memoryview(b"")
