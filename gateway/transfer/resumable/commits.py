"""Telling the session what parts the store has acknowledged, in order and without a hole."""

from collections.abc import Callable, Iterator

from gateway.model import PartReceipt
from gateway.pipeline.owner import Owner
from gateway.sessions.extents import Extent, Piece
from gateway.sessions.uploads import Change
from gateway.transfer.resumable.writing import Writing

#: Hears an offset that would survive anything, while a body is still coming.
Durable = Callable[[int], None]


class Commits:
    """The commits of one request, from ``offset`` (in bytes of the upload) on.

    While ``staged`` nothing is committed. ``durable`` is told where the upload durably ends when parts have been
    committed; ``failed`` hears what goes wrong. ``merged`` are the segments that committed parts have replaced.
    """

    def __init__(
        self,
        writing: Writing,
        offset: int,
        *,
        staged: bool,
        durable: Durable | None,
        failed: Callable[[BaseException], None],
    ) -> None:
        self._writing = writing
        self._staged = staged
        self._durable = durable
        self._failed = failed
        self._reached = offset
        self._sent: dict[int, list[Extent]] = {}
        self._landed: dict[int, PartReceipt] = {}
        self._tasks = Owner()
        self.merged: list[Extent] = []

    def expect(self, offset: int, replaced: list[Extent]) -> None:
        """A part is sent from ``offset`` on, in place of segments."""
        self._sent[offset] = replaced
        self._reached = min(self._reached, offset)

    def restart(self, offset: int) -> None:
        """Go on with what lies at ``offset``, wherever the last part ended."""
        self._reached = offset

    def received(self, receipt: PartReceipt) -> None:
        """The store has acknowledged a part."""
        self._landed[receipt.offset] = receipt
        if not self._staged and not len(self._tasks):
            self._tasks.start(self._commit(), name="commit")

    async def join(self) -> None:
        """Wait for commits that have begun."""
        await self._tasks.join()

    async def flush(self) -> None:
        """Commit what is not yet: also what was staged, which from here on is so no more."""
        self._staged = False
        await self._commit()

    def _due(self) -> Iterator[PartReceipt]:
        while (receipt := self._landed.pop(self._reached, None)) is not None:
            self._reached += receipt.size
            yield receipt

    async def _commit(self) -> None:
        """Tell the session what has landed without a hole, again and again until nothing has."""
        try:
            while receipts := list(self._due()):
                added = [self._extent(receipt) for receipt in receipts]
                session = await self._writing.change(Change(add=added))
                if self._durable is not None:
                    self._durable(session.offset)
                self.merged += [each for part in added for each in self._sent.pop(part.offset)]
        except BaseException as error:  # noqa: BLE001 - it surfaces where the block waits
            self._failed(error)

    def _extent(self, receipt: PartReceipt) -> Extent:
        return Extent(
            offset=receipt.offset,
            size=receipt.size,
            number=receipt.number,
            etag=receipt.etag,
            digests=receipt.digests,
            pieces=_pieces(self._sent[receipt.offset]),
        )


def _pieces(segments: list[Extent]) -> tuple[Piece, ...]:
    """What is known of the chunks that a part was made of."""
    return tuple(piece for segment in segments for piece in segment.pieces)
