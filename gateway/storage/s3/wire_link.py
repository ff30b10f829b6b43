"""One raw connection to a store: a request out, an answer in, then the next.

Sending is :mod:`.wire_outgoing`'s, receiving :mod:`.wire_body`'s; here is what ties them to one call. Whatever
ends a call before its time severs the connection.
"""

import asyncio
import enum
from typing import Final, Protocol, cast

from gateway.model import Views
from gateway.storage.s3.wire_answer import Answer, Garbled
from gateway.storage.s3.wire_body import Body, Cut
from gateway.storage.s3.wire_heads import Heads
from gateway.storage.s3.wire_outgoing import Outgoing
from gateway.storage.s3.wire_owed import Coming, Owed, seen
from gateway.storage.s3.wire_watch import Movement, Unread, Watch
from gateway.units import KiB

#: Read at once while a head is due: a head and a small object.
HEAD_READ: Final = 32 * KiB


class Phase(enum.Enum):
    """Where a connection stands."""

    IDLE = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()
    CLOSED = enum.auto()


class Home(Protocol):
    """Who keeps connections between calls."""

    def free(self, link: "Link") -> None:
        """``link`` may carry another call."""
        ...

    def lost(self, link: "Link") -> None:
        """``link`` is gone."""
        ...


class Link(asyncio.BufferedProtocol):
    """See the module's text. ``calls`` counts those begun; ``idle_since`` belongs to its home."""

    def __init__(
        self, home: Home, host: str, address: str, scratch: memoryview, idle_timeout: float
    ) -> None:
        self.host: Final = host
        self.address: Final = address
        self.calls = 0
        self.idle_since = 0.0
        self._home = home
        self._scratch = scratch
        self._loop = asyncio.get_running_loop()
        self._watch = Watch(self._loop, idle_timeout, self._movement, self._silent)
        self._transport: asyncio.Transport
        self._unread: Unread
        self._outgoing: Outgoing
        self._heads: Heads
        self._phase = Phase.IDLE
        self._reading = True
        self._heard = False
        self._answer: Coming | None = None
        self._body: Body | None = None
        self._keep_alive = False
        self._received = 0

    @property
    def usable(self) -> bool:
        """Whether it may carry a call."""
        return self._phase is Phase.IDLE and not self._transport.is_closing() and not self._unread

    @property
    def standing(self) -> int | None:
        """While there is a body that nobody reads: a number that changes when more of it comes. Else None."""
        body = self._body if self._phase is Phase.BODY else None
        return None if body is None or body.reading else self._received

    async def call(
        self, head: bytes, body: Views, *, method: str, expect: bool = False
    ) -> tuple[Answer, Body]:
        """Send a request; return with the head of its final answer.

        The connection is free again when the answer's body has been received. ``expect``: the head asks for
        ``100 Continue``. An error may come before all was sent: then the rest is not.

        Raises:
            Cut: the connection ended, or the store was content before it had the body.
            Garbled: what came is no HTTP.
            TimeoutError: nothing moved for the idle time.
        """
        return await self.rest(self.begin(head, body, method=method, expect=expect))

    def begin(
        self, head: bytes, body: Views, *, method: str, expect: bool = False, owed: bool = False
    ) -> Coming:
        """Begin to send a request; its answer is to come. ``owed``: whoever waits for it cannot cancel it."""
        answer = self._begin(method, owed=owed)
        try:
            self._outgoing.begin(head, body, expect=expect)
        except BaseException:
            self.sever()
            raise
        return answer

    async def rest(self, answer: Coming) -> tuple[Answer, Body]:
        """Wait for the answer of what was begun.

        Raises:
            Cut, Garbled, TimeoutError: as :meth:`call`.
        """
        try:
            return await answer
        except BaseException:
            self.give_up(answer)
            raise

    def give_up(self, answer: Coming) -> None:
        """Nobody wants this answer. Where it has come with its body, the connection may be another call's by now."""
        if answer.done() and not answer.cancelled() and answer.exception() is None:
            answer.result()[1].close()
        else:
            self.sever()

    async def open(self, head: bytes, *, method: str) -> Coming:
        """Send the head, which asks for ``100 Continue``, of a request whose body is still coming; return when it is
        wanted, or when the answer is there already. What is answered does not raise here."""
        answer = self._begin(method)
        answer.add_done_callback(seen)
        try:
            await self._outgoing.open(head)
        except BaseException:
            self.sever()
            raise
        return answer

    async def feed(self, views: Views, *, last: bool) -> None:
        """Send more of that body; return when the views are no longer needed. Look at the answer then."""
        try:
            await self._outgoing.feed(views, last=last)
        except BaseException:
            self.sever()
            raise

    def _begin(self, method: str, *, owed: bool = False) -> Coming:
        assert self._phase is Phase.IDLE
        self._phase = Phase.HEAD
        self._heads.expect(method)
        self._heard = False
        self.calls += 1
        answer: Coming = Owed(loop=self._loop) if owed else self._loop.create_future()
        self._answer = answer
        self._watch.start()
        return answer

    def sever(self) -> None:
        """End the connection now; of what was not sent nothing leaves any more."""
        if self._phase is Phase.CLOSED:
            return
        self._phase = Phase.CLOSED
        self._watch.stop()
        self._outgoing.cut()
        self._fail(Cut("The connection was given up.", silent=not self._heard))

    # --- transport callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set it up."""
        self._transport = cast("asyncio.Transport", transport)
        self._unread = Unread(transport.get_extra_info("socket").fileno())
        self._outgoing = Outgoing(self._transport, self._loop)
        self._heads = Heads(self._outgoing.go_on)

    def get_buffer(self, sizehint: int) -> memoryview:
        """The reader's own view while a body is read; else the shared one."""
        del sizehint
        view = self._body.buffer() if self._body is not None else None
        return self._scratch if view is None else view

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes came, into what :meth:`get_buffer` had given."""
        self._received += 1
        if self._phase is Phase.HEAD:
            self._heard = True
            try:
                answer = self._heads.feed(self._scratch[:nbytes])
            except Garbled as error:
                self._break(error)
            else:
                if answer is not None:
                    self._deliver(answer)
        elif self._body is None:
            self.sever()  # nobody asked for it
        elif self._body.buffer() is None:
            self._feed(self._body, self._scratch[:nbytes])
        else:
            self._body.received(nbytes)

    def eof_received(self) -> bool:
        """The store closes."""
        if self._body is None or not self._body.eof():
            self._fail(Cut("The store closed the connection.", silent=not self._heard))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._phase = Phase.CLOSED
        self._watch.stop()
        self._outgoing.stop()
        self._fail(Cut(f"The connection was lost: {exc}", silent=not self._heard))
        self._home.lost(self)

    def pause_writing(self) -> None:
        """The kernel takes no more just now."""
        self._outgoing.pause()

    def resume_writing(self) -> None:
        """It has taken everything."""
        self._outgoing.resume()

    # --- answers

    def _deliver(self, answer: Answer) -> None:
        """The final head is there: the body begins."""
        waiter, self._answer = self._answer, None
        assert waiter is not None
        if waiter.cancelled():  # whoever did that gives the connection up: before it is another's
            self.sever()
            return
        early = not self._outgoing.finish()
        self._phase = Phase.BODY
        self._keep_alive = answer.keep_alive and not early
        rest = self._heads.rest()
        body = self._body = Body(self, answer, rest)
        if early and answer.status < 300:
            waiter.set_exception(Cut("The store was content before it had the whole body."))
            self.sever()
            return
        if body.ended:
            self.body_ended()
        elif rest:
            self._feed(body, rest)
        else:
            self.read_more(wanted=False)
        if not waiter.done():
            waiter.set_result((answer, body))

    def _feed(self, body: Body, data: bytearray | memoryview) -> None:
        if body.left is not None and len(data) > body.left:
            self._keep_alive = False
        try:
            body.feed(data)
        except Garbled as error:
            self._break(error)

    def read_more(self, *, wanted: bool) -> None:
        """Read the socket, or let it be."""
        if wanted is not self._reading and self._phase is not Phase.CLOSED:
            self._reading = wanted
            if wanted:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def body_ended(self) -> None:
        """The answer is complete."""
        self._body = None
        if not self._keep_alive:
            self.sever()
        elif self._phase is not Phase.CLOSED:
            self._phase = Phase.IDLE
            self.read_more(wanted=True)  # to see it close
            self._home.free(self)

    def _break(self, error: Exception) -> None:
        self._fail(error)
        self.sever()

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self._answer = None
        if self._body is not None:
            self._body.fail(error)

    # --- time

    def _movement(self) -> Movement | None:
        """What the kernel still has to send counts, which may take long. Of a head only the whole counts."""
        if self._phase is Phase.IDLE or self._phase is Phase.CLOSED:
            return None
        ours = self._outgoing.starved or (self._body is not None and not self._body.reading)
        came = self._heads.interim if self._phase is Phase.HEAD else self._received
        return Movement((came, self._outgoing.events, self._outgoing.held), ours)

    def _silent(self) -> None:
        self._break(TimeoutError("Nothing moved for the idle time."))
