"""Calls that were begun without waiting, on a connection that was idle. See :class:`gateway.storage.prompt.Begun`."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from gateway.errors import GatewayError
from gateway.model import Opened, RangeRequest, Stored, Views
from gateway.storage.s3.wire_answer import Answer
from gateway.storage.s3.wire_body import Body, drop
from gateway.storage.s3.wire_call import Call, Caller
from gateway.storage.s3.wire_link import Link
from gateway.storage.s3.wire_outcome import opened, stored
from gateway.storage.s3.wire_owed import Coming

#: How the plane opens what was answered, if need be with one more call.
Opening: TypeAlias = Callable[[Call, RangeRequest | None, Answer, Body], Awaitable[Opened]]


class _Begun:
    """What both calls share."""

    __slots__ = ("_call", "_caller", "_link", "answer")

    def __init__(self, caller: Caller, call: Call, begun: tuple[Link, Coming]) -> None:
        self._caller = caller
        self._call = call
        self._link, self.answer = begun

    def abandon(self) -> None:
        """See Begun."""
        self._link.give_up(self.answer)

    def _success(self) -> tuple[Answer, Body] | None:
        if self.answer.exception() is not None:
            return None
        answered = self.answer.result()
        return answered if answered[0].status < 300 else None

    async def _answered(self) -> tuple[Answer, Body]:
        """A success, as the ordinary call gets it from here on."""
        return await self._caller.make(self._call, (self._link, self.answer))


class BegunPut(_Begun):
    """PutObject of ``views``."""

    __slots__ = ()

    def outcome(self) -> Stored | None:
        """See Begun."""
        answered = self._success()
        if answered is None or not answered[1].ended:
            return None
        try:
            return stored(answered[0], size_of(self._call.body or ()))
        except GatewayError:
            return None  # finish() meets it again, where it is counted

    async def finish(self) -> Stored:
        """See Begun."""
        answer, body = await self._answered()
        await drop(body)
        return stored(answer, size_of(self._call.body or ()))


class BegunGet(_Begun):
    """GetObject of ``range``."""

    __slots__ = ("_opening", "_range")

    def __init__(
        self,
        caller: Caller,
        call: Call,
        begun: tuple[Link, Coming],
        range: RangeRequest | None,
        opening: Opening,
    ) -> None:
        super().__init__(caller, call, begun)
        self._range = range
        self._opening = opening

    def outcome(self) -> Opened | None:
        """See Begun."""
        answered = self._success()
        if answered is None or answered[0].length is None:
            return None
        answer, body = answered
        assert answer.length is not None
        try:
            return opened(self._call.key, self._range, answer, body, answer.length)
        except GatewayError:
            return None  # as above

    async def finish(self) -> Opened:
        """See Begun."""
        return await self._opening(self._call, self._range, *await self._answered())


def size_of(views: Views) -> int:
    """Bytes in all."""
    return sum([view.nbytes for view in views])
