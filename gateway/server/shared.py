"""What all connections of a process share."""

from typing import Final

from gateway.drain import Drain
from gateway.server.census import Census
from gateway.server.refusals import Render
from gateway.server.rules import Rules
from gateway.units import KiB

SCRATCH: Final = 256 * KiB


class Shared:
    """Rules, the count of connections, and a buffer that is free again when a callback returns."""

    def __init__(self, rules: Rules, drain: Drain, render: Render) -> None:
        self.rules = rules
        self.drain = drain
        self.render = render
        self.census = Census(rules)
        self.scratch = memoryview(bytearray(SCRATCH))
