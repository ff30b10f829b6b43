"""Heads of answers as they come: interim ones are dealt with, the final one is what a call waits for."""

from collections.abc import Callable
from typing import Final

from gateway.storage.s3.wire_answer import Answer, Garbled, find_end, read_head

#: Interim answers to one call. Each is a sign of life, so a store that drips them would be waited for without end.
_MOST_INTERIM: Final = 16


class Heads:
    """Bytes are gathered until a head is whole. ``go_on`` is called for a 100."""

    __slots__ = ("_go_on", "_method", "_pending", "_scanned", "interim")

    def __init__(self, go_on: Callable[[], None]) -> None:
        self._go_on = go_on
        self._pending = bytearray()
        self._scanned = 0
        self._method = ""
        #: Interim answers to this call.
        self.interim = 0

    def expect(self, method: str) -> None:
        """A call begins; what answers it depends on its method."""
        self._method = method
        self.interim = 0

    def feed(self, data: memoryview) -> Answer | None:
        """Take what came (copied); answer the final head once it is whole. What came behind it is :meth:`rest`.

        Raises:
            Garbled: it is no HTTP, or no answer to such a call.
        """
        self._pending += data
        while end := find_end(self._pending, self._scanned):
            self._scanned = 0
            answer = read_head(bytes(memoryview(self._pending)[:end]), self._method)
            del self._pending[:end]
            if answer.status >= 200:
                return answer
            if answer.status == 101:
                raise Garbled("The store wants to switch protocols.")
            self.interim += 1
            if self.interim > _MOST_INTERIM:
                raise Garbled("The store sends interim answers without end.")
            if answer.status == 100:
                self._go_on()
        self._scanned = len(self._pending)
        return None

    def rest(self) -> bytearray:
        """What came behind the final head; it is the caller's."""
        rest, self._pending = self._pending, bytearray()
        return rest
