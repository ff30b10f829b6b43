"""What a body and its connection have in common."""

from typing import Protocol


class Wire(Protocol):
    """What a body needs of its connection."""

    pending: bytearray
    """Bytes that came with the head and were not read yet."""
    scratch: memoryview
    """A buffer shared by all connections, valid until the event loop goes on."""

    def time(self) -> float:
        """The event loop's clock."""
        ...

    def want(self, due: float) -> None:
        """Start reading; something must come before ``due``."""
        ...

    def rest(self) -> None:
        """Stop reading."""
        ...

    def grab(self, view: memoryview) -> int:
        """Receive at once what the socket has; 0: nothing, or this is not the moment or the way to tell."""
        ...

    def invite(self) -> None:
        """Send ``100 Continue`` when the client waits for it and it was not sent."""
        ...
