"""Slabs become parts, without a copy.

A window never reaches over the end of its part, so a read that could span a boundary is split there
exactly, and a slab belongs to one part: what a part holds goes back whole when the part is settled. (A
slab shared by two parts would tie a finished part's memory to the next one's client.) Parts are
multiples of the smallest slab and slabs shrink towards a part's end, so this leaves no slab half empty.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from gateway.adapt.buffer_size import SMALLEST
from gateway.adapt.part_size import PartPlan
from gateway.model import Digest, Part
from gateway.pipeline.slabs import Account, Slab
from gateway.pipeline.spool import Spool, SpoolFile
from gateway.storage.passages import Passage


class Draft:
    """A part that is being filled, or waits to be sent: a spooled beginning, then slabs.

    ``offset`` in the object, ``target`` (the size at which it is complete) and ``size`` (so far) in bytes.
    What an earlier request has left of the same part is put before it by :meth:`precede`.
    """

    def __init__(self, number: int, offset: int, target: int) -> None:
        self.number: Final = number
        self.offset = offset
        self.target = target
        self.size = 0
        self._front: tuple[memoryview, ...] = ()
        self.slabs: list[Slab] = []
        self.file: SpoolFile | None = None
        #: The size that it will have, where it may go to the store as it comes.
        self.announced: int | None = None
        self.passage: Passage[Any] | None = None
        self._views: tuple[memoryview, ...] = ()
        self._returns: list[Callable[[], None]] = []

    @property
    def room(self) -> int:
        """Bytes that are missing."""
        return self.target - self.size

    @property
    def spooled(self) -> int:
        """Bytes of it on disk: memory is needed for as many to send it."""
        return 0 if self.file is None else self.file.size

    @property
    def passes(self) -> bool:
        """Whether it goes to the store as it comes."""
        return self.passage is not None

    def views(self) -> tuple[memoryview, ...]:
        """Its bytes in order. Valid until :meth:`release`."""
        if not self._views:
            spooled = (self.file.view(),) if self.file is not None and self.file.size else ()
            slabs = (slab.data() for slab in self.slabs if slab.filled)
            self._views = (*self._front, *spooled, *slabs)
        return self._views

    def precede(self, views: Sequence[memoryview]) -> None:
        """Put the bytes before it that its part begins with. Not after :meth:`views`."""
        assert not self._views
        size = sum(len(view) for view in views)
        self._front = (*views, *self._front)
        self.offset -= size
        self.target += size
        self.size += size

    def part(self, digests: tuple[Digest, ...] = ()) -> Part:
        """As the store wants it."""
        return Part(self.number, self.offset, self.size, self.views(), digests)

    async def spill(self, spool: Spool, slabs: list[Slab]) -> bool:
        """Move ``slabs``, which are its first, to disk; answer whether that worked. Meanwhile slabs may be added."""
        if self.file is None:
            try:
                self.file = spool.open()
            except OSError:
                spool.full = True
                return False
        views = [slab.data() for slab in slabs]
        if not await self.file.append(views):
            return False
        for view in views:
            view.release()
        del self.slabs[: len(slabs)]
        for slab in slabs:
            slab.release()
        return True

    async def take_room(self, account: Account, ahead: int = 0) -> None:
        """Wait for memory for what is on disk, and for ``ahead`` bytes besides."""
        size = self.spooled + ahead
        await account.take_room(size)
        self.on_release(lambda: account.leave_room(size))

    def on_release(self, give_back: Callable[[], None]) -> None:
        """Have something more given back with the part."""
        self._returns.append(give_back)

    def release(self) -> None:
        """Give memory and disk space back; end a call that is not complete. May be called more than once."""
        if self.passage is not None:
            self.passage.abandon()  # before anybody else gets its memory
        for view in self._views:
            with suppress(BufferError):  # somebody holds a buffer of it: the slab will be retired
                view.release()
        self._views = self._front = ()
        slabs, self.slabs = self.slabs, []
        for slab in slabs:
            slab.release()
        returns, self._returns = self._returns, []
        for give_back in returns:
            give_back()
        if self.file is not None:
            self.file.close()


class PartBuilder:
    """Cuts a stream of bytes into the parts of a plan."""

    def __init__(self, plan: PartPlan) -> None:
        self._plan = plan
        self._open = False
        self.draft = Draft(1, 0, plan.size_of(1))

    def slab_size(self, wanted: int, expected: int | None) -> int:
        """The slab to take for a client that deserves ``wanted`` bytes: no larger than what can still come into
        this part (``expected`` bytes are left of the body, if that is known), as a power of two."""
        room = self.draft.room if expected is None else min(self.draft.room, expected)
        fitting = 1 << (room.bit_length() - 1) if room else 0
        return max(SMALLEST, min(wanted, fitting))

    @property
    def is_open(self) -> bool:
        """Whether the last slab takes more bytes."""
        return self._open

    def add(self, slab: Slab) -> None:
        """Fill this slab next."""
        assert not self._open
        self.draft.slabs.append(slab)
        self._open = True

    def window(self) -> memoryview:
        """Where the next bytes go: the rest of the open slab, up to the part's end."""
        assert self._open
        return self.draft.slabs[-1].window(self.draft.room)

    def advance(self, size: int) -> Slab | None:
        """``size`` bytes were put at the window's start. Answers the slab when it takes no more."""
        slab = self.draft.slabs[-1]
        slab.filled += size
        self.draft.size += size
        return self.seal() if slab.filled == slab.size or not self.draft.room else None

    def seal(self) -> Slab | None:
        """Close the open slab and answer it, or None when there is none, or it is empty (then it is given back)."""
        if not self._open:
            return None
        self._open = False
        self.draft.slabs[-1].seal()
        if self.draft.slabs[-1].filled:
            return self.draft.slabs[-1]
        self.draft.slabs.pop().release()
        return None

    def sealed(self) -> list[Slab]:
        """The slabs of the draft that take no more bytes."""
        return self.draft.slabs[:-1] if self._open else self.draft.slabs[:]

    def cut(self) -> Draft:
        """Take the draft, and begin the next part. Behind the plan's last one comes a part without room."""
        done, number = self.draft, self.draft.number + 1
        target = self._plan.size_of(number) if number <= self._plan.max_parts else 0
        self.draft = Draft(number, done.offset + done.size, target)
        return done
