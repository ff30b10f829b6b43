"""Connections kept to a store: at most so many, the youngest used first, idle ones closed before the store does.

The calls that wait for a connection are served in their order. Connections to the host names of several
buckets (virtual-host form) share one limit: an idle one of another host makes place.

A download goes as fast as its client takes it, and clients may be slow, or stand still on purpose: without more, as
many of them as there are connections would keep everybody else from the store. So while calls wait, the place of an
answer that nobody reads is lent to them. The answer keeps its connection, beyond the limit, until it ends; a client
has no more of those than it has connections to us.
"""

import asyncio
import ssl
import time
from collections import deque
from typing import Final

from gateway.errors import Overloaded
from gateway.storage.s3.connection import Endpoint
from gateway.storage.s3.wire_link import HEAD_READ, Link
from gateway.storage.s3.wire_names import Names

#: Seconds after which an idle connection is closed. Amazon closes its end after about 20.
KEEP: Final = 15.0

#: Seconds between looks for answers that nobody reads, while calls wait.
LOOK: Final = 0.25

#: Addresses tried for one connection.
_ADDRESSES: Final = 3


class Pool:
    """Connections of one event loop to one endpoint."""

    def __init__(self, endpoint: Endpoint, port: int, tls: ssl.SSLContext | None) -> None:
        self._endpoint = endpoint
        self._port = port
        self._tls = tls
        self._names = Names(port)
        self._scratch = memoryview(bytearray(HEAD_READ))
        self._links: set[Link] = set()
        self._idle: deque[Link] = deque()  # the youngest is last
        self._places = endpoint.max_connections
        self._waiters: deque[tuple[str, asyncio.Future[Link | None]]] = deque()
        self._reaper: asyncio.TimerHandle | None = None
        self._lent: set[Link] = set()  # those whose places others have
        self._standing: dict[Link, int] = {}
        self._looker: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def idle(self) -> int:
        """Connections that wait for a call."""
        return len(self._idle)

    @property
    def size(self) -> int:
        """Connections, those being opened included."""
        return self._endpoint.max_connections - self._places + len(self._lent)

    def take(self, host: str) -> Link | None:
        """An idle connection to ``host``, if there is one."""
        for at in range(len(self._idle) - 1, -1, -1):
            link = self._idle[at]
            if link.host == host and link.usable:
                del self._idle[at]
                return link
        return None

    async def open(self, host: str) -> Link:
        """A connection when there is place for one: a new one, or one that became free meanwhile.

        Raises:
            OSError, TimeoutError: it cannot be made.
            Overloaded: all are busy, and stay so for the idle time.
        """
        if self._closed:
            raise ConnectionAbortedError("The store's connections were closed.")
        if self._places <= 0 and self._idle:
            self._idle.popleft().sever()
        if self._places > 0 and not self._waiters:
            self._places -= 1
        elif (link := await self._place(host)) is not None:
            return link
        try:
            return await self._connect(host)
        except BaseException:
            self._give_place()
            raise

    def failed(self, host: str) -> None:
        """A call failed: the next connection looks the name up again."""
        self._names.failed(host)

    def close(self) -> None:
        """End all connections; running calls fail, and so do those that wait."""
        self._closed = True
        while self._waiters:
            _, waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(ConnectionAbortedError("The store's connections were closed."))
        for timer in (self._reaper, self._looker):
            if timer is not None:
                timer.cancel()
        self._idle.clear()
        for link in tuple(self._links):
            link.sever()

    # --- called by links

    def free(self, link: Link) -> None:
        """``link`` may carry another call: the first that waits gets it, or its place."""
        if link in self._lent:
            if self._places <= 0:
                link.sever()
                return
            self._places -= 1
            self._lent.discard(link)
        while self._waiters:
            host, waiter = self._waiters.popleft()
            if waiter.done():
                continue
            if host == link.host:
                waiter.set_result(link)
            else:
                self._waiters.appendleft((host, waiter))
                link.sever()  # its place follows when it is gone
            return
        link.idle_since = time.monotonic()
        self._idle.append(link)
        if self._reaper is None:
            self._reaper = asyncio.get_running_loop().call_later(KEEP, self._reap)

    def lost(self, link: Link) -> None:
        """``link`` is gone."""
        if link not in self._links:
            return
        self._links.discard(link)
        self._names.closed(link.address)
        if link in self._idle:
            self._idle.remove(link)
        if link in self._lent:
            self._lent.discard(link)
        else:
            self._give_place()

    # ---

    def _give_place(self) -> None:
        """A place is free: the first that waits gets it."""
        while self._waiters:
            _, waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._places += 1

    async def _place(self, host: str) -> Link | None:
        """Wait: for a connection, or for the place of one (None)."""
        waiter: asyncio.Future[Link | None] = asyncio.get_running_loop().create_future()
        self._waiters.append((host, waiter))
        if self._looker is None:
            self._looker = asyncio.get_running_loop().call_later(LOOK, self._look)
        try:
            async with asyncio.timeout(self._endpoint.idle_timeout):
                link = await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._hand_back(waiter.result())
            if isinstance(error, TimeoutError):
                raise Overloaded(
                    "All connections to the store are busy; see max_connections.", retry_after=1
                ) from None
            raise
        if link is not None and not link.usable:  # closed since it was handed over
            return await self._place(host)
        return link

    def _hand_back(self, link: Link | None) -> None:
        if link is None:
            self._give_place()
        elif link.usable:
            self.free(link)

    async def _connect(self, host: str) -> Link:
        """Try addresses until one takes the connection; a refusal costs little, a silence all the time there is."""
        failure: OSError | None = None
        tried: set[str] = set()
        async with asyncio.timeout(self._endpoint.connect_timeout):
            while len(tried) < _ADDRESSES:
                address = await self._names.pick(host)
                if address in tried:
                    break
                tried.add(address)
                try:
                    return await self._connect_to(host, address)
                except ssl.SSLCertVerificationError:
                    raise
                except OSError as error:
                    failure = error
        assert failure is not None
        raise failure

    async def _connect_to(self, host: str, address: str) -> Link:
        try:
            _, link = await asyncio.get_running_loop().create_connection(
                lambda: Link(self, host, address, self._scratch, self._endpoint.idle_timeout),
                address,
                self._port,
                ssl=self._tls,
                server_hostname=host if self._tls else None,
            )
        except (OSError, asyncio.CancelledError):
            self._names.failed(host, address)
            raise
        if not link.usable:
            self._names.failed(host, address)
            raise ConnectionResetError("The store closed the connection at once.")
        self._links.add(link)
        self._names.opened(address)
        return link

    def _look(self) -> None:
        """Lend the places of answers of which nothing was read since the last look."""
        before, self._standing, self._looker = self._standing, {}, None
        for link in self._links - self._lent:
            mark = link.standing
            if mark is None:
                continue
            if before.get(link) == mark:
                self._lent.add(link)
                self._give_place()
            else:
                self._standing[link] = mark
        if self._waiters:
            self._looker = asyncio.get_running_loop().call_later(LOOK, self._look)
        else:
            self._standing.clear()

    def _reap(self) -> None:
        """Close what was idle for long, the eldest first."""
        self._reaper = None
        now = time.monotonic()
        while self._idle and now - self._idle[0].idle_since >= KEEP:
            self._idle.popleft().sever()
        if self._idle:
            wait = self._idle[0].idle_since + KEEP - now
            self._reaper = asyncio.get_running_loop().call_later(wait, self._reap)
