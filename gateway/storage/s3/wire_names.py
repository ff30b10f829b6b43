"""The addresses behind a host name, and which of them the next connection goes to.

Amazon answers a look-up with several of thousands of addresses and another set a few seconds later, and
asks that clients spread over them. So each new connection goes to the address with the fewest of ours; one
that just failed is taken only when there is no other; and after a failure the name is looked up again.
"""

import asyncio
import random
import socket
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from gateway.storage.s3.wire_target import is_address

#: Seconds for which an answer of the resolver is used: a burst of connections costs one look-up.
FRESH: Final = 5.0

#: Seconds for which an address that failed is avoided.
AVOID: Final = 30.0

_MOST: Final = 64


class Names:
    """Look-ups of one event loop. ``clock``: seconds, monotonic."""

    def __init__(self, port: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._port = port
        self._clock = clock
        self._known: dict[str, tuple[float, list[str]]] = {}
        self._failed: dict[str, float] = {}
        self._open: Counter[str] = Counter()

    async def pick(self, host: str) -> str:
        """The address for the next connection to ``host``.

        Raises:
            OSError: the name cannot be resolved.
        """
        if is_address(host):
            return host
        addresses = await self._look_up(host)
        now = self._clock()
        self._failed = {one: until for one, until in self._failed.items() if until > now}
        return min(
            addresses,
            key=lambda one: (one in self._failed, self._open[one], random.random()),  # noqa: S311
        )

    def opened(self, address: str) -> None:
        """A connection to ``address`` is there."""
        self._open[address] += 1

    def closed(self, address: str) -> None:
        """It is gone."""
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]

    def failed(self, host: str, address: str | None = None) -> None:
        """A call to ``host`` failed (connecting to ``address``): look again before the next connection."""
        self._known.pop(host, None)
        if address is not None:
            self._failed[address] = self._clock() + AVOID

    async def _look_up(self, host: str) -> list[str]:
        until, addresses = self._known.get(host, (0.0, []))
        if until > self._clock():
            return addresses
        found = await asyncio.get_running_loop().getaddrinfo(
            host, self._port, type=socket.SOCK_STREAM
        )
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[host] = (self._clock() + FRESH, addresses)
        return addresses
