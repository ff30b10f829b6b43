"""What one upload's client was told is kept, and may therefore never be asked for again."""

from dataclasses import dataclass, field

from tests.chaos.dialects import Told


class Broken(AssertionError):
    """A promise was broken; the text says which."""


@dataclass
class Ledger:
    """Acknowledged bytes: all below ``floor``, and the ranges in ``kept``. ``length`` is the whole's."""

    length: int
    floor: int = 0
    kept: list[tuple[int, int]] = field(default_factory=list)
    done: bool = False

    def since(self) -> "Since":
        """What holds when a request is sent: what its answer is held to, because answers may pass each other."""
        return Since(self.floor, tuple(self.kept), self.done)

    def keep(self, start: int, stop: int) -> None:
        """These bytes were acknowledged."""
        self.kept.append((start, stop))

    def hear(self, since: "Since", told: Told) -> None:
        """Hold an answer against what was told before its request was sent, and remember what it tells.

        Raises:
            Broken: bytes that were acknowledged are asked for again, or more is told than there can be.
        """
        if told.offset is not None:
            if told.offset < since.floor:
                raise Broken(f"the offset went back from {since.floor} to {told.offset}")
            if told.offset > self.length:
                raise Broken(f"the offset is {told.offset} of {self.length} bytes")
            self.floor = max(self.floor, told.offset)
        for start, stop in told.missing or ():
            for first, last in ((0, since.floor), *since.kept):
                if start < last and first < stop:
                    raise Broken(f"{first}-{last} was kept, and {start}-{stop} is asked for")
        if since.done and told.missing:
            raise Broken(f"it was finished, and {told.missing} is asked for")
        if told.done:
            self.done = True
            self.floor = self.length


@dataclass(frozen=True)
class Since:
    """What was acknowledged at one moment."""

    floor: int
    kept: tuple[tuple[int, int], ...]
    done: bool
