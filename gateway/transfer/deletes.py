"""Deleting objects."""

from collections.abc import Mapping

from gateway.protocol.commands import DeleteObject
from gateway.transfer.exclusive import ConditionalWrites, WriteRule, judges_alone
from gateway.transfer.placement import Placement, Placements
from gateway.transfer.resuming import Call


class Deletes:
    """Removes objects; that one was missing is no error."""

    def __init__(
        self,
        placements: Placements,
        retriers: Mapping[str, Call],
        conditional: ConditionalWrites,
    ) -> None:
        self._placements = placements
        self._retriers = retriers
        self._conditional = conditional

    async def delete(self, command: DeleteObject) -> None:
        """Remove what the command names.

        A condition is judged on a HEAD, under the same lease as conditional writes where the store does
        not judge itself; the ETag that was judged goes to the store, which honours it where it can.

        Raises:
            PreconditionFailed: a condition does not hold.
            ConcurrentWrite: another request holds the object for too long.
            StorageError: the store fails.
        """
        placement = self._placements.resolve(command.key)
        rule = WriteRule(command.conditions)
        if not rule:
            await self._remove(placement, None)
            return
        leased = not judges_alone(placement.store)
        async with self._conditional.commit(placement, rule, leased=leased) as found:
            if found is not None:
                await self._remove(placement, found.etag)

    async def _remove(self, placement: Placement, etag: str | None) -> None:
        await self._retriers[placement.store.name].call(
            "DeleteObject", lambda: placement.store.delete(placement.key, if_match=etag)
        )
