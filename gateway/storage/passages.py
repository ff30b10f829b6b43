"""Bodies that are still coming, on their way into a store: what one that takes them offers."""

from typing import Protocol, TypeVar

from gateway.model import (
    Attributes,
    MultipartRef,
    ObjectKey,
    PartReceipt,
    Stored,
    Views,
    WriteCondition,
)

T_co = TypeVar("T_co", covariant=True)


class Passage(Protocol[T_co]):
    """A call that has been begun and whose body is still coming. Nothing of it can be repeated.

    Exactly the size that was announced is sent, the last byte of it with :meth:`finish`: a store that got less
    commits nothing. One task at a time.
    """

    async def send(self, views: Views) -> None:
        """Send the next bytes; when this returns, the views may change.

        Raises:
            StorageError: the call has failed; nothing of it is stored. So has every later one.
            GatewayError: the store has refused it, as :meth:`.base.ObjectStore.put` does.
        """
        ...

    async def finish(self, views: Views) -> T_co:
        """Send the last bytes, of which there is one at least, and answer what the store says.

        Raises:
            GatewayError: as :meth:`send`; where no answer came, it may be stored nevertheless.
        """
        ...

    def abandon(self) -> None:
        """End the call: of what was not sent nothing leaves any more, and an unfinished body is never
        stored. May be called more than once, and after the end."""
        ...


class Passages(Protocol):
    """How a store takes bodies that are still coming. What was refused or failed before a method here returned may
    be tried again: no byte was taken."""

    async def open_put(
        self, key: ObjectKey, size: int, attributes: Attributes, *, condition: WriteCondition
    ) -> Passage[Stored]:
        """Begin to store a whole object of ``size`` bytes (at least one). Raises as :meth:`.base.ObjectStore.put`."""
        ...

    async def open_part(
        self, ref: MultipartRef, number: int, offset: int, size: int
    ) -> Passage[PartReceipt]:
        """Begin to store a part of ``size`` bytes (at least one). Raises as :meth:`.base.ObjectStore.upload_part`."""
        ...
