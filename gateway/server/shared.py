"""What all connections of a process share."""

import logging
from collections.abc import Sequence
from typing import Final

from gateway.drain import Drain
from gateway.server.census import Census
from gateway.server.exchange import Direct
from gateway.server.known import KnownHeads
from gateway.server.refusals import Render
from gateway.server.response import Header
from gateway.server.rules import Rules
from gateway.units import KiB

SCRATCH: Final = 256 * KiB

_log = logging.getLogger("gateway.server")


class Shared:
    """Rules, the count of connections, and a buffer that is free again when a callback returns."""

    def __init__(
        self, rules: Rules, drain: Drain, render: Render, direct: Direct | None = None
    ) -> None:
        self.rules = rules
        self.drain = drain
        self.render = render
        self.direct = direct
        self.census = Census(rules)
        self.known = KnownHeads(rules)
        self.scratch = memoryview(bytearray(SCRATCH))
        self._blunders: set[type[Exception]] = set()
        self._defaults: tuple[Sequence[Header], bytes] = ((), b"")

    def default_lines(self, headers: Sequence[Header]) -> bytes:
        """Headers that every response has, as they are sent. uvicorn makes others once a second."""
        if headers is not self._defaults[0]:
            self._defaults = headers, b"".join([b"%b: %b\r\n" % pair for pair in headers])
        return self._defaults[1]

    def blunder(self, error: Exception) -> None:
        """Log a bug that a head brought out. Heads cost their senders nothing, so each kind of error is told with its
        traceback once, and not again while the process lives."""
        if type(error) not in self._blunders:
            self._blunders.add(type(error))
            _log.error("bug: a request's head could not be read", exc_info=error)
