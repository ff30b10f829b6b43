"""Deleting objects."""

from collections.abc import Mapping

from gateway.protocol.commands import DeleteObject
from gateway.transfer.exclusive import ConditionalWrites, WriteRule
from gateway.transfer.placement import Placements
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

        A condition is judged on a HEAD and the ETag that was judged goes to the store, which honours
        it where it can.

        Raises:
            PreconditionFailed: a condition does not hold.
            StorageError: the store fails.
        """
        placement = self._placements.resolve(command.key)
        rule = WriteRule(command.conditions)
        etag: str | None = None
        if rule:
            etag = rule.judge(await self._conditional.current(placement)).etag
        await self._retriers[placement.store.name].call(
            "DeleteObject", lambda: placement.store.delete(placement.key, if_match=etag)
        )
