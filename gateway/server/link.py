"""The line between what is said on a connection and the transport that carries it."""

import enum
from typing import Protocol

from gateway.server.exchange import AsgiApp, Exchange
from gateway.server.outlet import Outlet


class Phase(enum.Enum):
    """Where a conversation stands."""

    HEAD = enum.auto()
    EXCHANGE = enum.auto()
    DISCARD = enum.auto()
    OVER = enum.auto()


class Link(Protocol):
    """What a conversation needs of the transport below it."""

    client: tuple[str, int] | None
    server: tuple[str, int] | None
    outlet: Outlet

    def time(self) -> float:
        """The event loop's clock."""
        ...

    def expect(self, due: float | None) -> None:
        """Call :meth:`~gateway.server.conversation.Conversation.expire` at ``due``; None: never."""
        ...

    def update_reading(self) -> None:
        """:attr:`~gateway.server.conversation.Conversation.reads` may have changed."""
        ...

    def grab(self, view: memoryview) -> int:
        """Receive into ``view`` what is there now; 0: nothing, or only the transport can tell."""
        ...

    def start(self, exchange: Exchange, app: AsgiApp) -> None:
        """Run an exchange as a task."""
        ...

    def close(self) -> None:
        """End the connection when everything written has left."""
        ...

    def linger(self) -> None:
        """End it so that a client which is still sending can read the answer."""
        ...
