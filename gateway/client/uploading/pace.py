"""How much to send in one request: as much as the link carries in a few seconds, less where it breaks.

A request whose digest is verified counts as a whole or not at all, so what a broken one costs is its size; what a
small one costs is a round trip and the server's bookkeeping. Multiplied up by what was measured, halved at a break.
"""

from dataclasses import dataclass, field

from gateway.units import KiB, MiB


@dataclass(slots=True, kw_only=True)
class Pace:
    """Sizes in bytes, ``target`` in seconds per request. ``unit``: sizes above it are whole multiples of it."""

    size: int = 8 * MiB
    floor: int = 256 * KiB
    cap: int = 64 * MiB
    target: float = 4.0
    unit: int = 64 * KiB
    #: Bytes per second, smoothed; 0: nothing is known.
    rate: float = field(default=0.0, init=False)

    def sent(self, count: int, seconds: float) -> None:
        """A request with ``count`` bytes was answered after ``seconds``: grow to what the target allows, by no
        more than double, as one measurement may be a buffer's and not the link's."""
        measured = count / max(seconds, 1e-6)
        self.rate = measured if not self.rate else 0.5 * self.rate + 0.5 * measured
        self._set(min(int(self.rate * self.target), 2 * self.size))

    def broke(self) -> None:
        """A request did not come through."""
        self._set(self.size // 2)

    def advise(
        self, *, most: int | None = None, least: int | None = None, best: int | None = None
    ) -> None:
        """What the server takes in one request, if it says so, the most over the least; and what it likes best, to
        begin with."""
        if least is not None:
            self.floor = max(self.floor, least)
        if most is not None:
            self.cap = max(1, min(self.cap, most))
        self._set(best if best is not None and not self.rate else self.size)

    def too_large(self) -> bool:
        """Something on the way refused a request for its size: send less from now on. False where that was the
        least already."""
        if self.size <= self.floor:
            return False
        self.cap = max(self.floor, self.size // 2)
        self._set(self.cap)
        return True

    def _set(self, size: int) -> None:
        size = min(max(size, self.floor), self.cap)
        if size > self.unit:
            size -= size % self.unit
        self.size = size
