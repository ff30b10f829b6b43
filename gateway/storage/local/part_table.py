"""What an unfinished upload consists of, replayed from its journal. Pure.

The parts of an upload lie in one data file, each in an extent of its own that is never written
twice. An extent is taken (journalled) before its bytes are written and the part recorded after, so
what a reader of the journal believes is always on the disk, and a part that is sent again never
damages the one it replaces. A part goes where the finished object has it, if that place is free;
so completing an upload is a rename, and the file is usually just the object.

Journal: one line per entry, ``CRC-32 of the JSON in hex, space, JSON, newline``. Lines that a crash
tore are skipped: nobody was told of what they say.
"""

import json
import zlib
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

from gateway.model import PartReceipt
from gateway.storage.local.record import Extent


@dataclass(frozen=True, slots=True)
class Taken:
    """An entry: bytes ``at`` to ``at + size`` of the data file belong to somebody now."""

    at: int
    size: int


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry: a part is on the disk."""

    number: int
    at: int
    size: int
    etag: str


Entry = Taken | Kept


def encode(entry: Entry) -> bytes:
    """A line of the journal."""
    if isinstance(entry, Taken):
        data: dict[str, Any] = {"take": [entry.at, entry.size]}
    else:
        data = {"part": entry.number, "at": entry.at, "size": entry.size, "etag": entry.etag}
    text = json.dumps(data, separators=(",", ":")).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(text), text)


def decode(line: bytes) -> Entry | None:
    """The inverse of :func:`encode`, without the newline; None for a line that was torn."""
    checksum, _, text = line.partition(b" ")
    if not text or checksum != b"%08x" % zlib.crc32(text):
        return None
    data = json.loads(text)
    if "take" in data:
        return Taken(*data["take"])
    return Kept(data["part"], data["at"], data["size"], data["etag"])


class PartTable:
    """An upload's parts and the extents that are taken."""

    def __init__(self) -> None:
        self.position = 0
        """How much of the journal was replayed, in bytes."""
        self._parts: dict[int, tuple[PartReceipt, Extent]] = {}
        # Taken extents as sorted, disjoint, non-touching (start, stop).
        self._taken: list[tuple[int, int]] = []

    @property
    def end(self) -> int:
        """Where the last taken extent ends: nothing was or will be written from here on."""
        return self._taken[-1][1] if self._taken else 0

    @property
    def receipts(self) -> dict[int, PartReceipt]:
        """The parts by number."""
        return {number: receipt for number, (receipt, _) in self._parts.items()}

    def extent(self, number: int) -> Extent:
        """Where a part's bytes are."""
        return self._parts[number][1]

    def replay(self, journal: bytes) -> None:
        """Take in what the journal has from :attr:`position` on; an unfinished last line waits."""
        complete = journal.rfind(b"\n") + 1
        for line in journal[:complete].splitlines():
            entry = decode(line)
            if entry is not None:
                self._apply(entry)
        self.position += complete

    def place(self, offset: int, size: int) -> Taken:
        """A free extent for a part: at ``offset`` where possible, else behind everything."""
        return Taken(offset if self._free(offset, offset + size) else self.end, size)

    def _apply(self, entry: Entry) -> None:
        if isinstance(entry, Kept):
            receipt = PartReceipt(entry.number, 0, entry.size, entry.etag)
            self._parts[entry.number] = receipt, (entry.at, entry.size)
        self._take(entry.at, entry.at + entry.size)

    def _free(self, start: int, stop: int) -> bool:
        index = bisect_left(self._taken, (start, start))
        overlaps_next = index < len(self._taken) and self._taken[index][0] < stop
        overlaps_last = index > 0 and self._taken[index - 1][1] > start
        return not overlaps_next and not overlaps_last

    def _take(self, start: int, stop: int) -> None:
        if start == stop:
            return
        first = bisect_left(self._taken, start, key=lambda extent: extent[1])
        last = first
        while last < len(self._taken) and self._taken[last][0] <= stop:
            start, stop = min(start, self._taken[last][0]), max(stop, self._taken[last][1])
            last += 1
        self._taken[first:last] = [(start, stop)]
