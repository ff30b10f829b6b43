"""What all connections of a process share."""

import logging
from typing import Final

from gateway.drain import Drain
from gateway.server.census import Census
from gateway.server.refusals import Render
from gateway.server.rules import Rules
from gateway.units import KiB

SCRATCH: Final = 256 * KiB

_log = logging.getLogger("gateway.server")


class Shared:
    """Rules, the count of connections, and a buffer that is free again when a callback returns."""

    def __init__(self, rules: Rules, drain: Drain, render: Render) -> None:
        self.rules = rules
        self.drain = drain
        self.render = render
        self.census = Census(rules)
        self.scratch = memoryview(bytearray(SCRATCH))
        self._blunders: set[type[Exception]] = set()

    def blunder(self, error: Exception) -> None:
        """Log a bug that a head brought out. Heads cost their senders nothing, so each kind of error is told with its
        traceback once, and not again while the process lives."""
        if type(error) not in self._blunders:
            self._blunders.add(type(error))
            _log.error("bug: a request's head could not be read", exc_info=error)
